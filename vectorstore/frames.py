"""What the server and its Chroma child say to each other: a JSON header and a body of raw bytes, both with length."""

import asyncio
import json
import struct
from collections.abc import Mapping
from io import BufferedIOBase
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
Header: TypeAlias = dict[str, Any]

_LENGTHS = struct.Struct("<II")


class BrokenFrameError(ConnectionError):
    """The other side went away in the middle of a frame."""


def encode(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """One frame: two little-endian lengths, the header as JSON, the body as it is."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(head), len(body)) + head + body


def read_blocking(stream: BufferedIOBase) -> tuple[Header, bytes] | None:
    """The next frame, or None when the other side has closed. Raises BrokenFrameError within a frame."""
    lengths = stream.read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise BrokenFrameError
    head_bytes, body_bytes = _LENGTHS.unpack(lengths)
    head, body = stream.read(head_bytes), stream.read(body_bytes)
    if len(head) < head_bytes or len(body) < body_bytes:
        raise BrokenFrameError
    return json.loads(head), body


async def read(stream: asyncio.StreamReader) -> tuple[Header, bytes]:
    """The next frame. Raises BrokenFrameError when the other side has gone."""
    try:
        head_bytes, body_bytes = _LENGTHS.unpack(await stream.readexactly(_LENGTHS.size))
        head = await stream.readexactly(head_bytes)
        return json.loads(head), await stream.readexactly(body_bytes)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise BrokenFrameError from error


def pack_vectors(vectors: Vectors) -> bytes:
    """Rows of float32, little endian, one after another."""
    return np.ascontiguousarray(vectors, dtype="<f4").tobytes()


def unpack_vectors(body: bytes, dimension: int) -> Vectors:
    """The rows again: shape (n, dimension)."""
    return np.frombuffer(body, dtype="<f4").reshape(-1, dimension)

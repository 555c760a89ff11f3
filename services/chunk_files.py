"""The file that an imported document is kept as: its chunks with their embeddings, a line of JSON each.

The same chunks always make the same bytes, so that a second import of them changes nothing.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from services.document_errors import DAMAGED, UnreadableDocumentError

SOURCE = "import"
READER, MIME = "chunk-set-1", "application/x-concierge-chunks"
SLICE_LINES = 128
# a text of 1,200 characters and an embedding of some thousand numbers, with room
LONGEST_LINE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeptChunk:
    """A chunk as it was handed to us. `vector` is float32, little endian, length 1, made by `embedder`."""

    text: str
    heading: str | None
    page: int | None
    embedder: str
    vector: bytes | None


def kept_line(chunk: KeptChunk) -> bytes:
    """A chunk's line, with its end."""
    vector = base64.b64encode(chunk.vector).decode() if chunk.vector else None
    content = {"e": chunk.embedder, "h": chunk.heading, "p": chunk.page, "t": chunk.text, "v": vector}
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def kept_slices(path: Path) -> Iterator[list[KeptChunk]]:
    """The chunks of a kept file in slices; blocking, for a thread. Raises UnreadableDocumentError, OSError."""
    with path.open("rb") as file:
        found: list[KeptChunk] = []
        while line := file.readline(LONGEST_LINE):
            found.append(_chunk(line))
            if len(found) == SLICE_LINES:
                yield found
                found = []
        if found:
            yield found


def _chunk(line: bytes) -> KeptChunk:
    try:
        row: dict[str, Any] = orjson.loads(line)
        vector = base64.b64decode(row["v"], validate=True) if row["v"] else None
        return KeptChunk(row["t"], row["h"], row["p"], row["e"], vector)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise UnreadableDocumentError(DAMAGED) from error

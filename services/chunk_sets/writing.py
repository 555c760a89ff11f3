"""Writes the files of a chunk set: Parquet or JSON lines, one after another. Blocking, for a thread."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import orjson

from database.chunk_sets import LiveDocument, StoredChunk
from services.chunk_sets.manifest import SetFormat

GROUP_ROWS = 4_096
_PLAIN = ("id", "document_id", "filename", "heading", "text", "embedder")


@dataclass(frozen=True, slots=True)
class Origin:
    """Of a slice of chunks: their document, and who made the embeddings, of so many numbers each."""

    document: LiveDocument
    embedder: str
    dimension: int


class SetWriter(Protocol):
    """One file."""

    def add(self, origin: Origin, chunks: Sequence[StoredChunk]) -> None:
        """Write chunks."""
        ...

    def close(self) -> None:
        """All of it is on its way to the disk."""
        ...


def open_writer(path: Path, kind: SetFormat, dimension: int) -> SetWriter:
    """A new file of this kind."""
    return _ParquetWriter(path, dimension) if kind == "parquet" else _LineWriter(path, packed=kind == "jsonl.gz")


def _row(origin: Origin, chunk: StoredChunk) -> dict[str, Any]:
    document = origin.document
    return {
        "id": chunk.id,
        "document_id": document.id,
        "filename": document.filename,
        "tags": document.tags,
        "ordinal": chunk.ordinal,
        "document_chunks": document.chunks,
        "heading": chunk.heading,
        "page": chunk.page,
        "text": chunk.text,
        "embedder": origin.embedder if chunk.vector else None,
    }


class _LineWriter:
    def __init__(self, path: Path, *, packed: bool) -> None:
        self._file: BinaryIO = cast("BinaryIO", gzip.GzipFile(path, "xb")) if packed else path.open("xb")

    def add(self, origin: Origin, chunks: Sequence[StoredChunk]) -> None:
        for chunk in chunks:
            row = _row(origin, chunk)
            row["embedding"] = np.frombuffer(chunk.vector, "<f4") if chunk.vector else None
            self._file.write(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        self._file.close()


class _ParquetWriter:
    def __init__(self, path: Path, dimension: int) -> None:
        import pyarrow as pa  # noqa: PLC0415 - only who exports Parquet loads it
        import pyarrow.parquet as pq  # noqa: PLC0415 - the same

        text, number = pa.string(), pa.int32()
        kinds = dict.fromkeys(_PLAIN, text) | dict.fromkeys(("ordinal", "document_chunks", "page"), number)
        kinds["tags"] = pa.list_(text)
        self._dimension = dimension
        self._schema = pa.schema([*kinds.items(), ("embedding", pa.list_(pa.float32(), dimension))])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._vectors: list[bytes | None] = []

    def add(self, origin: Origin, chunks: Sequence[StoredChunk]) -> None:
        self._rows += [_row(origin, chunk) for chunk in chunks]
        self._vectors += [chunk.vector for chunk in chunks]
        if len(self._rows) >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - only who exports Parquet loads it

        if not self._rows:
            return
        columns = [
            pa.array([row[field.name] for row in self._rows], field.type)
            for field in self._schema
            if field.name != "embedding"
        ]
        empty = b"\0" * 4 * self._dimension
        numbers = np.frombuffer(b"".join(vector or empty for vector in self._vectors), "<f4")
        missing = pa.array([vector is None for vector in self._vectors])
        embedding = pa.FixedSizeListArray.from_arrays(pa.array(numbers), self._dimension, mask=missing)
        self._writer.write_table(pa.Table.from_arrays([*columns, embedding], schema=self._schema))
        self._rows, self._vectors = [], []

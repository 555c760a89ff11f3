"""What chunk sets read and write: the live chunks of a business with their embeddings, and chunks that have some."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from database.document_chunks import ChunkVector, insert_chunks, insert_vectors
from database.document_work import Step, move
from database.records import Chunk
from database.transaction import Transaction, Unit


@dataclass(frozen=True, slots=True)
class LiveDocument:
    """A document that answers. `version_id` is its live version, of `chunks` chunks."""

    id: str
    filename: str
    version_id: str
    chunks: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk with its embedding (float32, little endian), if it has one."""

    id: str
    ordinal: int
    text: str
    heading: str | None
    page: int | None
    vector: bytes | None


def live_documents(business_id: str, after: str, limit: int) -> Unit[list[LiveDocument]]:
    """The next documents of a business that answer, behind the id `after`."""

    async def unit(transaction: Transaction) -> list[LiveDocument]:
        rows = await transaction.packed(
            "id, filename, live_version_id, "
            "(SELECT COUNT(*) FROM chunks WHERE version_id = live_version_id), "
            "(SELECT json_group_array(tag) FROM (SELECT tag FROM document_tags WHERE document_id = d.id ORDER BY tag))",
            "FROM (SELECT id, filename, live_version_id FROM documents WHERE business_id = :business_id "
            "AND deleted_at IS NULL AND live_version_id IS NOT NULL AND id > :after ORDER BY id LIMIT :limit) AS d",
            {"business_id": business_id, "after": after, "limit": limit},
        )
        return [
            LiveDocument(key, filename, version_id, chunks, tuple(_list(tags)))
            for key, filename, version_id, chunks, tags in rows
        ]

    return unit


def stored_chunks(version_id: str, embedder: str, after: int, limit: int) -> Unit[list[StoredChunk]]:
    """The next chunks of a version behind the ordinal `after`."""

    async def unit(transaction: Transaction) -> list[StoredChunk]:
        rows = await transaction.packed(
            "id, ordinal, text, heading, page, "
            "(SELECT hex(vector) FROM embeddings WHERE chunk_id = c.id AND embedder = :embedder)",
            "FROM (SELECT id, ordinal, text, heading, page FROM chunks WHERE version_id = :version_id "
            "AND ordinal > :after ORDER BY ordinal LIMIT :limit) AS c",
            {"version_id": version_id, "embedder": embedder, "after": after, "limit": limit},
        )
        return [
            StoredChunk(key, ordinal, text, heading, page, bytes.fromhex(vector) if vector else None)
            for key, ordinal, text, heading, page, vector in rows
        ]

    return unit


def stored_dimension(embedder: str) -> Unit[int | None]:
    """How many numbers an embedding of this embedder has; None while there is none."""

    async def unit(transaction: Transaction) -> int | None:
        row = await transaction.one(
            "SELECT length(vector) / 4 AS n FROM embeddings WHERE embedder = :embedder LIMIT 1", {"embedder": embedder}
        )
        return int(row["n"]) if row else None

    return unit


def add_embedded_chunks(
    step: Step, chunks: Sequence[Chunk], embedder: str, vectors: Sequence[ChunkVector], now: int
) -> Unit[bool]:
    """As document_chunks.add_chunks, with those embeddings that there are already."""

    async def unit(transaction: Transaction) -> bool:
        if not await move(transaction, step, now):
            return False
        await insert_chunks(transaction, chunks)
        await insert_vectors(transaction, embedder, vectors)
        return True

    return unit


def _list(packed: str | list[str]) -> list[str]:
    """SQLite may give a JSON array inside another as it is or as text."""
    return list(json.loads(packed)) if isinstance(packed, str) else packed


def vector_bytes(embedder: str) -> Unit[int | None]:
    """How long the vectors of an embedder are; None when there is none of it."""

    async def unit(transaction: Transaction) -> int | None:
        row = await transaction.one(
            "SELECT LENGTH(vector) AS n FROM embeddings WHERE embedder = :embedder LIMIT 1", {"embedder": embedder}
        )
        return int(row["n"]) if row else None

    return unit

"""Writing a version's chunks and embeddings in slices, and reading the slices that are still to be worked on.

Every unit here is meant for a slice of some hundred rows at most: some milliseconds of the writer.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from database.chunks import embedded_text
from database.document_work import Step, move
from database.records import Chunk
from database.transaction import Row, Transaction, Unit

HASH_BYTES = 16
# The oldest so many chunks of one text are asked for its embedding: the one that was embedded first is among them.
DONORS = 16


@dataclass(frozen=True, slots=True)
class ChunkVector:
    """An embedding as it is stored: float32, little endian, length 1."""

    chunk_id: str
    vector: bytes


@dataclass(frozen=True, slots=True)
class OpenChunk:
    """A chunk of a version that is on its way.

    `donor` is the chunk of the same business whose embedding fits, for its text is the same: itself, when it has
    one already; None when there is none.
    """

    chunk: Chunk
    donor: str | None


CHUNK_COLUMNS = "c.id, c.business_id, c.document_id, c.version_id, c.ordinal, c.text, c.heading, c.page"


def chunk_of(row: Row) -> Chunk:
    """A chunk from its columns."""
    return Chunk(*(row[field.removeprefix("c.")] for field in CHUNK_COLUMNS.split(", ")))


def text_hash(heading: str | None, text: str) -> bytes:
    """For `chunks.text_hash`: what is the same here has the same embedding."""
    return sha256(embedded_text(heading, text).encode()).digest()[:HASH_BYTES]


def add_chunks(step: Step, chunks: Sequence[Chunk], now: int) -> Unit[bool]:
    """Store a slice of a version that is being parsed. False, and nothing stored, when the work is over."""

    async def unit(transaction: Transaction) -> bool:
        if not await move(transaction, step, now):
            return False
        await insert_chunks(transaction, chunks)
        return True

    return unit


async def insert_chunks(transaction: Transaction, chunks: Sequence[Chunk]) -> None:
    """Store chunks; part of a unit."""
    await transaction.bulk(
        "INSERT INTO chunks (id, business_id, document_id, version_id, ordinal, heading, page, text, text_hash) "
        "VALUES {rows}",
        [
            (
                chunk.id,
                chunk.business_id,
                chunk.document_id,
                chunk.version_id,
                chunk.ordinal,
                chunk.heading,
                chunk.page,
                chunk.text,
                text_hash(chunk.heading, chunk.text),
            )
            for chunk in chunks
        ],
    )


async def insert_vectors(transaction: Transaction, embedder: str, vectors: Sequence[ChunkVector]) -> None:
    """Store embeddings, in place of those that there are; part of a unit."""
    await transaction.bulk(
        "INSERT INTO embeddings (chunk_id, embedder, vector) VALUES {rows}"
        " ON CONFLICT (chunk_id, embedder) DO UPDATE SET vector = excluded.vector",
        [(vector.chunk_id, embedder, vector.vector) for vector in vectors],
    )


def count_of(version_id: str) -> Unit[int]:
    """How many chunks a version on its way has: those are numbered from 0 without gaps.

    A live one may have fewer: passages are taken out of it (chunk_corrections.py).
    """

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one(
            "SELECT COALESCE(MAX(ordinal) + 1, 0) AS n FROM chunks WHERE version_id = :id", {"id": version_id}
        )
        return int(row["n"]) if row else 0

    return unit


def chunks_without_vector(version_id: str, embedder: str, after: int, limit: int) -> Unit[list[Chunk]]:
    """The next chunks behind the ordinal `after` that this embedder has not seen."""

    async def unit(transaction: Transaction) -> list[Chunk]:
        rows = await transaction.all(
            f"SELECT {CHUNK_COLUMNS} FROM chunks AS c "
            "LEFT JOIN embeddings AS e ON e.chunk_id = c.id AND e.embedder = :embedder "
            "WHERE c.version_id = :version_id AND c.ordinal > :after AND e.chunk_id IS NULL "
            "ORDER BY c.ordinal LIMIT :limit",
            {"version_id": version_id, "embedder": embedder, "after": after, "limit": limit},
        )
        return [chunk_of(row) for row in rows]

    return unit


def open_chunks(after: Mapping[str, int], embedder: str, limit: int) -> Unit[list[OpenChunk]]:
    """The next chunks of these versions, each behind its ordinal; version after version, as `after` has them."""
    cursors = json.dumps(list(after.items()))

    async def unit(transaction: Transaction) -> list[OpenChunk]:
        rows = await transaction.packed(
            "id, business_id, document_id, version_id, ordinal, text, heading, page, donor",
            f"FROM (SELECT {CHUNK_COLUMNS}, COALESCE("
            "(SELECT chunk_id FROM embeddings WHERE chunk_id = c.id AND embedder = :embedder), "
            "(SELECT chunk_id FROM embeddings WHERE embedder = :embedder AND chunk_id IN "
            f"(SELECT id FROM chunks WHERE business_id = c.business_id AND text_hash = c.text_hash LIMIT {DONORS}) "
            "LIMIT 1)) AS donor "
            "FROM json_each(:cursors) AS j JOIN chunks AS c ON c.version_id = json_extract(j.value, '$[0]') "
            "AND c.ordinal > json_extract(j.value, '$[1]') ORDER BY j.key, c.ordinal LIMIT :limit)",
            {"cursors": cursors, "embedder": embedder, "limit": limit},
        )
        return [OpenChunk(Chunk(*row[:8]), row[8]) for row in rows]

    return unit


def store_vectors(
    steps: Sequence[Step], embedder: str, vectors: Mapping[str, Sequence[ChunkVector]], now: int
) -> Unit[set[str]]:
    """Store a slice of embeddings, by document; the ids of the documents whose work goes on: only theirs are stored.

    It is progress: who began before and did not live to see it is forgiven.
    """

    async def unit(transaction: Transaction) -> set[str]:
        going_on = {step.task.document_id for step in steps if await move(transaction, step, now)}
        fresh = [vector for document_id in sorted(going_on) for vector in vectors.get(document_id, ())]
        await insert_vectors(transaction, embedder, fresh)
        forgiven = sorted(document_id for document_id in going_on if vectors.get(document_id))
        await transaction.run(
            "UPDATE documents SET attempts = 1 WHERE attempts > 1 AND id IN (SELECT value FROM json_each(:ids))",
            {"ids": json.dumps(forgiven)},
        )
        return going_on

    return unit


def chunk_ids(version_id: str, limit: int, after: str = "") -> Unit[list[str]]:
    """Ids of chunks of a version, behind the id `after`."""

    async def unit(transaction: Transaction) -> list[str]:
        rows = await transaction.packed(
            "id",
            "FROM (SELECT id FROM chunks WHERE version_id = :version AND id > :after ORDER BY id LIMIT :limit)",
            {"version": version_id, "after": after, "limit": limit},
        )
        return [row[0] for row in rows]

    return unit


def remove_chunks(chunk_ids: Collection[str]) -> Unit[int]:
    """Take chunks and their embeddings away; the number of chunks."""
    ids = json.dumps(list(chunk_ids))

    async def unit(transaction: Transaction) -> int:
        listed = "IN (SELECT value FROM json_each(:ids))"
        await transaction.run(f"DELETE FROM embeddings WHERE chunk_id {listed}", {"ids": ids})
        return await transaction.run(f"DELETE FROM chunks WHERE id {listed}", {"ids": ids})

    return unit

"""Writing a version's chunks and embeddings in slices, and taking away what is no longer wanted.

Every unit here is meant for a slice of about 64 rows: a few milliseconds of the writer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from database.documents import DocumentTask, move
from database.records import Chunk, DocumentStatus
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class ChunkVector:
    """An embedding as it is stored: float32, little endian, length 1."""

    chunk_id: str
    vector: bytes


@dataclass(frozen=True, slots=True)
class Leftover:
    """A document whose rows, vectors and file are to go; `deleted` tells whether the document itself goes too."""

    document_id: str
    business_id: str
    deleted: bool


CHUNK_COLUMNS = "c.id, c.business_id, c.document_id, c.version_id, c.ordinal, c.text, c.heading, c.page"


def chunk_of(row: Row) -> Chunk:
    """A chunk from its columns."""
    return Chunk(*(row[field.removeprefix("c.")] for field in CHUNK_COLUMNS.split(", ")))


def add_chunks(task: DocumentTask, chunks: Sequence[Chunk], progress: float, now: int) -> Unit[bool]:
    """Store a slice of a version that is being parsed. False, and nothing stored, when the document was deleted."""

    async def unit(transaction: Transaction) -> bool:
        if not await move(transaction, task.document_id, DocumentStatus.PARSING, progress, now):
            return False
        await insert_chunks(transaction, chunks)
        return True

    return unit


async def insert_chunks(transaction: Transaction, chunks: Sequence[Chunk]) -> None:
    """Store chunks; part of a unit."""
    await transaction.bulk(
        "INSERT INTO chunks (id, business_id, document_id, version_id, ordinal, heading, page, text) VALUES {rows}",
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
    """How many chunks a version has: they are numbered from 0 without gaps."""

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


def add_vectors(
    task: DocumentTask, embedder: str, vectors: Sequence[ChunkVector], progress: float, now: int
) -> Unit[bool]:
    """Store a slice of embeddings. False, and nothing stored, when the document was deleted."""

    async def unit(transaction: Transaction) -> bool:
        if not await move(transaction, task.document_id, DocumentStatus.EMBEDDING, progress, now):
            return False
        await insert_vectors(transaction, embedder, vectors)
        return True

    return unit


def chunks_with_vectors(version_id: str, embedder: str, after: int, limit: int) -> Unit[list[tuple[Chunk, bytes]]]:
    """The next chunks behind the ordinal `after`, each with its embedding."""

    async def unit(transaction: Transaction) -> list[tuple[Chunk, bytes]]:
        rows = await transaction.all(
            f"SELECT {CHUNK_COLUMNS}, e.vector FROM chunks AS c "
            "JOIN embeddings AS e ON e.chunk_id = c.id AND e.embedder = :embedder "
            "WHERE c.version_id = :version_id AND c.ordinal > :after ORDER BY c.ordinal LIMIT :limit",
            {"version_id": version_id, "embedder": embedder, "after": after, "limit": limit},
        )
        return [(chunk_of(row), row["vector"]) for row in rows]

    return unit


def leftovers() -> Unit[list[Leftover]]:
    """Deleted documents, and failed ones that still have chunks."""

    async def unit(transaction: Transaction) -> list[Leftover]:
        rows = await transaction.all(
            "SELECT id, business_id, deleted_at IS NOT NULL AS deleted FROM documents WHERE deleted_at IS NOT NULL "
            "OR (status = 'failed' AND EXISTS (SELECT 1 FROM chunks WHERE document_id = documents.id)) "
            "ORDER BY id"
        )
        return [Leftover(row["id"], row["business_id"], bool(row["deleted"])) for row in rows]

    return unit


def some_chunk_ids(document_id: str, limit: int) -> Unit[list[str]]:
    """Ids of chunks of a document, of any version."""

    async def unit(transaction: Transaction) -> list[str]:
        rows = await transaction.all(
            "SELECT id FROM chunks WHERE document_id = :id LIMIT :limit", {"id": document_id, "limit": limit}
        )
        return [row["id"] for row in rows]

    return unit


def remove_chunks(chunk_ids: Sequence[str]) -> Unit[int]:
    """Take chunks and their embeddings away; the number of chunks."""

    async def unit(transaction: Transaction) -> int:
        ids = [(chunk_id,) for chunk_id in chunk_ids]
        await transaction.many("DELETE FROM embeddings WHERE chunk_id = ?", ids)
        return await transaction.many("DELETE FROM chunks WHERE id = ?", ids)

    return unit


def version_ids(document_id: str) -> Unit[list[str]]:
    """The versions of a document, which name its files."""

    async def unit(transaction: Transaction) -> list[str]:
        rows = await transaction.all("SELECT id FROM versions WHERE document_id = :id", {"id": document_id})
        return [row["id"] for row in rows]

    return unit


def all_version_ids() -> Unit[set[str]]:
    """Every version whose file may be needed."""

    async def unit(transaction: Transaction) -> set[str]:
        return {row["id"] for row in await transaction.all("SELECT id FROM versions")}

    return unit


def remove_document(document_id: str) -> Unit[None]:
    """Forget a deleted document whose chunks are gone."""

    async def unit(transaction: Transaction) -> None:
        await transaction.run("DELETE FROM versions WHERE document_id = :id", {"id": document_id})
        await transaction.run("DELETE FROM documents WHERE id = :id", {"id": document_id})

    return unit

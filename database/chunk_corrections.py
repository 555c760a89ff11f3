"""Taking a passage of a live document out of the knowledge, or putting a shorter one in its place."""

from collections.abc import Sequence

from database.document_chunks import CHUNK_COLUMNS, ChunkVector, chunk_of, insert_chunks, insert_vectors
from database.documents import count_change
from database.records import Chunk
from database.transaction import Transaction, Unit


def live_chunk(business_id: str, chunk_id: str) -> Unit[Chunk | None]:
    """The chunk, when it is this business's and may answer now."""

    async def unit(transaction: Transaction) -> Chunk | None:
        row = await transaction.one(
            f"SELECT {CHUNK_COLUMNS} FROM chunks AS c JOIN documents AS d ON d.id = c.document_id "
            "AND d.live_version_id = c.version_id "
            "WHERE c.id = :id AND c.business_id = :business_id AND d.deleted_at IS NULL",
            {"id": chunk_id, "business_id": business_id},
        )
        return chunk_of(row) if row else None

    return unit


def replace_chunk(old: Chunk, new: Sequence[tuple[Chunk, bytes]], embedder: str, now: int) -> Unit[bool]:
    """Take a chunk out and put another with its embedding in its place, or none; False when it is gone already.

    `new` has one pair at most (chunk, float32 vector as stored). A document of which nothing is left is deleted.
    """

    async def unit(transaction: Transaction) -> bool:
        await transaction.run("DELETE FROM embeddings WHERE chunk_id = :id", {"id": old.id})
        if not await transaction.run("DELETE FROM chunks WHERE id = :id", {"id": old.id}):
            return False
        await insert_chunks(transaction, [chunk for chunk, _ in new])
        await insert_vectors(transaction, embedder, [ChunkVector(chunk.id, vector) for chunk, vector in new])
        if new:
            # One that is to take over, or has, does not know the new chunk: it looks at the version once more.
            await transaction.run(
                "UPDATE versions SET embedder = :embedder, embedded_too = NULL WHERE id = :id",
                {"id": old.version_id, "embedder": embedder},
            )
        else:
            await _count_down(transaction, old, now)
        await count_change(transaction, old.business_id)
        return True

    return unit


async def _count_down(transaction: Transaction, old: Chunk, now: int) -> None:
    left = await transaction.one("SELECT 1 FROM chunks WHERE version_id = :id LIMIT 1", {"id": old.version_id})
    await transaction.run(
        "UPDATE documents SET chunks_count = chunks_count - 1, updated_at = :now, "
        "deleted_at = CASE WHEN :empty = 1 THEN :now ELSE deleted_at END WHERE id = :id",
        {"id": old.document_id, "now": now, "empty": int(left is None)},
    )

"""After a change of the embedder: which live versions the new one has not seen, and storing its vectors of them."""

from collections.abc import Sequence

from database.document_chunks import ChunkVector
from database.transaction import Transaction, Unit


def live_versions_not_by(embedder: str) -> Unit[list[str]]:
    """Live versions that another embedder has embedded, the oldest first."""

    async def unit(transaction: Transaction) -> list[str]:
        rows = await transaction.all(
            "SELECT v.id FROM documents AS d JOIN versions AS v ON v.id = d.live_version_id "
            "WHERE d.deleted_at IS NULL AND COALESCE(v.embedder, '') <> :embedder ORDER BY v.id",
            {"embedder": embedder},
        )
        return [row["id"] for row in rows]

    return unit


def add_live_vectors(embedder: str, vectors: Sequence[ChunkVector]) -> Unit[None]:
    """Store a slice of embeddings beside those of other embedders; none of a chunk whose document was deleted."""

    async def unit(transaction: Transaction) -> None:
        await transaction.many(
            "INSERT INTO embeddings (chunk_id, embedder, vector) "
            "SELECT c.id, :embedder, :vector FROM chunks AS c JOIN documents AS d ON d.id = c.document_id "
            "WHERE c.id = :chunk_id AND d.deleted_at IS NULL "
            "ON CONFLICT (chunk_id, embedder) DO UPDATE SET vector = excluded.vector",
            [{"chunk_id": vector.chunk_id, "embedder": embedder, "vector": vector.vector} for vector in vectors],
        )

    return unit


def embedded_by(version_id: str, embedder: str) -> Unit[None]:
    """All of the version has been embedded."""

    async def unit(transaction: Transaction) -> None:
        await transaction.run(
            "UPDATE versions SET embedder = :embedder WHERE id = :id", {"id": version_id, "embedder": embedder}
        )

    return unit

"""While an embedder takes over: what it has not seen yet, storing its vectors, and forgetting those of former ones."""

import json
from collections.abc import Collection, Sequence

from database.document_chunks import ChunkVector
from database.index_state import UNSHELVED, count_missing
from database.transaction import Transaction, Unit


def live_versions_not_by(embedder: str) -> Unit[list[str]]:
    """Versions that answer, or are held, of which this embedder has not seen all; the oldest first."""

    async def unit(transaction: Transaction) -> list[str]:
        rows = await transaction.all(
            f"SELECT v.id {UNSHELVED} AND COALESCE(v.embedder, '') <> :embedder "
            "AND COALESCE(v.embedded_too, '') <> :embedder ORDER BY v.id",
            {"embedder": embedder},
        )
        return [row["id"] for row in rows]

    return unit


def live_versions() -> Unit[list[str]]:
    """Versions that answer, or are held; the oldest first."""

    async def unit(transaction: Transaction) -> list[str]:
        return [row["id"] for row in await transaction.all(f"SELECT v.id {UNSHELVED} ORDER BY v.id")]

    return unit


def chunks_in(version_ids: Collection[str]) -> Unit[int]:
    """How many chunks the versions have."""

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one(
            "SELECT COUNT(*) AS n FROM json_each(:ids) AS v JOIN chunks AS c ON c.version_id = v.value",
            {"ids": json.dumps(list(version_ids))},
        )
        return int(row["n"]) if row else 0

    return unit


def add_live_vectors(embedder: str, vectors: Sequence[ChunkVector]) -> Unit[None]:
    """Store a slice of embeddings beside those of other embedders; none of a chunk whose document was deleted."""

    async def unit(transaction: Transaction) -> None:
        # A join, since a chunk's row may have gone meanwhile; SQLite wants WHERE before this ON CONFLICT.
        await transaction.bulk(
            "WITH given (chunk_id, embedder, vector) AS (VALUES {rows}) "
            "INSERT INTO embeddings (chunk_id, embedder, vector) "
            "SELECT g.chunk_id, g.embedder, g.vector FROM given AS g JOIN chunks AS c ON c.id = g.chunk_id "
            "JOIN documents AS d ON d.id = c.document_id WHERE d.deleted_at IS NULL "
            "ON CONFLICT (chunk_id, embedder) DO UPDATE SET vector = excluded.vector",
            [(vector.chunk_id, embedder, vector.vector) for vector in vectors],
        )

    return unit


def embedded_by(version_id: str, embedder: str) -> Unit[None]:
    """All of the version that can be embedded has been, by the embedder that answers; what cannot is counted."""

    async def unit(transaction: Transaction) -> None:
        await transaction.run(
            "UPDATE versions SET embedder = :embedder WHERE id = :id", {"id": version_id, "embedder": embedder}
        )
        await count_missing(transaction, embedder, version_id)

    return unit


def embedded_too_by(version_id: str, embedder: str) -> Unit[None]:
    """All of the version has been embedded, by an embedder that is to take over."""

    async def unit(transaction: Transaction) -> None:
        await transaction.run(
            "UPDATE versions SET embedded_too = :embedder WHERE id = :id", {"id": version_id, "embedder": embedder}
        )

    return unit


def forget_marks(kept: Collection[str]) -> Unit[int]:
    """Before embeddings of all others are forgotten: no version is said to have them any more."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.run(
            "UPDATE versions SET embedded_too = NULL "
            "WHERE embedded_too IS NOT NULL AND embedded_too NOT IN (SELECT value FROM json_each(:kept))",
            {"kept": json.dumps(sorted(kept))},
        )

    return unit


def forget_others(kept: Collection[str], after: str, limit: int) -> Unit[str | None]:
    """Among the next embeddings behind the chunk `after`, delete what none of the `kept` embedders made.

    The last chunk that was looked at; None when there are no more.
    """

    async def unit(transaction: Transaction) -> str | None:
        row = await transaction.one(
            "SELECT MAX(chunk_id) AS last FROM "
            "(SELECT chunk_id FROM embeddings WHERE chunk_id > :after ORDER BY chunk_id LIMIT :limit)",
            {"after": after, "limit": limit},
        )
        last: str | None = row["last"] if row else None
        if last is not None:
            await transaction.run(
                "DELETE FROM embeddings WHERE chunk_id > :after AND chunk_id <= :last "
                "AND embedder NOT IN (SELECT value FROM json_each(:kept))",
                {"after": after, "last": last, "kept": json.dumps(sorted(kept))},
            )
        return last

    return unit

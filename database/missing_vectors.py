"""Live documents of which chunks have no embedding: which they are, and giving them theirs later."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from database.document_chunks import ChunkVector, insert_vectors
from database.transaction import Transaction, Unit


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A document whose live version lacks embeddings."""

    document_id: str
    business_id: str
    version_id: str


_STILL_LIVE = "id = :id AND live_version_id = :version_id AND deleted_at IS NULL"


def incomplete_documents(after: str, limit: int) -> Unit[list[Incomplete]]:
    """The next ones behind the id `after`."""

    async def unit(transaction: Transaction) -> list[Incomplete]:
        rows = await transaction.all(
            "SELECT id, business_id, live_version_id FROM documents WHERE chunks_missing > 0 AND deleted_at IS NULL "
            "AND live_version_id IS NOT NULL AND id > :after ORDER BY id LIMIT :limit",
            {"after": after, "limit": limit},
        )
        return [Incomplete(*row) for row in rows]

    return unit


def heal_chunks(document: Incomplete, embedder: str, vectors: Sequence[ChunkVector]) -> Unit[bool]:
    """Store embeddings of chunks of the live version. False, and nothing stored, when it is not live any more."""

    async def unit(transaction: Transaction) -> bool:
        if not await _is_live(transaction, document):
            return False
        # a passage may have been taken out meanwhile
        there = {
            chunk["id"]
            for chunk in await transaction.all(
                "SELECT id FROM chunks WHERE id IN (SELECT value FROM json_each(:ids))",
                {"ids": json.dumps([vector.chunk_id for vector in vectors])},
            )
        }
        await insert_vectors(transaction, embedder, [vector for vector in vectors if vector.chunk_id in there])
        return True

    return unit


def still_live(document: Incomplete) -> Unit[bool]:
    """Whether it is, and not on its way out of the indexes."""

    async def unit(transaction: Transaction) -> bool:
        return await _is_live(transaction, document)

    return unit


async def _is_live(transaction: Transaction, document: Incomplete) -> bool:
    row = await transaction.one(
        f"SELECT 1 FROM documents WHERE {_STILL_LIVE}",
        {"id": document.document_id, "version_id": document.version_id},
    )
    return row is not None


def recount_missing(document: Incomplete, embedder: str) -> Unit[int]:
    """Write down how many chunks of the live version this embedder has not seen, if it is live still; the number."""

    async def unit(transaction: Transaction) -> int:
        rows = await transaction.all(
            "UPDATE documents SET chunks_missing = (SELECT COUNT(*) FROM chunks AS c WHERE c.version_id = :version_id "
            "AND NOT EXISTS (SELECT 1 FROM embeddings WHERE chunk_id = c.id AND embedder = :embedder)) "
            f"WHERE {_STILL_LIVE} RETURNING chunks_missing",
            {"id": document.document_id, "version_id": document.version_id, "embedder": embedder},
        )
        return int(rows[0]["chunks_missing"]) if rows else 0

    return unit

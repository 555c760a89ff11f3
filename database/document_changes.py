"""Documents that somebody watches: those that are under way, and those that were named."""

import json
from collections.abc import Sequence

from database.documents import COLUMNS, OPEN, document_of
from database.records import Document
from database.transaction import Transaction, Unit


def documents_under_way(business_id: str, after: str, limit: int) -> Unit[list[Document]]:
    """Documents of a business whose newest version is not at its end, by id; `after` is the last one before."""

    async def unit(transaction: Transaction) -> list[Document]:
        rows = await transaction.all(
            f"SELECT {COLUMNS} FROM documents AS d WHERE d.business_id = :business AND d.id > :after AND {OPEN} "
            "ORDER BY d.id LIMIT :limit",
            {"business": business_id, "after": after, "limit": limit},
        )
        return [document_of(row) for row in rows]

    return unit


def documents_among(business_id: str, document_ids: Sequence[str]) -> Unit[list[Document]]:
    """Those of the documents that the business has and has not deleted, by id."""

    async def unit(transaction: Transaction) -> list[Document]:
        rows = await transaction.all(
            f"SELECT {COLUMNS} FROM documents AS d WHERE d.business_id = :business AND d.deleted_at IS NULL "
            "AND d.id IN (SELECT value FROM json_each(:ids)) ORDER BY d.id",
            {"business": business_id, "ids": json.dumps(document_ids)},
        )
        return [document_of(row) for row in rows]

    return unit

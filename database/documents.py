"""Documents as their owner sees them. Their versions are in document_versions.py, the work on them in document_work.py.

`status`, `progress`, `error_message` and `bytes` of a document speak of its newest version; the live one answers.
A deleted document has `deleted_at` and is nobody's business any more, except the sweep's.
"""

import json
from collections.abc import Sequence

from database.records import Document, DocumentStatus
from database.transaction import Row, Transaction, Unit

COLUMNS = (
    "d.id, d.business_id, d.filename, d.status, d.progress, d.is_processed, d.chunks_count, d.error_message, "
    "d.version, d.bytes, d.created_at, d.updated_at, d.source, d.warning, d.chunks_missing, d.chunks_dropped, "
    "(SELECT number FROM versions WHERE id = d.live_version_id) AS live_version, "
    "(SELECT number FROM versions WHERE document_id = d.id AND number = d.version AND hold = 1 "
    "AND completed_at IS NOT NULL) AS held_version, "
    "(SELECT json_group_array(tag) FROM (SELECT tag FROM document_tags WHERE document_id = d.id ORDER BY tag)) AS tags"
)
# what is on its way; `d` is the document
OPEN = "status NOT IN ('ready', 'failed') AND deleted_at IS NULL"


def document_of(row: Row) -> Document:
    """A document from COLUMNS."""
    fields = dict(row)
    fields["status"] = DocumentStatus(fields["status"])
    fields["is_processed"] = bool(fields["is_processed"])
    fields["tags"] = tuple(json.loads(fields["tags"]))
    return Document(**fields)


def document(business_id: str, document_id: str) -> Unit[Document | None]:
    """The document, when it is this business's and not deleted."""

    async def unit(transaction: Transaction) -> Document | None:
        row = await transaction.one(
            f"SELECT {COLUMNS} FROM documents AS d "
            "WHERE d.id = :id AND d.business_id = :business_id AND d.deleted_at IS NULL",
            {"id": document_id, "business_id": business_id},
        )
        return document_of(row) if row else None

    return unit


def documents(
    business_id: str,
    limit: int,
    before: tuple[int, str] | None = None,
    *,
    source: str | None = None,
    tag: str | None = None,
) -> Unit[list[Document]]:
    """The newest documents first; `before` is created_at and id of the last one of the page before."""

    async def unit(transaction: Transaction) -> list[Document]:
        rows = await transaction.all(
            f"SELECT {COLUMNS} FROM documents AS d WHERE d.business_id = :business_id AND d.deleted_at IS NULL "
            "AND (d.created_at < :created_at OR (d.created_at = :created_at AND d.id < :id)) "
            "AND (:source IS NULL OR d.source = :source) AND (:tag IS NULL OR EXISTS "
            "(SELECT 1 FROM document_tags WHERE document_id = d.id AND tag = :tag)) "
            "ORDER BY d.created_at DESC, d.id DESC LIMIT :limit",
            {
                "business_id": business_id,
                "limit": limit,
                "created_at": before[0] if before else 2**62,
                "id": before[1] if before else "",
                "source": source,
                "tag": tag,
            },
        )
        return [document_of(row) for row in rows]

    return unit


def unfinished_among(document_ids: frozenset[str]) -> Unit[set[str]]:
    """Those of the documents that are still on their way; a deleted one is not."""

    async def unit(transaction: Transaction) -> set[str]:
        rows = await transaction.all(f"SELECT id FROM documents WHERE {OPEN}")
        return {row["id"] for row in rows} & document_ids

    return unit


def set_tags(business_id: str, document_id: str, tags: Sequence[str], now: int) -> Unit[bool]:
    """Give a document these tags in place of those that it has. False when this business has no such document."""

    async def unit(transaction: Transaction) -> bool:
        changed = await transaction.run(
            "UPDATE documents SET updated_at = :now "
            "WHERE id = :id AND business_id = :business_id AND deleted_at IS NULL",
            {"id": document_id, "business_id": business_id, "now": now},
        )
        if changed:
            await replace_tags(transaction, document_id, tags)
            # searches may ask for a tag
            await count_change(transaction, business_id)
        return changed == 1

    return unit


async def replace_tags(transaction: Transaction, document_id: str, tags: Sequence[str]) -> None:
    """`set_tags` as a part of a larger unit."""
    await transaction.run("DELETE FROM document_tags WHERE document_id = :id", {"id": document_id})
    await transaction.bulk(
        "INSERT INTO document_tags (document_id, tag) VALUES {rows}", [(document_id, tag) for tag in tags]
    )


def delete_document(business_id: str, document_id: str, now: int) -> Unit[bool]:
    """No search finds it after this commit. False when this business has no such document."""

    async def unit(transaction: Transaction) -> bool:
        rows = await transaction.all(
            "UPDATE documents SET deleted_at = :now, updated_at = :now "
            "WHERE id = :id AND business_id = :business_id AND deleted_at IS NULL RETURNING live_version_id",
            {"id": document_id, "business_id": business_id, "now": now},
        )
        if rows and rows[0]["live_version_id"] is not None:
            await count_change(transaction, business_id)
        return bool(rows)

    return unit


def knowledge_version(business_id: str) -> Unit[int]:
    """How often what is live of a business has changed; 0 before its first document."""

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one(
            "SELECT version FROM knowledge_versions WHERE business_id = :business_id", {"business_id": business_id}
        )
        return int(row["version"]) if row else 0

    return unit


async def count_change(transaction: Transaction, business_id: str) -> None:
    """Part of every unit that changes what is live of a business."""
    await transaction.run(
        "INSERT INTO knowledge_versions (business_id, version) VALUES (:business_id, 1) "
        "ON CONFLICT (business_id) DO UPDATE SET version = knowledge_versions.version + 1",
        {"business_id": business_id},
    )

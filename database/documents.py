"""Documents as their owner sees them, and their way through the queue. Chunks are in document_chunks.py.

queued → parsing → embedding → indexing → ready, or failed from any of them. A deleted document has `deleted_at` and
is nobody's business any more, except the sweep's.
"""

from dataclasses import dataclass

from database.records import Document, DocumentStatus
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """The file behind a document: its id is also its name on disk."""

    id: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class DocumentTask:
    """A document that is being worked on, as it was when it was taken up."""

    document_id: str
    business_id: str
    version_id: str
    filename: str
    status: DocumentStatus


@dataclass(frozen=True, slots=True)
class Reading:
    """What a version was read with, for the day when one of them changes."""

    mime: str
    parser: str
    chunker: str
    embedder: str


_COLUMNS = (
    "id, business_id, filename, status, progress, is_processed, chunks_count, error_message, version, bytes, "
    "created_at, updated_at"
)
_OPEN = "status NOT IN ('ready', 'failed') AND deleted_at IS NULL"


def _document(row: Row) -> Document:
    fields = dict(row)
    fields["status"] = DocumentStatus(fields["status"])
    fields["is_processed"] = bool(fields["is_processed"])
    return Document(**fields)


def add_document(document: Document, version: StoredVersion) -> Unit[None]:
    """A document and its first version, whose file is on disk already (or never will be, when it failed)."""

    async def unit(transaction: Transaction) -> None:
        await transaction.run(
            f"INSERT INTO documents ({_COLUMNS}) VALUES (:id, :business_id, :filename, :status, :progress, "
            ":is_processed, :chunks_count, :error_message, :version, :bytes, :created_at, :updated_at)",
            {field: getattr(document, field) for field in _COLUMNS.split(", ")},
        )
        await transaction.run(
            "INSERT INTO versions (id, document_id, business_id, number, sha256, bytes, created_at) "
            "VALUES (:id, :document_id, :business_id, :number, :sha256, :bytes, :now)",
            {
                "id": version.id,
                "document_id": document.id,
                "business_id": document.business_id,
                "number": document.version,
                "sha256": version.sha256,
                "bytes": version.bytes,
                "now": document.created_at,
            },
        )

    return unit


def document(business_id: str, document_id: str) -> Unit[Document | None]:
    """The document, when it is this business's and not deleted."""

    async def unit(transaction: Transaction) -> Document | None:
        row = await transaction.one(
            f"SELECT {_COLUMNS} FROM documents WHERE id = :id AND business_id = :business_id AND deleted_at IS NULL",
            {"id": document_id, "business_id": business_id},
        )
        return _document(row) if row else None

    return unit


def documents(business_id: str, limit: int, before: tuple[int, str] | None = None) -> Unit[list[Document]]:
    """The newest documents first; `before` is created_at and id of the last one of the page before."""

    async def unit(transaction: Transaction) -> list[Document]:
        rows = await transaction.all(
            f"SELECT {_COLUMNS} FROM documents WHERE business_id = :business_id AND deleted_at IS NULL "
            "AND (created_at < :created_at OR (created_at = :created_at AND id < :id)) "
            "ORDER BY created_at DESC, id DESC LIMIT :limit",
            {
                "business_id": business_id,
                "limit": limit,
                "created_at": before[0] if before else 2**62,
                "id": before[1] if before else "",
            },
        )
        return [_document(row) for row in rows]

    return unit


def unfinished_among(document_ids: frozenset[str]) -> Unit[set[str]]:
    """Those of the documents that are still on their way; a deleted one is not."""

    async def unit(transaction: Transaction) -> set[str]:
        rows = await transaction.all(f"SELECT id FROM documents WHERE {_OPEN}")
        return {row["id"] for row in rows} & document_ids

    return unit


def open_documents() -> Unit[list[tuple[str, str]]]:
    """Business and id of every document on its way, oldest first."""

    async def unit(transaction: Transaction) -> list[tuple[str, str]]:
        rows = await transaction.all(f"SELECT business_id, id FROM documents WHERE {_OPEN} ORDER BY created_at, id")
        return [(row["business_id"], row["id"]) for row in rows]

    return unit


def open_document(document_id: str) -> Unit[DocumentTask | None]:
    """What there is to do for a document; None when there is nothing any more."""

    async def unit(transaction: Transaction) -> DocumentTask | None:
        row = await transaction.one(
            "SELECT d.business_id, v.id AS version_id, d.filename, d.status FROM documents AS d "
            "JOIN versions AS v ON v.document_id = d.id AND v.number = d.version "
            "WHERE d.id = :id AND d.status NOT IN ('ready', 'failed') AND d.deleted_at IS NULL",
            {"id": document_id},
        )
        if row is None:
            return None
        status = DocumentStatus(row["status"])
        return DocumentTask(document_id, row["business_id"], row["version_id"], row["filename"], status)

    return unit


def count_attempt(document_id: str) -> Unit[int]:
    """Note that work begins which could kill this process; how often it began without any progress since."""

    async def unit(transaction: Transaction) -> int:
        rows = await transaction.all(
            "UPDATE documents SET attempts = attempts + 1 WHERE id = :id RETURNING attempts", {"id": document_id}
        )
        return int(rows[0]["attempts"]) if rows else 0

    return unit


def release(document_id: str) -> Unit[int]:
    """Give a document back unharmed: the beginning does not count."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.run(
            "UPDATE documents SET attempts = attempts - 1 WHERE id = :id AND attempts > 0", {"id": document_id}
        )

    return unit


def advance(document_id: str, status: DocumentStatus, progress: float, now: int) -> Unit[bool]:
    """Move a document on; False when it was deleted meanwhile."""

    async def unit(transaction: Transaction) -> bool:
        return await move(transaction, document_id, status, progress, now)

    return unit


async def move(transaction: Transaction, document_id: str, status: DocumentStatus, progress: float, now: int) -> bool:
    """`advance` as a part of a larger unit. Progress: what went wrong before is forgotten."""
    changed = await transaction.run(
        f"UPDATE documents SET status = :status, progress = :progress, updated_at = :now WHERE id = :id AND {_OPEN}",
        {"id": document_id, "status": status, "progress": progress, "now": now},
    )
    return changed == 1


def end_parsing(task: DocumentTask, reading: Reading, progress: float, now: int) -> Unit[bool]:
    """All chunks are stored: from here on a restart goes on with them. False when the document was deleted."""

    async def unit(transaction: Transaction) -> bool:
        await transaction.run(
            "UPDATE versions SET mime = :mime, parser = :parser, chunker = :chunker, embedder = :embedder "
            "WHERE id = :id",
            {
                "id": task.version_id,
                "mime": reading.mime,
                "parser": reading.parser,
                "chunker": reading.chunker,
                "embedder": reading.embedder,
            },
        )
        return await move(transaction, task.document_id, DocumentStatus.EMBEDDING, progress, now)

    return unit


def make_live(task: DocumentTask, embedder: str, now: int) -> Unit[int | None]:
    """From this commit on searches find the document, all of it: the number of its chunks. None when deleted."""

    async def unit(transaction: Transaction) -> int | None:
        rows = await transaction.all(
            "UPDATE documents SET status = 'ready', progress = 1, is_processed = 1, error_message = NULL, "
            "live_version_id = :version_id, updated_at = :now, "
            "chunks_count = (SELECT COALESCE(MAX(ordinal) + 1, 0) FROM chunks WHERE version_id = :version_id) "
            f"WHERE id = :id AND {_OPEN} RETURNING chunks_count",
            {"id": task.document_id, "version_id": task.version_id, "now": now},
        )
        if not rows:
            return None
        await transaction.run(
            "UPDATE versions SET embedder = :embedder WHERE id = :id",
            {"id": task.version_id, "embedder": embedder},
        )
        await count_change(transaction, task.business_id)
        return int(rows[0]["chunks_count"])

    return unit


def fail(document_id: str, sentence: str, now: int) -> Unit[bool]:
    """End a document with a sentence for its owner, at most 300 characters."""

    async def unit(transaction: Transaction) -> bool:
        changed = await transaction.run(
            "UPDATE documents SET status = 'failed', error_message = :sentence, updated_at = :now "
            f"WHERE id = :id AND {_OPEN}",
            {"id": document_id, "sentence": sentence[:300], "now": now},
        )
        return changed == 1

    return unit


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

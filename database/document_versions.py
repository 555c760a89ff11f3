"""Versions of documents: listing, publishing, discarding, trying again.

A version is working until it is complete or failed. Complete, it is live at once, or held until somebody publishes
it. The old ones of a document stay for a roll-back, out of the indexes ("shelved"); how many is the sweep's matter.
"""

from dataclasses import dataclass

from database.documents import count_change
from database.records import VersionState, VersionView
from database.transaction import Transaction, Unit
from database.version_endings import speak_of_live, take_up_again


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """The file behind a version: its id is also its name on disk; `sha256` is "" for one that is not there.

    `filename` is what its owner called it.
    """

    id: str
    sha256: str
    bytes: int
    filename: str = ""


# of version `v` of document `d`
STATE = (
    "CASE WHEN v.id = d.live_version_id THEN 'live' WHEN v.error_message IS NOT NULL THEN 'failed' "
    "WHEN v.number < d.version THEN 'old' WHEN v.completed_at IS NULL THEN 'working' "
    "WHEN v.hold = 1 THEN 'held' ELSE 'old' END"
)


def versions(business_id: str, document_id: str) -> Unit[list[VersionView] | None]:
    """The versions of a document that are kept, the newest first; None when this business has no such document."""

    async def unit(transaction: Transaction) -> list[VersionView] | None:
        rows = await transaction.all(
            "SELECT v.number, v.bytes, v.sha256, v.created_at, v.live_at, v.completed_at, v.chunks_count, "
            f"v.error_message, v.origin, {STATE} AS state FROM documents AS d "
            "LEFT JOIN versions AS v ON v.document_id = d.id "
            "WHERE d.id = :id AND d.business_id = :business_id AND d.deleted_at IS NULL ORDER BY v.number DESC",
            {"id": document_id, "business_id": business_id},
        )
        if not rows:
            return None
        found = [dict(row) for row in rows if row["number"] is not None]
        return [VersionView(**fields | {"state": VersionState(fields["state"])}) for fields in found]

    return unit


def stored_version(business_id: str, document_id: str, number: int) -> Unit[StoredVersion | None]:
    """The file of a version that is kept."""

    async def unit(transaction: Transaction) -> StoredVersion | None:
        row = await transaction.one(
            "SELECT v.id, v.sha256, v.bytes, COALESCE(v.filename, d.filename) "
            "FROM versions AS v JOIN documents AS d ON d.id = v.document_id "
            "WHERE d.id = :id AND d.business_id = :business_id AND d.deleted_at IS NULL AND v.number = :number",
            {"id": document_id, "business_id": business_id, "number": number},
        )
        return StoredVersion(*row) if row else None

    return unit


def missing_of_held(business_id: str, document_id: str, embedder: str) -> Unit[int | None]:
    """How many chunks of the held version this embedder has not seen; None when none is held."""

    async def unit(transaction: Transaction) -> int | None:
        held = await _held(transaction, business_id, document_id)
        row = await transaction.one(
            "SELECT COUNT(*) AS n FROM chunks AS c WHERE c.version_id = :id AND NOT EXISTS "
            "(SELECT 1 FROM embeddings WHERE chunk_id = c.id AND embedder = :embedder)",
            {"id": held, "embedder": embedder},
        )
        return int(row["n"]) if held and row else None

    return unit


def publish(business_id: str, document_id: str, missing: int, now: int) -> Unit[bool]:
    """Make the held version live, of which `missing` chunks have no embedding. False when none is held."""

    async def unit(transaction: Transaction) -> bool:
        held = await _held(transaction, business_id, document_id)
        if held is not None:
            await switch(transaction, document_id, held, missing, now)
            await count_change(transaction, business_id)
        return held is not None

    return unit


async def switch(transaction: Transaction, document_id: str, version_id: str, missing: int, now: int) -> None:
    """From this commit on searches find this complete version, and nothing of the one before. Part of a unit."""
    await transaction.run(
        "UPDATE versions SET live_at = :now, hold = 0 WHERE id = :version_id", {"version_id": version_id, "now": now}
    )
    await transaction.run(
        "UPDATE documents SET live_version_id = :version_id, is_processed = 1, updated_at = :now, "
        "filename = COALESCE((SELECT filename FROM versions WHERE id = :version_id), filename), "
        "chunks_missing = :missing, "
        "chunks_count = (SELECT chunks_count FROM versions WHERE id = :version_id) WHERE id = :id",
        {"id": document_id, "version_id": version_id, "missing": missing, "now": now},
    )


def discard(business_id: str, document_id: str, never_live: str, now: int) -> Unit[bool]:
    """Drop the held version; False when none is held.

    A document of which nothing was ever live has failed then, with the sentence `never_live`.
    """

    async def unit(transaction: Transaction) -> bool:
        held = await _held(transaction, business_id, document_id)
        if held is None:
            return False
        await transaction.run(
            "UPDATE documents SET updated_at = :now, "
            "status = CASE WHEN live_version_id IS NULL THEN 'failed' ELSE status END, "
            "error_message = CASE WHEN live_version_id IS NULL THEN :sentence ELSE error_message END WHERE id = :id",
            {"id": document_id, "now": now, "sentence": never_live},
        )
        await transaction.run(
            "UPDATE versions SET hold = 0, completed_at = CASE WHEN :alone THEN NULL ELSE completed_at END, "
            "error_message = CASE WHEN :alone THEN :sentence ELSE NULL END WHERE id = :version_id",
            {"version_id": held, "sentence": never_live, "alone": await _never_live(transaction, document_id)},
        )
        await speak_of_live(transaction, document_id)
        return True

    return unit


async def _held(transaction: Transaction, business_id: str, document_id: str) -> str | None:
    row = await transaction.one(
        "SELECT v.id FROM versions AS v JOIN documents AS d ON d.id = v.document_id AND d.version = v.number "
        "WHERE d.id = :id AND d.business_id = :business_id AND d.deleted_at IS NULL "
        "AND v.hold = 1 AND v.completed_at IS NOT NULL",
        {"id": document_id, "business_id": business_id},
    )
    return row["id"] if row else None


async def _never_live(transaction: Transaction, document_id: str) -> bool:
    row = await transaction.one("SELECT live_version_id FROM documents WHERE id = :id", {"id": document_id})
    return row is not None and row["live_version_id"] is None


def try_again(business_id: str, document_id: str, now: int) -> Unit[bool]:
    """Put a document whose newest version failed back into the queue. False when it has not failed."""

    async def unit(transaction: Transaction) -> bool:
        rows = await transaction.all(
            "UPDATE documents SET status = 'queued', progress = 0, error_message = NULL, attempts = 0, "
            "updated_at = :now WHERE id = :id AND business_id = :business_id AND deleted_at IS NULL "
            "AND status = 'failed' RETURNING version",
            {"id": document_id, "business_id": business_id, "now": now},
        )
        if rows:
            await transaction.run(
                "UPDATE versions SET error_message = NULL WHERE document_id = :id AND number = :number",
                {"id": document_id, "number": rows[0]["version"]},
            )
        return bool(rows)

    return unit


def withdraw(version_id: str, sentence: str, now: int) -> Unit[str | None]:
    """Undo the coming of a version that is not complete: a request that broke off must leave nothing behind.

    Its document is deleted when it is the only one; otherwise the version has failed, with `sentence`, and what is
    live stays; when nothing is, what it had overtaken is queued again, and the document's id comes back.
    """

    async def unit(transaction: Transaction) -> str | None:
        row = await transaction.one(
            "SELECT v.document_id, v.number = d.version AS newest, "
            "(SELECT COUNT(*) FROM versions WHERE document_id = d.id) = 1 AS only FROM versions AS v "
            "JOIN documents AS d ON d.id = v.document_id WHERE v.id = :id AND v.completed_at IS NULL",
            {"id": version_id},
        )
        if row is None:
            return None
        document_id = str(row["document_id"])
        if row["only"]:
            await transaction.run(
                "UPDATE documents SET deleted_at = :now WHERE id = :id", {"id": document_id, "now": now}
            )
            return None
        await transaction.run(
            "UPDATE versions SET error_message = :sentence WHERE id = :id", {"id": version_id, "sentence": sentence}
        )
        again = row["newest"] and await _go_back(transaction, document_id, sentence, now)
        return document_id if again else None

    return unit


async def _go_back(transaction: Transaction, document_id: str, sentence: str, now: int) -> bool:
    """The newest version is withdrawn: what is live stays; True when an earlier one is queued again."""
    if await take_up_again(transaction, document_id, now):
        return True
    await transaction.run(
        "UPDATE documents SET updated_at = :now, "
        "status = CASE WHEN live_version_id IS NULL THEN 'failed' ELSE 'ready' END, "
        "progress = CASE WHEN live_version_id IS NULL THEN progress ELSE 1 END, "
        "error_message = CASE WHEN live_version_id IS NULL THEN :sentence END WHERE id = :id",
        {"id": document_id, "now": now, "sentence": sentence},
    )
    await speak_of_live(transaction, document_id)
    return False

"""What a document speaks of when a version of it ends badly, and which version has its turn again then."""

from database.transaction import Transaction

# of a document of which nothing is live: the newest version that was overtaken before it was live
_OVERTAKEN = (
    "SELECT number, bytes FROM versions WHERE document_id = :id AND error_message IS NULL AND live_at IS NULL "
    "AND sha256 <> '' ORDER BY number DESC LIMIT 1"
)


async def take_up_again(transaction: Transaction, document_id: str, now: int) -> bool:
    """Queue the version that a failed one had overtaken, when nothing of the document is live. Part of a unit.

    False when something is live, or no such version is left. The work begins with its file; what was held will be.
    """
    row = await transaction.one(_OVERTAKEN, {"id": document_id})
    if row is None:
        return False
    changed = await transaction.run(
        "UPDATE documents SET version = :number, bytes = :bytes, status = 'queued', progress = 0, attempts = 0, "
        "error_message = NULL, warning = NULL, chunks_dropped = 0, updated_at = :now "
        "WHERE id = :id AND live_version_id IS NULL AND deleted_at IS NULL",
        {"id": document_id, "number": row["number"], "bytes": row["bytes"], "now": now},
    )
    if changed:
        # Complete and not live: it was held. The sweep may have taken its chunks out of the indexes by now.
        await transaction.run(
            "UPDATE versions SET hold = 1, completed_at = NULL, shelved_at = NULL "
            "WHERE document_id = :id AND number = :number AND completed_at IS NOT NULL",
            {"id": document_id, "number": row["number"]},
        )
    return changed == 1


async def tell_later_failure(transaction: Transaction, document_id: str) -> None:
    """A version has ended: when later ones had failed before it, the document says so now. Part of a unit."""
    await transaction.run(
        "UPDATE documents SET status = 'failed', (version, error_message, bytes) = "
        "(SELECT number, error_message, bytes FROM versions WHERE document_id = :id ORDER BY number DESC LIMIT 1) "
        "WHERE id = :id AND EXISTS (SELECT 1 FROM versions WHERE document_id = :id AND number > documents.version "
        "AND error_message IS NOT NULL)",
        {"id": document_id},
    )


async def speak_of_live(transaction: Transaction, document_id: str) -> None:
    """Size, warning and count of dropped chunks are those of the version that answers, if one does. Part of a unit."""
    await transaction.run(
        "UPDATE documents SET (bytes, warning, chunks_dropped) = "
        "(SELECT bytes, warning, chunks_dropped FROM versions WHERE id = documents.live_version_id) "
        "WHERE id = :id AND live_version_id IS NOT NULL",
        {"id": document_id},
    )

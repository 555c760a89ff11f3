"""What may go: of deleted documents everything, of failed and superseded versions the chunks, of old ones more."""

from dataclasses import dataclass
from enum import StrEnum

from database.document_versions import STATE
from database.transaction import Transaction, Unit


class Ending(StrEnum):
    """What is to become of a version that nobody works on and nobody is answered from.

    SHELVE: its chunks leave the indexes and stay for a roll-back. EMPTY: its chunks go, its file stays. FORGET: all
    of it goes.
    """

    SHELVE = "shelve"
    EMPTY = "empty"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A version to clear away; `deleted` tells whether the document itself goes too."""

    document_id: str
    business_id: str
    version_id: str
    ending: Ending
    deleted: bool


_HAS_CHUNKS = "EXISTS (SELECT 1 FROM chunks WHERE version_id = v.id)"


def leftovers(keep_versions: int) -> Unit[list[Leftover]]:
    """Versions to clear away; of those that are over, the newest `keep_versions` numbers stay for a roll-back."""

    async def unit(transaction: Transaction) -> list[Leftover]:
        rows = await transaction.all(
            "SELECT document_id, business_id, version_id, ending, deleted FROM ("
            "SELECT d.id AS document_id, d.business_id, v.id AS version_id, d.deleted_at IS NOT NULL AS deleted, "
            "v.number, CASE WHEN d.deleted_at IS NOT NULL THEN 'forget' "
            f"WHEN {STATE} IN ('live', 'working', 'held') THEN NULL "
            "WHEN v.number <= d.version - :keep THEN 'forget' "
            f"WHEN v.completed_at IS NULL THEN CASE WHEN {_HAS_CHUNKS} THEN 'empty' END "
            "WHEN v.shelved_at IS NULL THEN 'shelve' END AS ending "
            "FROM documents AS d JOIN versions AS v ON v.document_id = d.id) "
            "WHERE ending IS NOT NULL ORDER BY document_id, number",
            {"keep": keep_versions},
        )
        return [
            Leftover(
                row["document_id"], row["business_id"], row["version_id"], Ending(row["ending"]), bool(row["deleted"])
            )
            for row in rows
        ]

    return unit


def is_leftover(version_id: str) -> Unit[bool]:
    """Whether it is one still: a failed version may be tried again at any time."""

    async def unit(transaction: Transaction) -> bool:
        row = await transaction.one(
            f"SELECT d.deleted_at IS NOT NULL OR {STATE} NOT IN ('live', 'working', 'held') AS over "
            "FROM versions AS v JOIN documents AS d ON d.id = v.document_id WHERE v.id = :id",
            {"id": version_id},
        )
        return row is not None and bool(row["over"])

    return unit


def shelve(version_id: str, now: int) -> Unit[int]:
    """Note that the chunks of an old version have left the indexes; not of one that is worked on again meanwhile."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.run(
            "UPDATE versions SET shelved_at = :now WHERE id = :id AND completed_at IS NOT NULL",
            {"id": version_id, "now": now},
        )

    return unit


def remove_version(version_id: str) -> Unit[int]:
    """Forget a version whose chunks and file are gone."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.run("DELETE FROM versions WHERE id = :id", {"id": version_id})

    return unit


def remove_document(document_id: str) -> Unit[None]:
    """Forget a deleted document whose versions are gone, with whatever hangs on it."""

    async def unit(transaction: Transaction) -> None:
        for table in ("document_tags", "answers"):
            await transaction.run(f"DELETE FROM {table} WHERE document_id = :id", {"id": document_id})
        for table in ("web_sources", "proposed_answers"):
            await transaction.run(f"UPDATE {table} SET document_id = NULL WHERE document_id = :id", {"id": document_id})
        await transaction.run("DELETE FROM documents WHERE id = :id", {"id": document_id})

    return unit


def deleted_documents() -> Unit[list[str]]:
    """Ids of deleted documents of which no version is left."""

    async def unit(transaction: Transaction) -> list[str]:
        rows = await transaction.all(
            "SELECT id FROM documents WHERE deleted_at IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM versions WHERE document_id = documents.id)"
        )
        return [row["id"] for row in rows]

    return unit


def all_version_ids() -> Unit[set[str]]:
    """Every version whose file may be needed."""

    async def unit(transaction: Transaction) -> set[str]:
        return {row["id"] for row in await transaction.all("SELECT id FROM versions")}

    return unit

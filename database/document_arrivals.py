"""A version that comes in: of a new document, of one that there is, or nothing, for content that is there already."""

from dataclasses import dataclass

from database.document_versions import STATE, StoredVersion
from database.documents import COLUMNS, count_change, document_of, replace_tags
from database.records import Document
from database.transaction import Transaction, Unit


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version that comes in. It belongs to the document with this id, or to the upload of this name.

    `refusal` is the sentence for a file that cannot be taken. `origin` is the number of the version that a
    roll-back repeats: such a one is taken even though it is nothing new.
    """

    document_id: str
    business_id: str
    filename: str
    version: StoredVersion
    source: str = "upload"
    tags: tuple[str, ...] = ()
    hold: bool = False
    refusal: str | None = None
    origin: int | None = None
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class Quota:
    """How many documents a business may have, and bytes of kept files; with the sentences for beyond."""

    documents: int
    bytes: int
    too_many: str
    too_much: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an arrival: `stored` is False when its file is not needed."""

    document: Document
    stored: bool


class TooManyDocumentsError(Exception):
    """The business may have no more documents; the sentence is for its owner. Nothing was stored."""


def take_in(arrival: Arrival, quota: Quota, now: int) -> Unit[Taken]:
    """Make a version, of a new document or one that there is; or nothing, for the content that is there already.

    Raises TooManyDocumentsError.
    """

    async def unit(transaction: Transaction) -> Taken:
        known = await _known(transaction, arrival)
        if known is None:
            document_id, number = arrival.document_id, 1
            await _refuse_too_many(transaction, arrival, quota)
        else:
            document_id, number = known.id, known.version + 1
            if arrival.origin is None and await _is_there(transaction, known, arrival):
                await _settle(transaction, known, arrival, now)
                return Taken(await _read(transaction, document_id), stored=False)
        refusal = arrival.refusal or await _over_quota(transaction, arrival, quota)
        await _write_document(transaction, arrival, document_id, number, refusal, now)
        await _write_version(transaction, arrival, document_id, number, refusal, now)
        if arrival.tags:
            await replace_tags(transaction, document_id, arrival.tags)
        return Taken(await _read(transaction, document_id), stored=refusal is None)

    return unit


async def _known(transaction: Transaction, arrival: Arrival) -> Document | None:
    where = "d.source = :source AND d.filename = :filename" if arrival.by_name else "d.id = :id"
    row = await transaction.one(
        f"SELECT {COLUMNS} FROM documents AS d WHERE d.business_id = :business_id AND d.deleted_at IS NULL "
        f"AND {where} ORDER BY d.live_version_id IS NULL AND d.status = 'failed', d.created_at DESC, d.id DESC LIMIT 1",
        {
            "business_id": arrival.business_id,
            "source": arrival.source,
            "filename": arrival.filename,
            "id": arrival.document_id,
        },
    )
    return document_of(row) if row else None


async def _refuse_too_many(transaction: Transaction, arrival: Arrival, quota: Quota) -> None:
    row = await transaction.one(
        "SELECT COUNT(*) AS n FROM documents WHERE business_id = :id AND deleted_at IS NULL",
        {"id": arrival.business_id},
    )
    if row and row["n"] >= quota.documents:
        raise TooManyDocumentsError(quota.too_many)


async def _over_quota(transaction: Transaction, arrival: Arrival, quota: Quota) -> str | None:
    row = await transaction.one(
        "SELECT COALESCE(SUM(bytes), 0) AS n FROM versions WHERE business_id = :id AND sha256 <> ''",
        {"id": arrival.business_id},
    )
    return quota.too_much if row and row["n"] + arrival.version.bytes > quota.bytes else None


async def _is_there(transaction: Transaction, known: Document, arrival: Arrival) -> bool:
    """Whether the newest version that is live, held or on its way has the same content."""
    if arrival.refusal:
        return False
    row = await transaction.one(
        f"SELECT v.sha256 FROM versions AS v JOIN documents AS d ON d.id = v.document_id WHERE d.id = :id "
        f"AND {STATE} IN ('live', 'held', 'working') ORDER BY v.number DESC LIMIT 1",
        {"id": known.id},
    )
    return row is not None and row["sha256"] == arrival.version.sha256


async def _settle(transaction: Transaction, known: Document, arrival: Arrival, now: int) -> None:
    """Nothing is done but: a failure before this is over, for what its owner wants is live."""
    await transaction.run(
        "UPDATE documents SET status = 'ready', progress = 1, error_message = NULL, updated_at = :now "
        "WHERE id = :id AND status = 'failed'",
        {"id": known.id, "now": now},
    )
    if arrival.tags and set(arrival.tags) != set(known.tags):
        await replace_tags(transaction, known.id, arrival.tags)
        await count_change(transaction, known.business_id)


async def _write_document(
    transaction: Transaction, arrival: Arrival, document_id: str, number: int, refusal: str | None, now: int
) -> None:
    fields = {
        "id": document_id,
        "business_id": arrival.business_id,
        "filename": arrival.filename,
        "status": "failed" if refusal else "queued",
        "refusal": refusal,
        "bytes": arrival.version.bytes,
        "source": arrival.source,
        "number": number,
        "now": now,
    }
    if number > 1:
        # What was held is not what its owner wants any more.
        await transaction.run("UPDATE versions SET hold = 0 WHERE document_id = :id", {"id": document_id})
        await transaction.run(
            "UPDATE documents SET filename = :filename, status = :status, progress = 0, error_message = :refusal, "
            "bytes = :bytes, version = :number, attempts = 0, warning = NULL, chunks_dropped = 0, updated_at = :now "
            "WHERE id = :id",
            {key: value for key, value in fields.items() if key not in {"business_id", "source"}},
        )
        return
    await transaction.run(
        "INSERT INTO documents "
        "(id, business_id, filename, status, error_message, bytes, source, version, created_at, updated_at) "
        "VALUES (:id, :business_id, :filename, :status, :refusal, :bytes, :source, :number, :now, :now)",
        fields,
    )


async def _write_version(
    transaction: Transaction, arrival: Arrival, document_id: str, number: int, refusal: str | None, now: int
) -> None:
    await transaction.run(
        "INSERT INTO versions "
        "(id, document_id, business_id, number, sha256, bytes, hold, origin, error_message, created_at) "
        "VALUES (:id, :document_id, :business_id, :number, :sha256, :bytes, :hold, :origin, :refusal, :now)",
        {
            "id": arrival.version.id,
            "document_id": document_id,
            "business_id": arrival.business_id,
            "number": number,
            "sha256": "" if refusal else arrival.version.sha256,
            "bytes": arrival.version.bytes,
            "hold": int(arrival.hold),
            "origin": arrival.origin,
            "refusal": refusal,
            "now": now,
        },
    )


async def _read(transaction: Transaction, document_id: str) -> Document:
    row = await transaction.one(f"SELECT {COLUMNS} FROM documents AS d WHERE d.id = :id", {"id": document_id})
    if row is None:
        raise LookupError("the document was there a moment ago")
    return document_of(row)

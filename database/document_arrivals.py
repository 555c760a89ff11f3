"""A version that comes in: of a new document, of one that there is, or nothing, for content that is there already."""

from dataclasses import dataclass, replace

from database.document_versions import STATE, StoredVersion
from database.documents import COLUMNS, count_change, document_of, replace_tags
from database.records import Document, DocumentStatus, VersionState
from database.transaction import Row, Transaction, Unit
from database.version_endings import speak_of_live


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version that comes in. It belongs to the document with this id, or to the upload of this name.

    `refusal` is the sentence for a file that cannot be taken. `origin` is the number of the version that a
    roll-back repeats: such a one is taken even though it is nothing new. `must_exist`: it makes no new document.
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
    must_exist: bool = False


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


class DocumentGoneError(Exception):
    """The document is deleted, or not this business's. Nothing was stored."""


class TooManyDocumentsError(Exception):
    """The business may have no more documents; the sentence is for its owner. Nothing was stored."""


def take_in(arrival: Arrival, quota: Quota, now: int) -> Unit[Taken]:
    """Make a version, of a new document or one that there is; or nothing, for the content that is there already.

    A file that is refused leaves alone what is on its way or held; the document tells of it when that is over.
    Raises TooManyDocumentsError, DocumentGoneError.
    """

    async def unit(transaction: Transaction) -> Taken:
        known = await _known(transaction, arrival)
        if known is None:
            await _refuse_new(transaction, arrival, quota)
        elif arrival.origin is None and (there := await _there(transaction, known, arrival)):
            await _settle(transaction, known, arrival, there, now)
            return Taken(await _read(transaction, known.id), stored=False)
        refusal = arrival.refusal or await _over_quota(transaction, arrival, quota)
        if known is None:
            await _add_document(transaction, arrival, refusal, now)
            await _add_version(transaction, arrival, arrival.document_id, 1, refusal, now)
            document = await _read(transaction, arrival.document_id)
        else:
            document = await _take_version(transaction, known, arrival, refusal, now)
        if arrival.tags and (known is None or refusal is None):
            await replace_tags(transaction, document.id, arrival.tags)
            document = await _read(transaction, document.id)
        return Taken(document, stored=refusal is None)

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


async def _refuse_new(transaction: Transaction, arrival: Arrival, quota: Quota) -> None:
    """Raises when there may be no new document of it: one of this id may be deleted and not yet swept."""
    there = await transaction.one("SELECT 1 FROM documents WHERE id = :id", {"id": arrival.document_id})
    if arrival.must_exist or there:
        raise DocumentGoneError
    row = await transaction.one(
        "SELECT COUNT(*) AS n FROM documents WHERE business_id = :id AND deleted_at IS NULL",
        {"id": arrival.business_id},
    )
    if row and row["n"] >= quota.documents:
        raise TooManyDocumentsError(quota.too_many)


async def _over_quota(transaction: Transaction, arrival: Arrival, quota: Quota) -> str | None:
    if arrival.origin is not None:
        return None  # its file is there, and is linked
    kept = await kept_bytes(arrival.business_id)(transaction)
    return quota.too_much if kept + arrival.version.bytes > quota.bytes else None


def kept_bytes(business_id: str) -> Unit[int]:
    """Of all kept files of a business; one that a roll-back has linked lies there once."""

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one(
            "SELECT COALESCE(SUM(v.bytes), 0) AS n FROM versions AS v WHERE v.business_id = :id AND v.sha256 <> '' "
            "AND (v.origin IS NULL OR NOT EXISTS (SELECT 1 FROM versions AS o "
            "WHERE o.document_id = v.document_id AND o.sha256 = v.sha256 AND o.number < v.number))",
            {"id": business_id},
        )
        return int(row["n"]) if row else 0

    return unit


async def _there(transaction: Transaction, known: Document, arrival: Arrival) -> Row | None:
    """The newest version that is live, held or on its way (id, state), if it has the same content."""
    row = await transaction.one(
        f"SELECT v.id, v.sha256, {STATE} AS state FROM versions AS v JOIN documents AS d ON d.id = v.document_id "
        f"WHERE d.id = :id AND {STATE} IN ('live', 'held', 'working') ORDER BY v.number DESC LIMIT 1",
        {"id": known.id},
    )
    same = row is not None and arrival.refusal is None and row["sha256"] == arrival.version.sha256
    return row if same else None


async def _settle(transaction: Transaction, known: Document, arrival: Arrival, there: Row, now: int) -> None:
    """What its owner wants is there: a failure after it is over; name, tags and the wish to hold it are taken."""
    await transaction.run(
        "UPDATE versions SET filename = :filename, hold = CASE WHEN :hold = 1 THEN 1 ELSE hold END WHERE id = :id",
        {
            "id": there["id"],
            "filename": arrival.filename,
            "hold": int(arrival.hold and there["state"] == VersionState.WORKING),
        },
    )
    if there["state"] == VersionState.LIVE:
        await transaction.run(
            "UPDATE documents SET filename = :filename, status = 'ready', progress = 1, error_message = NULL, "
            "updated_at = :now WHERE id = :id AND (status = 'failed' OR filename <> :filename)",
            {"id": known.id, "filename": arrival.filename, "now": now},
        )
        await speak_of_live(transaction, known.id)
    else:
        await transaction.run(
            "DELETE FROM versions WHERE document_id = :id AND number > :number AND sha256 = ''",
            {"id": known.id, "number": known.version},
        )
    retagged = bool(arrival.tags) and set(arrival.tags) != set(known.tags)
    if retagged:
        await replace_tags(transaction, known.id, arrival.tags)
    if retagged or (there["state"] == VersionState.LIVE and known.filename != arrival.filename):
        await count_change(transaction, known.business_id)


async def _add_document(transaction: Transaction, arrival: Arrival, refusal: str | None, now: int) -> None:
    await transaction.run(
        "INSERT INTO documents "
        "(id, business_id, filename, status, error_message, bytes, source, version, created_at, updated_at) "
        "VALUES (:id, :business_id, :filename, :status, :refusal, :bytes, :source, 1, :now, :now)",
        {
            "id": arrival.document_id,
            "business_id": arrival.business_id,
            "filename": arrival.filename,
            "status": "failed" if refusal else "queued",
            "refusal": refusal,
            "bytes": arrival.version.bytes,
            "source": arrival.source,
            "now": now,
        },
    )


async def _take_version(
    transaction: Transaction, known: Document, arrival: Arrival, refusal: str | None, now: int
) -> Document:
    """The document, on its way to the new version; as the owner of a refused file is to see it, if it is one."""
    row = await transaction.one("SELECT MAX(number) AS n FROM versions WHERE document_id = :id", {"id": known.id})
    number = int(row["n"] if row and row["n"] else known.version) + 1
    await _add_version(transaction, arrival, known.id, number, refusal, now)
    under_way = known.held_version is not None or known.status not in {DocumentStatus.READY, DocumentStatus.FAILED}
    if refusal and under_way:
        failed = replace(known, status=DocumentStatus.FAILED, progress=0.0, error_message=refusal)
        return replace(failed, version=number, bytes=arrival.version.bytes)
    # What was held is not what its owner wants any more.
    await transaction.run(
        "UPDATE versions SET hold = 0 WHERE document_id = :id AND completed_at IS NOT NULL", {"id": known.id}
    )
    await transaction.run(
        "UPDATE documents SET status = :status, progress = 0, error_message = :refusal, bytes = :bytes, "
        "version = :number, attempts = 0, warning = NULL, chunks_dropped = 0, updated_at = :now WHERE id = :id",
        {
            "id": known.id,
            "status": "failed" if refusal else "queued",
            "refusal": refusal,
            "bytes": arrival.version.bytes,
            "number": number,
            "now": now,
        },
    )
    return await _read(transaction, known.id)


async def _add_version(
    transaction: Transaction, arrival: Arrival, document_id: str, number: int, refusal: str | None, now: int
) -> None:
    await transaction.run(
        "INSERT INTO versions "
        "(id, document_id, business_id, number, sha256, bytes, hold, origin, filename, error_message, created_at) "
        "VALUES (:id, :document_id, :business_id, :number, :sha256, :bytes, :hold, :origin, :filename, :refusal, :now)",
        {
            "id": arrival.version.id,
            "document_id": document_id,
            "business_id": arrival.business_id,
            "number": number,
            "sha256": "" if refusal else arrival.version.sha256,
            "bytes": arrival.version.bytes,
            "hold": int(arrival.hold),
            "origin": arrival.origin,
            "filename": arrival.filename,
            "refusal": refusal,
            "now": now,
        },
    )


async def _read(transaction: Transaction, document_id: str) -> Document:
    row = await transaction.one(f"SELECT {COLUMNS} FROM documents AS d WHERE d.id = :id", {"id": document_id})
    if row is None:
        raise LookupError("the document was there a moment ago")
    return document_of(row)

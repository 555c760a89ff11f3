"""The work on a document's newest version: queued → parsing → embedding → indexing → ready, or failed from any of them.

Every unit here does nothing once the document was deleted or a newer version came: the work is over then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from database.document_versions import switch
from database.documents import OPEN, count_change
from database.index_state import EmbedderChangedError, still_serves
from database.records import DocumentStatus
from database.transaction import Transaction, Unit
from database.version_endings import take_up_again, tell_later_failure


@dataclass(frozen=True, slots=True)
class DocumentTask:
    """A version that is being worked on, as it was when it was taken up.

    `attempts`: how often the work began before without any progress.
    """

    document_id: str
    business_id: str
    version_id: str
    number: int
    filename: str
    status: DocumentStatus
    attempts: int
    source: str = "upload"
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a version was read with, for the day when one of them changes; and what was left out of it."""

    mime: str
    parser: str
    chunker: str
    embedder: str
    dropped: int = 0
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How far a task is. `progress` never goes back, except to a new beginning."""

    task: DocumentTask
    status: DocumentStatus
    progress: float


@dataclass(frozen=True, slots=True)
class Completion:
    """A task of which all `chunks` are in the indexes, except the vectors of those that are `missing`.

    `hold`: it waits to be published, whether its owner asked for that or not.
    """

    task: DocumentTask
    chunks: int
    missing: int
    hold: bool = False


_MINE = f"id = :id AND version = :number AND {OPEN}"


def open_documents() -> Unit[list[tuple[str, str]]]:
    """Business and id of every document on its way, oldest first."""

    async def unit(transaction: Transaction) -> list[tuple[str, str]]:
        rows = await transaction.all(f"SELECT business_id, id FROM documents WHERE {OPEN} ORDER BY created_at, id")
        return [(row["business_id"], row["id"]) for row in rows]

    return unit


def open_document(document_id: str) -> Unit[DocumentTask | None]:
    """What there is to do for a document; None when there is nothing any more."""

    async def unit(transaction: Transaction) -> DocumentTask | None:
        row = await transaction.one(
            "SELECT d.business_id, v.id AS version_id, v.number, "
            "COALESCE(v.filename, d.filename) AS filename, d.status, d.attempts, d.source, v.bytes "
            "FROM documents AS d JOIN versions AS v ON v.document_id = d.id AND v.number = d.version "
            "WHERE d.id = :id AND d.status NOT IN ('ready', 'failed') AND d.deleted_at IS NULL",
            {"id": document_id},
        )
        if row is None:
            return None
        fields = dict(row)
        fields["status"] = DocumentStatus(fields["status"])
        return DocumentTask(document_id, **fields)

    return unit


def count_attempts(tasks: Sequence[DocumentTask]) -> Unit[None]:
    """Note that work begins which could kill this process; not for a version that was overtaken."""

    async def unit(transaction: Transaction) -> None:
        await transaction.many(
            "UPDATE documents SET attempts = attempts + 1 WHERE id = ? AND version = ?",
            [(task.document_id, task.number) for task in tasks],
        )

    return unit


def release_all(tasks: Sequence[DocumentTask]) -> Unit[int]:
    """Give versions back unharmed: the beginnings do not count."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.many(
            "UPDATE documents SET attempts = attempts - 1 WHERE id = ? AND version = ? AND attempts > 0",
            [(task.document_id, task.number) for task in tasks],
        )

    return unit


def begin_parsing(task: DocumentTask, progress: float, now: int) -> Unit[bool]:
    """From the beginning. False when the work is over."""

    async def unit(transaction: Transaction) -> bool:
        changed = await transaction.run(
            f"UPDATE documents SET status = 'parsing', progress = :progress, updated_at = :now WHERE {_MINE}",
            {"id": task.document_id, "number": task.number, "progress": progress, "now": now},
        )
        return changed == 1

    return unit


async def move(transaction: Transaction, step: Step, now: int) -> bool:
    """Move a document on, as a part of a unit. False when the work is over."""
    changed = await transaction.run(
        f"UPDATE documents SET status = :status, progress = MAX(progress, :progress), updated_at = :now WHERE {_MINE}",
        {
            "id": step.task.document_id,
            "number": step.task.number,
            "status": step.status,
            "progress": step.progress,
            "now": now,
        },
    )
    return changed == 1


def move_all(steps: Sequence[Step], now: int) -> Unit[set[str]]:
    """Move documents on; the ids of those whose work goes on."""

    async def unit(transaction: Transaction) -> set[str]:
        return {step.task.document_id for step in steps if await move(transaction, step, now)}

    return unit


def end_parsing(task: DocumentTask, reading: Reading, progress: float, now: int) -> Unit[bool]:
    """All chunks are stored: from here on a restart goes on with them. False when the work is over."""

    async def unit(transaction: Transaction) -> bool:
        await transaction.run(
            "UPDATE versions SET mime = :mime, parser = :parser, chunker = :chunker, embedder = :embedder, "
            "warning = :warning, chunks_dropped = :dropped WHERE id = :id",
            {
                "id": task.version_id,
                "mime": reading.mime,
                "parser": reading.parser,
                "chunker": reading.chunker,
                "embedder": reading.embedder,
                "warning": reading.warning,
                "dropped": reading.dropped,
            },
        )
        if not await move(transaction, Step(task, DocumentStatus.EMBEDDING, progress), now):
            return False
        await transaction.run(
            "UPDATE documents SET warning = :warning, chunks_dropped = :dropped WHERE id = :id",
            {"id": task.document_id, "warning": reading.warning, "dropped": reading.dropped},
        )
        return True

    return unit


def complete_all(completions: Sequence[Completion], embedder: str, now: int) -> Unit[set[str]]:
    """End the work on versions: live from this commit on, all of each, or held where its owner wants to look first.

    The ids of those that were not over before. Raises EmbedderChangedError, and nothing is changed, when another
    embedder's vectors answer by now.
    """

    async def unit(transaction: Transaction) -> set[str]:
        if not await still_serves(transaction, embedder):
            raise EmbedderChangedError(embedder)
        done: set[str] = set()
        changed: set[str] = set()
        for each in completions:
            live = await _complete(transaction, each, embedder, now)
            if live is not None:
                done.add(each.task.document_id)
            if live:
                changed.add(each.task.business_id)
        for business_id in sorted(changed):
            await count_change(transaction, business_id)
        return done

    return unit


async def _complete(transaction: Transaction, done: Completion, embedder: str, now: int) -> bool | None:
    """Whether the version is live now, and not held; None when the work was over before."""
    task = done.task
    rows = await transaction.all(
        "UPDATE documents SET status = 'ready', progress = 1, error_message = NULL, attempts = 0, updated_at = :now "
        f"WHERE {_MINE} RETURNING id",
        {"id": task.document_id, "number": task.number, "now": now},
    )
    if not rows:
        return None
    (version,) = await transaction.all(
        "UPDATE versions SET embedder = :embedder, completed_at = :now, chunks_count = :chunks, "
        "hold = CASE WHEN :hold = 1 THEN 1 ELSE hold END WHERE id = :id RETURNING hold",
        {
            "id": task.version_id,
            "embedder": embedder,
            "now": now,
            "chunks": done.chunks,
            "hold": int(done.hold),
        },
    )
    if version["hold"]:
        return False
    await switch(transaction, task.document_id, task.version_id, done.missing, now)
    await tell_later_failure(transaction, task.document_id)
    return True


def fail(task: DocumentTask, sentence: str, now: int) -> Unit[bool]:
    """End a version with a sentence for its owner, at most 300 characters; nothing when the work is over already.

    True when an earlier version that it had overtaken is queued again, for nothing of the document is live.
    """

    async def unit(transaction: Transaction) -> bool:
        changed = await transaction.run(
            f"UPDATE documents SET status = 'failed', error_message = :sentence, updated_at = :now WHERE {_MINE}",
            {"id": task.document_id, "number": task.number, "sentence": sentence[:300], "now": now},
        )
        if not changed:
            return False
        await transaction.run(
            "UPDATE versions SET error_message = :sentence WHERE id = :id",
            {"id": task.version_id, "sentence": sentence[:300]},
        )
        if await take_up_again(transaction, task.document_id, now):
            return True
        await tell_later_failure(transaction, task.document_id)
        return False

    return unit

"""Uploaded documents: taken in durably, worked on in the background, listed, deleted.

An upload is on disk (file and row, both synced) when `accept` returns. Workers take documents round the businesses;
whatever a restart, a crash or a fault cuts off is taken up again where it was.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass
from typing import TypeVar

from database.clock import Clock
from database.document_chunks import all_version_ids
from database.documents import (
    DocumentTask,
    StoredVersion,
    add_document,
    delete_document,
    document,
    documents,
    fail,
    open_document,
    open_documents,
    release,
    unfinished_among,
)
from database.metrics import Metrics
from database.records import Document, DocumentStatus, new_id
from services.document_errors import EMPTY, NO_SPACE, NOT_NOW, UnreadableDocumentError
from services.document_files import StoredFile, safe_filename
from services.document_pipeline import DocumentDeletedError, DocumentPipeline, Knowledge
from services.document_sweep import DocumentSweep
from services.fair_queue import FairQueue

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SWEEP_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 300.0
_TIME_DIGITS = 16


@dataclass(frozen=True, slots=True)
class IngestionOptions:
    """What one upload may cost.

    `attempts`: how often this process may die while it embeds or indexes a document, without any progress between.
    `retries`: faults of embedder, index or database, with growing pauses (about an hour in all).
    """

    max_file_bytes: int = 100 * 1024 * 1024
    workers: int = 2
    attempts: int = 3
    retries: int = 18


class Ingestion:
    """`start` before anything else, `drain` at the end; the rest may be called by many at once."""

    def __init__(self, knowledge: Knowledge, clock: Clock, metrics: Metrics, options: IngestionOptions) -> None:
        self._database = knowledge.database
        self._files = knowledge.files
        self._parser = knowledge.parser
        self._pipeline = DocumentPipeline(knowledge, clock, metrics, options.attempts)
        self._sweep = DocumentSweep(knowledge.database, knowledge.index, knowledge.files)
        self._clock = clock
        self._metrics = metrics
        self._options = options
        self._queue = FairQueue()
        self._in_hand: dict[str, DocumentTask | None] = {}
        self._faults: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._sweep_wanted = asyncio.Event()

    async def start(self) -> None:
        """Take up what an earlier run left, and begin to work."""
        await self._files.prepare(await self._database.read(all_version_ids()))
        waiting = await self._database.read(open_documents())
        for business_id, document_id in waiting:
            self._queue.put(business_id, document_id)
        if waiting:
            logger.info("%d documents are taken up again", len(waiting))
        self._show_depth()
        for number in range(self._options.workers):
            self._spawn(f"ingestion worker {number}", self._work())
        self._sweep_wanted.set()
        self._spawn("document sweep", self._sweep_again_and_again())
        self._spawn("document sweep's bell", self._ring())

    async def drain(self, grace_seconds: float) -> None:
        """Stop within the time. Documents that are under way keep what is done and go on at the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        await self._parser.close()

    async def accept(
        self, business_id: str, filename: str, chunks: AsyncIterator[bytes], *, document_id: str | None = None
    ) -> Document:
        """Store an upload and queue it. A file that cannot be taken comes back as a document that has failed.

        Beyond the size limit the rest of `chunks` is left unread. Raises what `chunks` raises, and sqlite3.Error
        when not even a row can be stored; nothing is kept then. Whoever gives a `document_id` may repeat the call,
        also after a crash or a cancellation: a document that is there already is returned, and `chunks` left unread.
        """
        known = await self.get(business_id, document_id) if document_id else None
        if known is not None:
            return known
        now = self._clock.now()
        version_id = new_id()
        stored, refusal = await self._stored(version_id, chunks)
        accepted = Document(
            *(document_id or new_id(), business_id, safe_filename(filename)),
            status=DocumentStatus.FAILED if refusal else DocumentStatus.QUEUED,
            progress=0.0,
            is_processed=False,
            chunks_count=0,
            error_message=refusal,
            version=1,
            bytes=stored.bytes,
            created_at=now,
            updated_at=now,
        )
        remembering = self._remember(accepted, StoredVersion(version_id, stored.sha256, stored.bytes))
        await (remembering if document_id is None else to_the_end(remembering))
        return accepted

    async def get(self, business_id: str, document_id: str) -> Document | None:
        """The document, when it is this business's and not deleted."""
        return await self._database.read(document(business_id, document_id))

    async def list(self, business_id: str, limit: int, cursor: str | None) -> tuple[list[Document], str | None]:
        """A page of documents, the newest first, and the cursor of the next. Raises ValueError for a bad cursor."""
        before = _position(cursor) if cursor else None
        found = await self._database.read(documents(business_id, limit + 1, before))
        if len(found) <= limit:
            return found, None
        return found[:limit], f"{found[limit - 1].created_at}.{found[limit - 1].id}"

    async def delete(self, business_id: str, document_id: str) -> bool:
        """No search finds the document from now on; what it leaves is swept up later. False when there is none."""
        deleted = await self._database.write(delete_document(business_id, document_id, self._clock.now()))
        if deleted:
            self._sweep_wanted.set()
            await self._tell()
        return deleted

    async def wait_until_done(self, document_ids: Iterable[str]) -> None:
        """Return when each of the documents is ready, failed or deleted. Needs `start`."""
        wanted = frozenset(document_ids)
        async with self._changed:
            while await self._database.read(unfinished_among(wanted)):
                await self._changed.wait()

    async def sweep(self) -> int:
        """Take away what deleted and failed documents left; how many were cleared."""
        return await self._sweep.run(self._in_hand.__contains__)

    async def _stored(self, version_id: str, chunks: AsyncIterator[bytes]) -> tuple[StoredFile, str | None]:
        """The stored file and None, or why it was refused. An empty one is not kept."""
        counted = _Counted(chunks)
        try:
            stored = await self._files.store(version_id, counted.pieces(), self._options.max_file_bytes)
        except UnreadableDocumentError as error:
            return StoredFile(counted.bytes, ""), str(error)
        except OSError as error:
            if counted.failed:
                raise
            logger.warning("an upload of %d bytes could not be stored: %s", counted.bytes, error)
            return StoredFile(counted.bytes, ""), NO_SPACE
        if stored.bytes == 0:
            await self._files.remove(version_id)
            return stored, EMPTY
        return stored, None

    async def _remember(self, accepted: Document, version: StoredVersion) -> None:
        try:
            await self._database.write(add_document(accepted, version))
        except BaseException:
            # The row may be there all the same: who asked for it is gone, or does not know of it.
            await asyncio.shield(self._take_back(accepted, version))
            raise
        if accepted.status is DocumentStatus.QUEUED:
            self._queue.put(accepted.business_id, accepted.id)
            self._show_depth()

    async def _take_back(self, accepted: Document, version: StoredVersion) -> None:
        try:
            await self.delete(accepted.business_id, accepted.id)
        except Exception as error:  # noqa: BLE001 - the first error is the one to tell; the next start tidies up
            logger.warning("an upload that failed could not be taken back: %r", error)
        finally:
            await self._files.remove(version.id)

    def _spawn(self, name: str, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while True:
            business_id, document_id = await self._queue.take()
            self._in_hand[document_id] = None
            self._show_depth()
            try:
                with self._metrics.uploads.track_inprogress():
                    await self._advance(document_id)
            except Exception as error:  # noqa: BLE001 - the worker must not die; the document stays in the queue
                await self._postpone(business_id, document_id, error)
            else:
                self._faults.pop(document_id, None)
            finally:
                self._in_hand.pop(document_id, None)
                await self._tell()

    async def _advance(self, document_id: str) -> None:
        """Work on one document until it is ready, failed or deleted. Raises what may pass by itself."""
        task = await self._database.read(open_document(document_id))
        if task is None:
            return
        self._in_hand[document_id] = task
        try:
            await self._pipeline.run(task)
        except UnreadableDocumentError as error:
            await self._fail(task, str(error))
        except DocumentDeletedError:
            self._sweep_wanted.set()
        except BaseException:
            # A fault around us or our own stop: it says nothing against the document.
            await asyncio.shield(self._database.write(release(task.document_id)))
            raise

    async def _fail(self, task: DocumentTask, sentence: str) -> None:
        await self._database.write(fail(task.document_id, sentence, self._clock.now()))
        await self._files.remove(task.version_id)
        logger.info("document %s failed: %s", task.document_id, sentence)
        self._sweep_wanted.set()

    async def _postpone(self, business_id: str, document_id: str, error: Exception) -> None:
        faults = self._faults[document_id] = self._faults.get(document_id, 0) + 1
        logger.warning("document %s is postponed after fault %d: %r", document_id, faults, error)
        task = self._in_hand.get(document_id)
        if faults > self._options.retries and task is not None:
            try:
                await self._fail(task, NOT_NOW)
            except Exception as again:  # noqa: BLE001 - not even that could be stored: later, then
                logger.warning("document %s could not be failed: %r", document_id, again)
            else:
                self._faults.pop(document_id, None)
                return
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** (faults - 1), _LONGEST_PAUSE_SECONDS)
        self._spawn(f"pause of document {document_id}", self._put_back(business_id, document_id, pause))

    async def _put_back(self, business_id: str, document_id: str, pause_seconds: float) -> None:
        await self._clock.sleep(pause_seconds)
        self._queue.put(business_id, document_id)
        self._show_depth()

    async def _sweep_again_and_again(self) -> None:
        while True:
            await self._sweep_wanted.wait()
            self._sweep_wanted.clear()
            try:
                await self.sweep()
            except Exception as error:  # noqa: BLE001 - the sweep must not die; the bell rings again
                logger.warning("the document sweep failed: %r", error)

    async def _ring(self) -> None:
        while True:
            await self._clock.sleep(_SWEEP_SECONDS)
            self._sweep_wanted.set()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _show_depth(self) -> None:
        self._metrics.queue_depth.labels("documents").set(len(self._queue))


class _Counted:
    """An upload's content, with how much came and whether its source failed."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self.bytes = 0
        self.failed = False

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._content:
                self.bytes += len(piece)
                yield piece
        except Exception:
            self.failed = True
            raise


async def to_the_end(work: Coroutine[object, object, T]) -> T:
    """Also when the caller is cancelled meanwhile: the call will be repeated, and must find what this one did."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _position(cursor: str) -> tuple[int, str]:
    created_at, dot, document_id = cursor.partition(".")
    if not (dot and created_at.isascii() and created_at.isdigit() and len(created_at) < _TIME_DIGITS and document_id):
        raise ValueError("a cursor comes from the page before")
    return int(created_at), document_id

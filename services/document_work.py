"""Who works on which document: parsing by some workers, round the businesses, then embedding and indexing.

Whatever a restart, a crash or a fault cuts off is taken up again where it was.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from database.clock import Clock
from database.document_work import DocumentTask, fail, open_document, open_documents
from database.metrics import Metrics
from database.records import DocumentStatus
from services.document_errors import NOT_NOW, UnreadableDocumentError
from services.document_indexing import DocumentIndexing
from services.document_news import DocumentNews
from services.document_pipeline import DocumentOverError, DocumentPipeline, Knowledge
from services.fair_queue import FairQueue

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """Parsing `workers`, slices that are embedded at once, and what one document may cost.

    `attempts`: how often this process may die while it embeds or indexes a document, without any progress between.
    `retries`: faults of embedder, index or database, with growing pauses (about an hour in all).
    `chunks_ahead`: while so many of a business wait to be embedded its next document is not parsed: what is indexed and
    not complete yet is in the way of searches. One of up to `small_bytes` is, it has few: nobody corrects a price to
    have it wait for a manual.
    `hold_share`: a version of which more than this share of the chunks changed waits to be published; 0: none does.
    """

    workers: int = 2
    embedders: int = 2
    indexers: int = 2
    attempts: int = 3
    retries: int = 18
    max_chunks: int = 200_000
    chunks_ahead: int = 500
    small_bytes: int = 64 * 1024
    hold_share: float = 0.0


class DocumentWork:
    """`on_end()` is called whenever the work on a document has ended, `on_leftover()` when something may be swept."""

    def __init__(
        self,
        knowledge: Knowledge,
        clock: Clock,
        metrics: Metrics,
        news: DocumentNews,
        options: WorkOptions,
        on_end: Callable[[], Coroutine[object, object, None]],
        on_leftover: Callable[[], None],
    ) -> None:
        self._database = knowledge.database
        self._queue = FairQueue()
        self._pipeline = DocumentPipeline(knowledge, clock, metrics, news, options.max_chunks)
        self._indexing = DocumentIndexing(
            *(knowledge, clock, metrics, news, options.attempts, self._ended, self._let_in),
            hold_share=options.hold_share,
        )
        self._clock = clock
        self._metrics = metrics
        self._news = news
        self._options = options
        self._on_end = on_end
        self._on_leftover = on_leftover
        self._in_hand: set[str] = set()
        self._again: set[str] = set()
        self._held: dict[str, str] = {}  # large documents that wait for room, with their business
        self._parsing: dict[str, asyncio.Task[None]] = {}
        self._faults: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take up what an earlier run left, and begin to work."""
        waiting = await self._database.read(open_documents())
        for business_id, document_id in waiting:
            self._queue.put(business_id, document_id)
        if waiting:
            logger.info("%d documents are taken up again", len(waiting))
        self._show()
        for number in range(self._options.workers):
            self._spawn(f"parsing worker {number}", self._work())
        for number in range(self._options.embedders):
            self._spawn(f"embedding worker {number}", self._indexing.embed_slices())
        for number in range(self._options.indexers):
            self._spawn(f"indexing worker {number}", self._indexing.index_slices())

    async def drain(self, grace_seconds: float) -> None:
        """Stop within the time. Documents that are under way keep what is done and go on at the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        await self._indexing.close()

    def put(self, business_id: str, document_id: str) -> None:
        """There is work on this document."""
        self._queue.put(business_id, document_id)
        self._show()

    def in_hand(self, document_id: str) -> bool:
        """Whether somebody works on the document now."""
        return document_id in self._in_hand

    async def stop(self, document_id: str) -> None:
        """What was begun on this document is not wanted any more."""
        parsing = self._parsing.get(document_id)
        if parsing is not None:
            parsing.cancel()
        await self._indexing.stop(document_id)

    def _spawn(self, name: str, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while True:
            business_id, document_id = await self._queue.take()
            if document_id in self._in_hand:
                self._again.add(document_id)
                continue
            self._in_hand.add(document_id)
            self._show()
            task = None
            try:
                task = await self._database.read(open_document(document_id))
                if task is None:
                    await self._let_go(business_id, document_id)
                    continue
                if task.status in {DocumentStatus.QUEUED, DocumentStatus.PARSING}:
                    if task.bytes > self._options.small_bytes and not self._has_room(business_id):
                        self._hold(task)
                        continue
                    await self._parse(task)
                await self._indexing.put(task)
            except Exception as error:  # noqa: BLE001 - the worker must not die; the document stays in the queue
                if task is None:
                    await self._postpone(business_id, document_id, None, error)
                    await self._let_go(business_id, document_id)
                else:
                    await self._ended(task, error)

    def _has_room(self, business_id: str) -> bool:
        return self._indexing.waiting(business_id) < self._options.chunks_ahead

    def _hold(self, task: DocumentTask) -> None:
        self._held[task.document_id] = task.business_id
        self._in_hand.discard(task.document_id)
        self._again.discard(task.document_id)
        self._show()

    def _let_in(self) -> None:
        """Less waits: those that were held have their turns again, where there is room."""
        for document_id, business_id in list(self._held.items()):
            if self._has_room(business_id):
                del self._held[document_id]
                self._queue.put(business_id, document_id)

    async def _parse(self, task: DocumentTask) -> None:
        """Parse, unless `stop` ends it. Raises what the pipeline raises."""
        parsing = asyncio.create_task(self._pipeline.parse(task), name=f"parsing of {task.document_id}")
        self._parsing[task.document_id] = parsing
        try:
            await asyncio.wait({parsing})
        except asyncio.CancelledError:
            parsing.cancel()
            await asyncio.wait({parsing})
            raise
        finally:
            del self._parsing[task.document_id]
        if parsing.cancelled():
            raise DocumentOverError
        parsing.result()

    async def _ended(self, task: DocumentTask, error: Exception | None) -> None:
        """The work on a task is over: done, given up, not wanted any more, or to be taken up again later."""
        try:
            if error is None:
                self._faults.pop(task.version_id, None)
                if task.number > 1:
                    self._on_leftover()
            elif isinstance(error, UnreadableDocumentError):
                await self._fail(task, str(error))
            elif isinstance(error, DocumentOverError):
                self._faults.pop(task.version_id, None)
                self._on_leftover()
            else:
                await self._postpone(task.business_id, task.document_id, task, error)
        except Exception as fault:  # noqa: BLE001 - not even that could be stored: later, then
            await self._postpone(task.business_id, task.document_id, None, fault)
        finally:
            await self._let_go(task.business_id, task.document_id)

    async def _let_go(self, business_id: str, document_id: str) -> None:
        self._in_hand.discard(document_id)
        if document_id in self._again:
            self._again.discard(document_id)
            self._queue.put(business_id, document_id)
        self._show()
        await self._on_end()

    async def _fail(self, task: DocumentTask, sentence: str) -> None:
        if await self._database.write(fail(task, sentence, self._clock.now())):
            logger.info("document %s: the version before is taken up again", task.document_id)
            self.put(task.business_id, task.document_id)
        self._faults.pop(task.version_id, None)
        logger.info("document %s, version %d failed: %s", task.document_id, task.number, sentence)
        self._news.tell(task.business_id, [task.document_id])
        self._on_leftover()

    async def _postpone(self, business_id: str, document_id: str, task: DocumentTask | None, error: Exception) -> None:
        key = task.version_id if task else document_id
        faults = self._faults[key] = self._faults.get(key, 0) + 1
        logger.warning("document %s is postponed after fault %d: %r", document_id, faults, error)
        if faults > self._options.retries and task is not None:
            await self._fail(task, NOT_NOW)
            return
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** (faults - 1), _LONGEST_PAUSE_SECONDS)
        self._spawn(f"pause of document {document_id}", self._put_back(business_id, document_id, pause))

    async def _put_back(self, business_id: str, document_id: str, pause_seconds: float) -> None:
        await self._clock.sleep(pause_seconds)
        self.put(business_id, document_id)

    def _show(self) -> None:
        self._metrics.queue_depth.labels("documents").set(len(self._queue) + len(self._held))
        self._metrics.uploads.set(len(self._in_hand))

"""The second half of a version's way: its chunks are embedded and indexed in slices, until it is complete.

Slices are embedded while the one before is indexed. What a slice has done is in knowledge.db, so that a restart goes
on where it was; searches see nothing of a version before the commit that completes it, all of it at once.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from database.changed_share import changed_share
from database.chunks import embedded_text, vectors_of
from database.clock import Clock
from database.document_chunks import ChunkVector, OpenChunk, count_of, open_chunks, store_vectors
from database.document_work import Completion, DocumentTask, Step, complete_all, count_attempts, move_all, release_all
from database.index_state import EmbedderChangedError
from database.metrics import Metrics
from database.records import Chunk, DocumentStatus
from services.chunk_embedding import ChunkEmbedding
from services.document_errors import KEEPS_FAILING, UnreadableDocumentError
from services.document_news import DocumentNews
from services.document_pipeline import EMBEDDED, INDEXED, PARSED, DocumentOverError, Knowledge
from services.indexing_queue import IndexingQueue, VersionProgress
from services.knowledge_ports import Vectors

logger = logging.getLogger(__name__)

Ended = Callable[[DocumentTask, Exception | None], Awaitable[None]]

SLICE_CHUNKS = 256
# Embedded slices that may wait for the index: what is in memory is bounded by these.
_SLICES_AHEAD = 1


@dataclass(slots=True)
class _Slice:
    """Chunks of one business with the embeddings of those that have one, by version; all of one embedder."""

    business_id: str
    embedder: str
    parts: list[tuple[VersionProgress, list[Chunk]]]
    vectors: dict[str, bytes]


class DocumentIndexing:
    """`put` what is parsed; `ended(task, error)` is called once for each, with None when it is complete.

    `on_room()` is called when less waits.

    An UnreadableDocumentError ends a document, a DocumentOverError says that nobody wants it any more; anything else
    is a fault around it that may pass.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        clock: Clock,
        metrics: Metrics,
        news: DocumentNews,
        attempts: int,
        ended: Ended,
        on_room: Callable[[], None],
        *,
        hold_share: float = 0.0,
    ) -> None:
        self._on_room = on_room
        self._hold_share = hold_share
        self._database = knowledge.database
        self._index = knowledge.index
        self._embedding = ChunkEmbedding(knowledge.embedder)
        self._clock = clock
        self._metrics = metrics
        self._news = news
        self._attempts = attempts
        self._ended = ended
        self._queue = IndexingQueue()
        self._filled = asyncio.Event()
        self._slices: asyncio.Queue[_Slice] = asyncio.Queue(_SLICES_AHEAD)
        self._progress: dict[str, VersionProgress] = {}
        # In how many slices that the index is taking in now a version is, and which of those versions are over already.
        self._adding: Counter[VersionProgress] = Counter()
        self._late: dict[VersionProgress, Exception | None] = {}

    async def put(self, task: DocumentTask) -> None:
        """Take up a version whose chunks are stored. Raises UnreadableDocumentError for one that kills the process."""
        if task.attempts >= self._attempts:
            raise UnreadableDocumentError(KEEPS_FAILING)
        total = await self._database.read(count_of(task.version_id))
        progress = VersionProgress(task, total, self._clock.monotonic())
        self._progress[task.document_id] = progress
        self._queue.put(progress)
        self._filled.set()

    def waiting(self, business_id: str) -> int:
        """How many chunks of the business wait to be embedded."""
        return sum(each.left for each in self._progress.values() if each.task.business_id == business_id)

    async def stop(self, document_id: str) -> None:
        """Work no longer on this document, if it is here."""
        progress = self._progress.get(document_id)
        if progress is not None:
            await self._end(progress, DocumentOverError())

    async def close(self) -> None:
        """After both loops were stopped: what is under way is given back unharmed."""
        counted = [progress.task for progress in self._progress.values() if progress.counted]
        if counted:
            await self._database.write(release_all(counted))

    async def embed_slices(self) -> None:
        """A loop without end; several may run."""
        while True:
            taken = self._queue.take()
            if not taken:
                self._filled.clear()
                await self._filled.wait()
                continue
            try:
                filled = await self._embed(taken)
            except Exception as error:  # noqa: BLE001 - the loop must not die; whose slice it was comes again
                await self._end_all(taken, error)
            else:
                await self._slices.put(filled)

    async def index_slices(self) -> None:
        """A loop without end; several may run: while one says what is done another has the index at work."""
        while True:
            filled = await self._slices.get()
            try:
                await self._add(filled)
            except Exception as error:  # noqa: BLE001 - as in embed_slices
                await self._end_all([progress for progress, _ in filled.parts], error)
            for progress in [each for each in self._late if each not in self._adding]:
                await self._ended(progress.task, self._late.pop(progress))

    async def _embed(self, taken: list[VersionProgress]) -> _Slice:
        await self._count_attempts(taken)
        embedding = self._embedding.now()
        for progress in taken:
            if progress.embedder not in {"", embedding.name}:
                raise EmbedderChangedError(embedding.name)
            progress.embedder = embedding.name
        after = {progress.task.version_id: progress.after for progress in taken}
        rows = await self._database.read(open_chunks(after, embedding.name, SLICE_CHUNKS))
        parts = self._give_out(taken, rows)
        self._on_room()
        filled = _Slice(taken[0].task.business_id, embedding.name, parts, await self._vectors(embedding, rows))
        await self._store(filled, {row.chunk.id for row in rows if row.donor == row.chunk.id})
        return filled

    async def _count_attempts(self, taken: list[VersionProgress]) -> None:
        """Embedding runs in this process, parsing does not: what kills it here is given up in the end."""
        fresh = [progress for progress in taken if not progress.counted]
        if fresh:
            await self._database.write(count_attempts([progress.task for progress in fresh]))
        for progress in fresh:
            progress.counted = True

    def _give_out(
        self, taken: list[VersionProgress], rows: Sequence[OpenChunk]
    ) -> list[tuple[VersionProgress, list[Chunk]]]:
        """The rows by version; what is left of the versions waits for the next slice."""
        chunks: dict[str, list[Chunk]] = {progress.task.version_id: [] for progress in taken}
        for row in rows:
            chunks[row.chunk.version_id].append(row.chunk)
        parts = [(progress, chunks[progress.task.version_id]) for progress in taken]
        for progress, mine in reversed(parts):
            if mine:
                progress.after = mine[-1].ordinal
            if not progress.given_out and not progress.over:
                if len(rows) < SLICE_CHUNKS:
                    raise LookupError(f"chunks of version {progress.task.version_id} are not there")
                self._queue.put_back(progress)
                self._filled.set()
        return [(progress, mine) for progress, mine in parts if mine or progress.given_out]

    async def _vectors(self, embedding: ChunkEmbedding, rows: Sequence[OpenChunk]) -> dict[str, bytes]:
        """Embeddings by chunk: those that are there already for the same text, and new ones."""
        donors = sorted({row.donor for row in rows if row.donor})
        given = dict(await self._database.read(vectors_of(embedding.name, donors))) if donors else {}
        found = {row.chunk.id: given[row.donor] for row in rows if row.donor in given}
        new = [row.chunk for row in rows if row.chunk.id not in found]
        if new:
            texts = {chunk.id: embedded_text(chunk.heading, chunk.text) for chunk in new}
            once = list(dict.fromkeys(texts.values()))
            vectors = dict(zip(once, await embedding.embed(once), strict=True))
            found |= {key: vector for key, text in texts.items() if (vector := vectors[text]) is not None}
        return found

    async def _store(self, filled: _Slice, stored: set[str]) -> None:
        vectors: dict[str, list[ChunkVector]] = {}
        for progress, chunks in filled.parts:
            fresh = [chunk.id for chunk in chunks if chunk.id in filled.vectors and chunk.id not in stored]
            vectors[progress.task.document_id] = [ChunkVector(key, filled.vectors[key]) for key in fresh]
            progress.embedded += len(chunks)
            progress.missing += sum(chunk.id not in filled.vectors for chunk in chunks)
        self._metrics.chunks_failed.inc(
            sum(chunk.id not in filled.vectors for _, chunks in filled.parts for chunk in chunks)
        )
        steps = [self._step(progress) for progress, _ in filled.parts]
        unit = store_vectors(steps, filled.embedder, vectors, self._clock.now())
        await self._go_on(filled, await self._database.write(unit))
        for progress, _ in filled.parts:
            if progress.embedded == progress.total:
                progress.embedded_at = self._clock.monotonic()
                self._metrics.document_seconds.labels("embed").observe(progress.embedded_at - progress.began)

    async def _go_on(self, filled: _Slice, wanted: set[str]) -> None:
        """Only what is still wanted stays in the slice."""
        for progress, _ in filled.parts:
            if progress.task.document_id not in wanted:
                await self._end(progress, DocumentOverError())
        filled.parts = [(progress, chunks) for progress, chunks in filled.parts if not progress.over]
        self._news.tell(filled.business_id, wanted)

    async def _add(self, filled: _Slice) -> None:
        filled.parts = [(progress, chunks) for progress, chunks in filled.parts if not progress.over]
        if not filled.parts:
            return
        chunks = [chunk for _, mine in filled.parts for chunk in mine if chunk.id in filled.vectors]
        began = self._clock.monotonic()
        logger.info(
            "index lock taken for business %s: %d chunks of %d documents",
            *(filled.business_id, len(chunks), len(filled.parts)),
        )
        matrix = _matrix([filled.vectors[chunk.id] for chunk in chunks])
        adding = Counter(progress for progress, _ in filled.parts)
        self._adding += adding
        try:
            await self._index.add(chunks, matrix, embedder=filled.embedder)
        finally:
            self._adding -= adding
        logger.info("index: %d chunks added in %.2f s", len(chunks), self._clock.monotonic() - began)
        for progress, mine in filled.parts:
            progress.indexed += len(mine)
        ready = [progress for progress, _ in filled.parts if progress.indexed == progress.total]
        await self._complete(filled, ready)
        steps = [self._step(progress) for progress, _ in filled.parts if progress not in ready]
        if steps:
            wanted = await self._database.write(move_all(steps, self._clock.now()))
            await self._go_on(filled, wanted | {progress.task.document_id for progress in ready})

    async def _complete(self, filled: _Slice, ready: list[VersionProgress]) -> None:
        if not ready:
            return
        completions = [await self._completion(progress) for progress in ready]
        done = await self._database.write(complete_all(completions, filled.embedder, self._clock.now()))
        now = self._clock.monotonic()
        for progress in ready:
            over = None if progress.task.document_id in done else DocumentOverError()
            await self._end(progress, over)
            if over is None:
                self._metrics.document_seconds.labels("index").observe(now - progress.embedded_at)
                logger.info(
                    "document %s is complete: version %d, %d chunks (%d without embedding) in %.1f s",
                    *(progress.task.document_id, progress.task.number, progress.total, progress.missing),
                    now - progress.began,
                )
        self._news.tell(filled.business_id, done)

    async def _completion(self, progress: VersionProgress) -> Completion:
        task = progress.task
        share = await self._database.read(changed_share(task.version_id)) if self._hold_share else 0.0
        hold = share > self._hold_share > 0
        if hold:
            logger.info("document %s is held: %.0f %% of version %d is new", task.document_id, 100 * share, task.number)
        return Completion(task, progress.total, progress.missing, hold)

    def _step(self, progress: VersionProgress) -> Step:
        total = max(progress.total, 1)
        done = PARSED + (EMBEDDED - PARSED) * progress.embedded / total
        done += (INDEXED - EMBEDDED) * progress.indexed / total
        whole = progress.embedded == progress.total
        return Step(progress.task, DocumentStatus.INDEXING if whole else DocumentStatus.EMBEDDING, done)

    async def _end_all(self, progresses: Sequence[VersionProgress], error: Exception) -> None:
        counted = [each.task for each in progresses if each.counted and not each.over]
        try:
            await self._database.write(release_all(counted))
        except Exception as again:  # noqa: BLE001 - the first error is the one to tell
            logger.warning("the beginnings of %d documents could not be taken back: %r", len(counted), again)
        for progress in progresses:
            await self._end(progress, error)

    async def _end(self, progress: VersionProgress, error: Exception | None) -> None:
        if progress.over:
            return
        progress.over = True
        del self._progress[progress.task.document_id]
        self._on_room()
        if progress in self._adding:
            # Handed back now it could be swept before the rest of it is added, and the rest would stay.
            self._late[progress] = error
        else:
            await self._ended(progress.task, error)


def _matrix(vectors: Sequence[bytes]) -> Vectors:
    rows: Any = np.frombuffer(b"".join(vectors), dtype="<f4")
    return rows.reshape(len(vectors), -1) if vectors else np.empty((0, 0), np.float32)

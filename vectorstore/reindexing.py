"""Makes both indexes anew from knowledge.db, when somebody asks for it, beside those that answer meanwhile."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from database.clock import Clock
from database.engine import Database
from database.lexical import LexicalIndex
from database.other_embedders import chunks_in, live_versions
from database.records import Chunk
from vectorstore.chroma_manager import ChromaManager, Collection
from vectorstore.frames import Vectors
from vectorstore.index_healer import IndexHealer, is_expected
from vectorstore.reembedding import embed_anew
from vectorstore.serving_embedder import ServingEmbedder

logger = logging.getLogger(__name__)

FRESH = ".fresh"
SLICE = 1_024


@dataclass(frozen=True, slots=True)
class ReindexParts:
    """What it works with; `share` of the time is the most that it works."""

    knowledge: Database
    words: LexicalIndex
    vectors: ChromaManager
    healer: IndexHealer
    serving: ServingEmbedder
    clock: Clock
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Reindexed:
    """How far it is, or how the last time ended. `progress` is from 0 to 1; `error` says why it did not end well."""

    running: bool
    progress: float
    chunks: int
    seconds: float
    error: str | None = None


class Reindexing:
    """One at a time, in the background; a stop ends it, and leaves the old indexes as they are."""

    def __init__(self, parts: ReindexParts) -> None:
        self._parts = parts
        self._task: asyncio.Task[None] | None = None
        self._began = 0.0
        self._done = 0
        self._total = 0
        self._last: Reindexed | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls, parts: ReindexParts) -> "AsyncIterator[Reindexing]":
        """Ready to be asked."""
        reindexing = cls(parts)
        try:
            yield reindexing
        finally:
            if reindexing._task is not None:
                reindexing._task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reindexing._task

    @property
    def progress(self) -> float | None:
        """From 0 to 1 while it runs, None otherwise."""
        if self._task is None:
            return None
        return min(self._done / self._total, 0.99) if self._total else 0.0

    def state(self) -> Reindexed | None:
        """How far it is or how it ended; None when nobody has asked for it since the start."""
        if self._task is None:
            return self._last
        return Reindexed(True, self.progress or 0.0, self._done, time.perf_counter() - self._began)

    def start(self, *, embed: bool) -> bool:
        """Begin; False when it runs already. `embed`: make the vectors anew, too."""
        if self._task is not None:
            return False
        self._began = time.perf_counter()
        self._done = self._total = 0
        self._task = asyncio.create_task(self._run(embed=embed), name="reindexing")
        return True

    async def wait(self) -> Reindexed | None:
        """Return once it does not run; how it ended."""
        if self._task is not None:
            await asyncio.wait({self._task})
        return self._last

    async def _run(self, *, embed: bool) -> None:
        error: str | None = None
        try:
            chunks = await self._make_anew(embed=embed)
        except Exception as fault:
            # The edge of the task: what went wrong is told to who asks how it ended.
            chunks, error = 0, f"The indexes were not made anew: {fault}"
            logger.warning("reindexing failed: %s", fault, exc_info=not is_expected(fault))
        finally:
            self._parts.healer.vectors.building.clear()
            self._task = None
        seconds = time.perf_counter() - self._began
        self._last = Reindexed(False, 0.0 if error else 1.0, chunks, seconds, error)
        if error is None:
            logger.info("both indexes were made anew: %d chunks in %.1f s", chunks, seconds)

    async def _make_anew(self, *, embed: bool) -> int:
        parts = self._parts
        versions = await parts.knowledge.read(live_versions())
        self._total = (2 if embed else 1) * await parts.knowledge.read(chunks_in(versions))
        for version_id in versions if embed else ():
            await embed_anew(parts.knowledge, parts.serving.current, version_id, self._stored, again=True)
        await parts.words.rebuild()
        await parts.vectors.wait_ready()
        chunks = await self._fill(parts.serving.name)
        parts.healer.look()
        await parts.healer.wait_healthy()
        async with parts.vectors.closed():
            pass  # the files of the old collections go when nobody has the directory open
        await parts.vectors.wait_ready()
        await parts.healer.wait_healthy()
        return chunks

    async def _stored(self, chunks: Sequence[Chunk], _vectors: Vectors) -> None:
        self._done += len(chunks)

    async def _fill(self, embedder: str) -> int:
        parts, repair = self._parts, self._parts.healer.vectors
        count = 0
        for business_id, ids in (await repair.expected(embedder)).items():
            place = Collection(business_id, embedder)
            fresh = Collection(business_id, embedder, place.name + FRESH)
            repair.building.add(fresh.name)
            await parts.vectors.drop(fresh)  # half of another time
            wanted = sorted(ids)
            for start in range(0, len(wanted), SLICE):
                began = time.perf_counter()
                added = await repair.add(fresh, wanted[start : start + SLICE], background=True)
                count += added
                self._done += added
                await parts.clock.sleep((time.perf_counter() - began) * (1 / parts.share - 1))
            if wanted:
                await parts.vectors.replace(place, fresh)
            repair.building.discard(fresh.name)
        return count

"""Another embedder takes over: everything is embedded by it in the background, while the old one goes on answering.

What was done is in knowledge.db and in the new collections, so a stop in the middle goes on where it was. One unit
switches, once nothing that answers lacks the new vectors; then the old ones go.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from database.clock import Clock
from database.engine import Database
from database.index_state import switch_to
from database.other_embedders import chunks_in, embedded_too_by, live_versions, live_versions_not_by
from database.records import Chunk
from vectorstore.chroma_manager import ChromaManager, Collection
from vectorstore.embedders import Embedder
from vectorstore.embedding_sweep import forget_former_embedders
from vectorstore.frames import Vectors
from vectorstore.index_healer import is_expected
from vectorstore.reembedding import embed_anew
from vectorstore.serving_embedder import ServingEmbedder
from vectorstore.vector_repair import VectorRepair

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
TOLD_AT_TENTHS = 10


@dataclass(frozen=True, slots=True)
class SwitchParts:
    """What a switch works with; `share` of the time is the most that it works.

    `switched` is called right after it; `settled` returns once the indexes are whole.
    """

    knowledge: Database
    vectors: ChromaManager
    repair: VectorRepair
    serving: ServingEmbedder
    switched: Callable[[], None]
    settled: Callable[[], Awaitable[None]]
    clock: Clock
    dice: random.Random
    share: float = 0.5


class EmbedderSwitch:
    """One background task, which ends with the switch; without a coming embedder it only clears away."""

    def __init__(self, parts: SwitchParts) -> None:
        self._parts = parts
        self._done = 0
        self._total = 0
        self._told = 0
        self.ended = asyncio.Event()
        # Why it does not get on, for readiness.
        self.problem: str | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls, parts: SwitchParts) -> "AsyncIterator[EmbedderSwitch]":
        """Begin, or go on, at once."""
        switch = cls(parts)
        task = asyncio.create_task(switch._serve(), name="switch of embedder")
        try:
            yield switch
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def progress(self) -> float | None:
        """From 0 to 1 while another embedder is taking over, None otherwise."""
        if self._parts.serving.coming is None:
            return None
        return min(self._done / self._total, 0.99) if self._total else 0.0

    async def _serve(self) -> None:
        failures = 0
        while True:
            try:
                await self._advance()
            except Exception as error:
                # Edge of a loop that must not die: what is away comes back, and nothing waits for this.
                failures += 1
                self.problem = f"the switch of embedder waits: {error}"
                logger.warning("the switch of embedder waits: %s", error, exc_info=not is_expected(error))
                longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 16), LONGEST_PAUSE_SECONDS)
                await self._parts.clock.sleep(self._parts.dice.uniform(0.5, 1.0) * longest)
            else:
                self.problem = None
                self.ended.set()
                return

    async def _advance(self) -> None:
        coming = self._parts.serving.coming
        if coming is not None:
            await self._take_over(coming)
        while not await forget_former_embedders(self._parts.knowledge, self._parts.serving):
            await self._parts.clock.sleep(LONGEST_PAUSE_SECONDS)
        if coming is not None:
            # The files of collections that were dropped go when nobody has the directory open.
            await self._parts.settled()
            async with self._parts.vectors.closed():
                pass
            await self._parts.vectors.wait_ready()
            await self._parts.settled()

    async def _take_over(self, coming: Embedder) -> None:
        knowledge, serving = self._parts.knowledge, self._parts.serving
        await self._count(coming)
        await self._embed_all(coming)
        await self._parts.vectors.wait_ready()
        await self._parts.repair.compare(coming.name, background=True)
        while not await knowledge.write(switch_to(coming.name, self._parts.clock.now())):
            # What has become live since the list was made, by the old embedder alone: a few at most.
            await self._embed_all(coming, indexed=True)
        logger.info("%s answers from now on, in place of %s", coming.name, serving.name)
        serving.switch()
        self._parts.switched()

    async def _count(self, coming: Embedder) -> None:
        everything = await self._parts.knowledge.read(live_versions())
        waiting = await self._parts.knowledge.read(live_versions_not_by(coming.name))
        self._total = await self._parts.knowledge.read(chunks_in(everything))
        self._done = self._total - await self._parts.knowledge.read(chunks_in(waiting))
        self._told = 0
        logger.info("%d of %d chunks are to be embedded by %s", self._total - self._done, self._total, coming.name)

    async def _embed_all(self, coming: Embedder, *, indexed: bool = False) -> None:
        """Embed what answers and is not embedded by the coming one; `indexed`: put it into its collections at once."""
        knowledge = self._parts.knowledge
        for version_id in await knowledge.read(live_versions_not_by(coming.name)):
            began = time.perf_counter()

            async def stored(chunks: Sequence[Chunk], vectors: Vectors) -> None:
                nonlocal began
                if indexed:
                    await self._index(coming, chunks, vectors)
                self._tell(len(chunks), coming)
                took = time.perf_counter() - began
                await self._parts.clock.sleep(took * (1 / self._parts.share - 1))
                began = time.perf_counter()

            await embed_anew(knowledge, coming, version_id, stored)
            await knowledge.write(embedded_too_by(version_id, coming.name))

    async def _index(self, coming: Embedder, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        for business_id in sorted({chunk.business_id for chunk in chunks}):
            rows = [row for row, chunk in enumerate(chunks) if chunk.business_id == business_id]
            ids = [chunks[row].id for row in rows]
            await self._parts.vectors.add(Collection(business_id, coming.name), ids, vectors[rows], background=True)

    def _tell(self, chunks: int, coming: Embedder) -> None:
        self._done += chunks
        tenth = int((self.progress or 0) * TOLD_AT_TENTHS)
        if tenth > self._told:
            self._told = tenth
            logger.info("%d %% is embedded by %s", tenth * 100 // TOLD_AT_TENTHS, coming.name)

"""Keeps both indexes true to knowledge.db: compares the sets at start and after a mishap, repairs the difference.

After a change to an embedder while the old one cannot be asked any more, it has the live documents embedded by the
new one first; the words answer meanwhile.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from database.clock import Clock
from database.engine import Database
from database.lexical import LexicalError, LexicalIndex
from database.other_embedders import embedded_by, live_versions_not_by
from vectorstore.chroma_manager import ChromaManager, VectorStoreError
from vectorstore.embedders import Embedder, EmbeddingError
from vectorstore.reembedding import embed_anew
from vectorstore.serving_embedder import coming, current
from vectorstore.vector_repair import VectorRepair

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
COMPARING = "the indexes are being compared"


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did: words and vectors that were added and removed, collections and stores made anew."""

    words_added: int = 0
    words_removed: int = 0
    vectors_added: int = 0
    vectors_removed: int = 0
    rebuilt: int = 0


class IndexHealer:
    """One background task; `look` asks it to compare and repair, soon and once however often it is asked."""

    def __init__(
        self,
        knowledge: Database,
        words: LexicalIndex,
        vectors: ChromaManager,
        embedder: Embedder,
        *,
        clock: Clock,
        dice: random.Random,
    ) -> None:
        self.vectors = VectorRepair(knowledge, vectors, dice)
        self._knowledge = knowledge
        self._words = words
        self._vectors = vectors
        self._embedder = embedder
        self._clock = clock
        self._dice = dice
        self._wanted = asyncio.Event()
        self._healthy = asyncio.Event()
        self._doubted = False
        self._seen: tuple[int, int] | None = None
        self._trouble: str | None = None

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        knowledge: Database,
        words: LexicalIndex,
        vectors: ChromaManager,
        embedder: Embedder,
        *,
        clock: Clock,
        dice: random.Random,
    ) -> "AsyncIterator[IndexHealer]":
        """Compare at once, in the background, and from then on when there is reason to."""
        healer = cls(knowledge, words, vectors, embedder, clock=clock, dice=dice)
        vectors.on_change(healer._store_changed)
        task = asyncio.create_task(healer._serve(), name="index healer")
        healer.look()
        try:
            yield healer
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def complaint(self) -> str | None:
        """Why the indexes are not what they should be, or None."""
        if self._words.damaged:
            return "the word index is being made anew"
        if not self._vectors.ready:
            return self._vectors.trouble or "the vector store is away"
        return self._trouble or (None if self._healthy.is_set() else COMPARING)

    def look(self) -> None:
        """Compare and repair soon."""
        self._healthy.clear()
        self._wanted.set()

    def doubt(self) -> None:
        """The vectors did not answer as they should: look, and let the words answer alone until that is done."""
        self._doubted = True
        self._trouble = "the vector index is damaged or too slow and is being looked at"
        self.look()

    @property
    def trusts_vectors(self) -> bool:
        """Whether it is worth asking the vector store."""
        return self._vectors.ready and not self._doubted

    async def wait_healthy(self) -> None:
        """Return once both indexes are what knowledge.db says."""
        await self._healthy.wait()

    def _store_changed(self) -> None:
        if self._vectors.crash_looping or (self._vectors.ready and self._vectors.incarnation != self._seen):
            self.look()

    async def _serve(self) -> None:
        failures = 0
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                done = await self.repair()
            except Exception as error:
                failures += 1
                self._trouble = f"the indexes are being repaired: {type(error).__name__}"
                logger.warning("repair %d failed: %s", failures, error, exc_info=not is_expected(error))
                longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 16), LONGEST_PAUSE_SECONDS)
                self._wanted.set()
                await self._clock.sleep(self._dice.uniform(0.5, 1.0) * longest)
                continue
            failures = 0
            self._trouble = None
            self._doubted = False
            if done != Repaired():
                logger.info("indexes repaired: %s", done)
            if not self._wanted.is_set():
                self._healthy.set()

    async def repair(self) -> Repaired:
        """Compare the sets of both indexes with knowledge.db and repair the difference.

        Nothing is embedded but what another embedder has embedded. Raises LexicalError, EmbeddingError or
        VectorStoreError for what does not answer; what was repaired by then stays.
        """
        words_added, words_removed = await self._words.repair()
        await self._embed_anew()
        rebuilt = 0
        await self._wait_for_store()
        if self._vectors.crash_looping:
            logger.warning("the vector store does not come up: it is made anew")
            await self._vectors.erase()
            rebuilt += 1
        await self._vectors.wait_ready()
        seen = self._vectors.incarnation
        name = self._embedder.name
        vectors = await self.vectors.compare(name, emptied=self._distrust)
        other = coming(self._embedder)
        if await self.vectors.sweep(name, vectors.businesses, {other.name} if other else set()):
            self.look()  # what an upload has put into a collection while it was dropped
        self._seen = seen
        return Repaired(words_added, words_removed, vectors.added, vectors.removed, rebuilt + vectors.rebuilt)

    async def _wait_for_store(self) -> None:
        """Until it can be asked or is beyond help; words that need repair meanwhile are not kept waiting."""
        back = asyncio.create_task(self._vectors.wait_ready(), name="vector store comes back")
        try:
            while not back.done():
                asked = asyncio.create_task(self._wanted.wait(), name="repair is asked for")
                try:
                    await asyncio.wait({back, asked}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    asked.cancel()
                if not back.done():
                    self._wanted.clear()
                    if self._words.damaged:
                        await self._words.repair()
        finally:
            back.cancel()
            await asyncio.wait({back})
            if not back.cancelled():
                back.exception()  # it does not come up: whoever waits sees that by himself

    def _distrust(self) -> None:
        """Half of the vectors would mislead: the words answer until all are there."""
        self._doubted = True

    async def _embed_anew(self) -> None:
        embedder = current(self._embedder)
        versions = await self._knowledge.read(live_versions_not_by(embedder.name))
        if versions:
            self._distrust()
            self._trouble = "the knowledge is being embedded by another embedder"
            logger.info("%d documents are embedded anew, by %s", len(versions), embedder.name)
        for version_id in versions:
            await embed_anew(self._knowledge, embedder, version_id)
            await self._knowledge.write(embedded_by(version_id, embedder.name))
        if versions:
            logger.info("%d documents have been embedded anew", len(versions))


def is_expected(error: Exception) -> bool:
    """Whether it says no more than that something is away or broken, which whoever reads the log understands."""
    return isinstance(error, LexicalError | EmbeddingError | VectorStoreError | OSError)

"""Keeps both indexes true to knowledge.db: compares the sets at start and after a mishap, repairs the difference.

After a change of the embedder it has the live documents embedded by the new one first; the words answer meanwhile.
"""

import asyncio
import contextlib
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from database.chunks import EmbeddedChunk, embedded_after, known_among, vectors_of
from database.clock import Clock
from database.engine import Database
from database.lexical import LexicalError, LexicalIndex
from database.other_embedders import live_versions_not_by
from vectorstore.chroma_manager import (
    ChromaManager,
    Collection,
    VectorStoreError,
    VectorStoreRequestError,
    VectorStoreUnavailableError,
)
from vectorstore.embedders import Embedder, EmbeddingError
from vectorstore.frames import Vectors
from vectorstore.reembedding import embed_anew

logger = logging.getLogger(__name__)

PAGE = 2_000
SLICE = 128
PROBES = 5
PROBE_NEIGHBOURS = 10
SAME = 0.99
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
            return "the vector store is away"
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
                logger.warning("repair %d failed: %s", failures, error, exc_info=not _expected(error))
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
        if self._vectors.crash_looping:
            logger.warning("the vector store does not come up: it is made anew")
            await self._vectors.erase()
            rebuilt += 1
        await self._vectors.wait_ready()
        seen = self._vectors.incarnation
        expected = await self._expected()
        added, removed, again = await self._compare(expected)
        self._seen = seen
        return Repaired(words_added, words_removed, added, removed, rebuilt + again)

    async def _embed_anew(self) -> None:
        versions = await self._knowledge.read(live_versions_not_by(self._embedder.name))
        if versions:
            self._doubted = True  # half of the vectors would mislead
            self._trouble = "the knowledge is being embedded by another embedder"
            await embed_anew(self._knowledge, self._embedder, versions)

    async def _expected(self) -> dict[str, set[str]]:
        """Ids by business: every chunk with an embedding of ours whose document is not deleted, live or on its way."""
        found: dict[str, set[str]] = defaultdict(set)
        async for chunk in self._embedded():
            found[chunk.business_id].add(chunk.id)
        return found

    async def _embedded(self) -> AsyncIterator[EmbeddedChunk]:
        after = 0
        while page := await self._knowledge.read(embedded_after(self._embedder.name, after, PAGE)):
            for chunk in page:
                yield chunk
            after = page[-1].n

    async def _compare(self, expected: dict[str, set[str]]) -> tuple[int, int, int]:
        added = removed = rebuilt = 0
        try:
            names = await self._vectors.collections()
        except VectorStoreUnavailableError as error:
            if not error.damaged:
                raise
            logger.warning("the vector store is damaged and is made anew: %s", error)
            await self._vectors.erase()
            await self._vectors.wait_ready()
            names, rebuilt = [], 1
        for business_id, ids in expected.items():
            collection = Collection(business_id, self._embedder.name)
            have, dropped = await self._sound(collection) if collection.name in names else (set(), 0)
            rebuilt += dropped
            self._doubted |= not have  # half of the vectors would mislead: the words answer until all are there
            added += await self._add(collection, ids - have)
            removed += await self._remove(collection, have - ids)
        for name in names:
            mine = Collection.named(name, self._embedder.name)
            if mine and mine.business_id not in expected:
                # A business whose last document has gone. Collections of other embedders are left alone.
                removed += await self._remove(mine, await self._vectors.ids(mine))
        return added, removed, rebuilt

    async def _sound(self, collection: Collection) -> tuple[set[str], int]:
        """The ids in a collection; none, and 1, when it was damaged and has been dropped."""
        try:
            ids = await self._vectors.ids(collection)
            if await self._finds_itself(collection, ids):
                return ids, 0
            reason = "it does not find what it holds"
        except VectorStoreRequestError as error:
            reason = str(error)
        except VectorStoreUnavailableError as error:
            if not error.damaged:
                raise
            reason = str(error)
        logger.warning("collection %s is made anew: %s", collection.name, reason)
        await self._vectors.drop(collection)
        return set(), 1

    async def _finds_itself(self, collection: Collection, ids: set[str]) -> bool:
        """Whether some stored vectors are their own nearest neighbours: Chroma has no checksums."""
        sample = self._dice.sample(sorted(ids), min(PROBES, len(ids)))
        for key, stored in await self._knowledge.read(vectors_of(self._embedder.name, sample)):
            found = await self._vectors.query(collection, np.frombuffer(stored, "<f4"), PROBE_NEIGHBOURS)
            if not any(near == key or similarity > SAME for near, similarity in found):
                return False
        return True

    async def _add(self, collection: Collection, ids: Iterable[str]) -> int:
        added = 0
        for part in _slices(sorted(ids)):
            stored = await self._knowledge.read(vectors_of(self._embedder.name, part))
            if not stored:
                continue
            matrix: Vectors = np.frombuffer(b"".join(vector for _, vector in stored), "<f4").reshape(len(stored), -1)
            await self._vectors.add(collection, [key for key, _ in stored], matrix)
            added += len(stored)
        return added

    async def _remove(self, collection: Collection, ids: Iterable[str]) -> int:
        removed = 0
        for part in _slices(sorted(ids)):
            # Asked again: what an upload has added since the sets were read is not to go.
            gone = sorted(set(part) - await self._knowledge.read(known_among(part)))
            await self._vectors.delete(collection, gone)
            removed += len(gone)
        return removed


def _slices(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + SLICE] for start in range(0, len(ids), SLICE))


def _expected(error: Exception) -> bool:
    return isinstance(error, LexicalError | EmbeddingError | VectorStoreError | OSError)

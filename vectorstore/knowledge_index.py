"""What a business knows: hybrid search over words and vectors, kept true to knowledge.db by a healer.

knowledge.db decides what is live; both indexes are derived, may lag, and are repaired from it without embedding again.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from database.chunks import LiveChunk, has_live, live_among, vectors_of
from database.clock import Clock
from database.engine import Database
from database.lexical import LexicalError, LexicalIndex
from database.metrics import Metrics
from database.records import Chunk, Passage
from vectorstore.chroma_manager import ChromaManager, Collection, VectorStoreError, VectorStoreUnavailableError
from vectorstore.embedders import Embedder, EmbeddingError
from vectorstore.frames import Vectors
from vectorstore.index_healer import IndexHealer
from vectorstore.score_fusion import fused

logger = logging.getLogger(__name__)

FIRST_FETCH = 50
LAST_FETCH = 3_200
TEXT_CHARACTERS = 1_200


@dataclass(frozen=True, slots=True)
class IndexState:
    """Which legs answer now. `degraded` is None when both do and hold what they should, otherwise says why not."""

    vectors: bool
    words: bool
    degraded: str | None


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """`vector_seconds` is how long a search waits for the vector leg before the words answer alone."""

    vector_seconds: float = 1.0


class KnowledgeIndex:
    """Implements agents.ports.Knowledge, and what ingestion needs of an index."""

    def __init__(
        self,
        knowledge: Database,
        words: LexicalIndex,
        vectors: ChromaManager,
        embedder: Embedder,
        healer: IndexHealer,
        metrics: Metrics,
        options: SearchOptions | None = None,
    ) -> None:
        self._knowledge = knowledge
        self._words = words
        self._vectors = vectors
        self._embedder = embedder
        self._healer = healer
        self._metrics = metrics
        self._options = options or SearchOptions()

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        knowledge: Database,
        words: LexicalIndex,
        vectors: ChromaManager,
        embedder: Embedder,
        metrics: Metrics,
        *,
        clock: Clock,
        dice: random.Random,
        options: SearchOptions | None = None,
    ) -> "AsyncIterator[KnowledgeIndex]":
        """An index whose healer runs: it compares at once, in the background, and answers meanwhile."""
        healing = IndexHealer.running(knowledge, words, vectors, embedder.name, clock=clock, dice=dice)
        async with healing as healer:
            yield cls(knowledge, words, vectors, embedder, healer, metrics, options)

    async def wait_healthy(self) -> None:
        """Return once both indexes hold what knowledge.db says."""
        await self._healer.wait_healthy()

    def state(self) -> IndexState:
        """For readiness."""
        return IndexState(self._vectors.ready, not self._words.damaged, self._healer.complaint())

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        """The best passages of the business, best first; `[]` without documents or for an empty query.

        With one leg away the other answers; with both away that is `[]` too.
        """
        if not query.strip() or limit < 1 or not await self._knowledge.read(has_live(business_id)):
            return []
        vector_leg = asyncio.create_task(self._vector_leg(business_id, query, limit), name="vector leg")
        try:
            by_words = await self._word_leg(business_id, query, limit)
            by_vector = await vector_leg
        finally:
            vector_leg.cancel()
        legs = [name for name, leg in (("vector", by_vector), ("lexical", by_words)) if leg is not None]
        self._metrics.searches.labels("+".join(legs) or "none").inc()
        return await self._passages(by_vector, by_words, limit)

    async def add(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Take chunks in, whose rows and embeddings are in knowledge.db; a leg that is away is repaired later."""
        try:
            await self._words.catch_up()
        except LexicalError as error:
            logger.warning("words will be indexed later: %s", error)
            self._healer.look()
        try:
            for business_id in sorted({chunk.business_id for chunk in chunks}):
                rows = [row for row, chunk in enumerate(chunks) if chunk.business_id == business_id]
                ids = [chunks[row].id for row in rows]
                await self._vectors.add(Collection(business_id, self._embedder.name), ids, vectors[rows])
        except VectorStoreError as error:
            logger.warning("%d vectors will be indexed later: %s", len(chunks), error)
            self._healer.look()

    async def remove(self, business_id: str, chunk_ids: Sequence[str]) -> None:
        """Forget chunks, known or not. What cannot be forgotten now is never found, and goes with the next repair."""
        try:
            await self._words.remove(chunk_ids)
        except LexicalError as error:
            logger.warning("words will be forgotten later: %s", error)
            self._healer.look()
        try:
            await self._vectors.delete(Collection(business_id, self._embedder.name), chunk_ids)
        except VectorStoreError as error:
            logger.warning("%d vectors will be forgotten later: %s", len(chunk_ids), error)
            self._healer.look()

    async def _vector_leg(self, business_id: str, query: str, limit: int) -> "_Leg | None":
        if not self._healer.trusts_vectors:
            return None
        began = time.perf_counter()
        try:
            vector = (await self._embedder.embed([query]))[0]
            async with asyncio.timeout(self._options.vector_seconds):
                leg = await self._live_by_vector(business_id, vector, limit)
        except (VectorStoreError, EmbeddingError, TimeoutError) as error:
            logger.info("searching without vectors: %s", error)
            if isinstance(error, TimeoutError) or (isinstance(error, VectorStoreUnavailableError) and error.damaged):
                self._healer.doubt()
            return None
        self._metrics.search_seconds.labels("vector").observe(time.perf_counter() - began)
        return leg

    async def _live_by_vector(self, business_id: str, vector: Vectors, limit: int) -> "_Leg":
        collection = Collection(business_id, self._embedder.name)
        fetch = FIRST_FETCH
        while True:
            found = await self._vectors.query(collection, vector, fetch)
            live = await self._knowledge.read(live_among(business_id, [], [key for key, _ in found]))
            if len(live) >= limit or len(found) < fetch or fetch >= LAST_FETCH:
                break
            fetch *= 2
        if not found:
            # The business has live documents: an empty or missing collection is a loss.
            self._healer.look()
        chunks = {chunk.id: chunk for chunk in live}
        return _Leg(chunks, {key: similarity for key, similarity in found if key in chunks}, vector)

    async def _word_leg(self, business_id: str, query: str, limit: int) -> "_Leg | None":
        began = time.perf_counter()
        try:
            leg = await self._live_by_words(business_id, query, limit)
        except LexicalError as error:
            logger.info("searching without words: %s", error)
            self._healer.look()
            return None
        self._metrics.search_seconds.labels("lexical").observe(time.perf_counter() - began)
        return leg

    async def _live_by_words(self, business_id: str, query: str, limit: int) -> "_Leg":
        fetch = FIRST_FETCH
        while True:
            found = await self._words.search(business_id, query, fetch)
            live = await self._knowledge.read(live_among(business_id, [n for n, _ in found], []))
            if len(live) >= limit or len(found) < fetch or fetch >= LAST_FETCH:
                break
            fetch *= 2
        chunks = {chunk.n: chunk for chunk in live}
        scores = {chunks[n].id: score for n, score in found if n in chunks}
        return _Leg({chunk.id: chunk for chunk in live}, scores, None)

    async def _passages(self, by_vector: "_Leg | None", by_words: "_Leg | None", limit: int) -> list[Passage]:
        chunks = (by_vector.chunks if by_vector else {}) | (by_words.chunks if by_words else {})
        ranking = fused(by_vector.scores if by_vector else None, by_words.scores if by_words else None)[:limit]
        cosines = await self._cosines(by_vector, [key for key, _ in ranking])
        return [_passage(chunks[key], score, cosines.get(key)) for key, score in ranking]

    async def _cosines(self, by_vector: "_Leg | None", ids: Sequence[str]) -> dict[str, float]:
        """The similarity of each passage to the query, also of those that only the words found."""
        if by_vector is None or by_vector.query is None:
            return {}
        known = {key: by_vector.scores[key] for key in ids if key in by_vector.scores}
        unseen = [key for key in ids if key not in known]
        if not unseen:
            return known
        query = by_vector.query
        for key, stored in await self._knowledge.read(vectors_of(self._embedder.name, unseen)):
            vector = np.frombuffer(stored, dtype="<f4")
            if vector.shape == query.shape:
                known[key] = float(vector @ query)
        return known


@dataclass(frozen=True, slots=True)
class _Leg:
    """The live candidates of one leg by chunk id, and the query's vector where there is one."""

    chunks: dict[str, LiveChunk]
    scores: dict[str, float]
    query: Vectors | None


def _passage(chunk: LiveChunk, score: float, cosine: float | None) -> Passage:
    return Passage(
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        filename=chunk.filename,
        text=chunk.text[:TEXT_CHARACTERS],
        score=min(1.0, score),
        page=chunk.page,
        heading=chunk.heading,
        cosine=cosine,
    )

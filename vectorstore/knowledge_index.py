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

from database.chunks import LiveChunk, has_live, live_among, live_chunks
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


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Scores by chunk id, live chunks only; None for a leg that did not answer."""

    by_vector: dict[str, float] | None
    by_words: dict[str, float] | None

    def enough(self, limit: int, *, vectors_ended: bool, words_ended: bool) -> bool:
        """Whether each leg has enough live hits, or no more to give."""
        enough_vectors = self.by_vector is None or vectors_ended or len(self.by_vector) >= limit
        return enough_vectors and (self.by_words is None or words_ended or len(self.by_words) >= limit)


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
        self._vector_seconds = metrics.search_seconds.labels("vector")
        self._word_seconds = metrics.search_seconds.labels("lexical")

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
        if limit < 1 or not query.strip():
            return []
        vector = await self._vector_of(query)
        candidates = await self._candidates(business_id, query, vector, limit)
        ranking = fused(candidates.by_vector, candidates.by_words)[:limit]
        ids = [key for key, _ in ranking]
        # Read, and checked, once more: what was deleted a moment ago is not shown.
        read = await self._knowledge.read(live_chunks(business_id, ids, self._embedder.name))
        chunks = {chunk.id: chunk for chunk in read}
        return [_passage(chunks[key], score, vector) for key, score in ranking if key in chunks]

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

    async def _vector_of(self, query: str) -> Vectors | None:
        """The query's embedding, or None where the vector leg is not to be asked."""
        if not self._healer.trusts_vectors:
            return None
        try:
            vectors = await self._embedder.embed([query])
        except EmbeddingError as error:
            logger.info("searching without vectors: %s", error)
            return None
        row: Vectors = vectors[0]
        return row

    async def _candidates(self, business_id: str, query: str, vector: Vectors | None, limit: int) -> _Candidates:
        """What is live among the best of each leg: more and more of them, until that is enough or all there is."""
        fetch = FIRST_FETCH
        while True:
            by_vector, by_words = await asyncio.gather(
                self._vector_leg(business_id, vector, fetch), self._word_leg(business_id, query, fetch)
            )
            numbers, ids = [n for n, _ in by_words or []], [key for key, _ in by_vector or []]
            live = await self._knowledge.read(live_among(business_id, numbers, ids))
            found = _live(by_vector, by_words, live)
            if fetch >= LAST_FETCH or found.enough(
                limit, vectors_ended=len(ids) < fetch, words_ended=len(numbers) < fetch
            ):
                break
            fetch *= 2
        legs = [name for name, leg in (("vector", by_vector), ("lexical", by_words)) if leg is not None]
        self._metrics.searches.labels("+".join(legs) or "none").inc()
        if by_vector == [] and await self._knowledge.read(has_live(business_id)):
            # There are live documents: an empty or missing collection is a loss.
            self._healer.look()
        return found

    async def _vector_leg(self, business_id: str, vector: Vectors | None, fetch: int) -> list[tuple[str, float]] | None:
        if vector is None:
            return None
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._options.vector_seconds):
                found = await self._vectors.query(Collection(business_id, self._embedder.name), vector, fetch)
        except (VectorStoreError, TimeoutError) as error:
            logger.info("searching without vectors: %s", error)
            if isinstance(error, TimeoutError) or (isinstance(error, VectorStoreUnavailableError) and error.damaged):
                self._healer.doubt()
            return None
        self._vector_seconds.observe(time.perf_counter() - began)
        return found

    async def _word_leg(self, business_id: str, query: str, fetch: int) -> list[tuple[int, float]] | None:
        began = time.perf_counter()
        try:
            found = await self._words.search(business_id, query, fetch)
        except LexicalError as error:
            logger.info("searching without words: %s", error)
            self._healer.look()
            return None
        self._word_seconds.observe(time.perf_counter() - began)
        return found


def _live(
    by_vector: list[tuple[str, float]] | None, by_words: list[tuple[int, float]] | None, live: dict[int, str]
) -> _Candidates:
    ids = set(live.values())
    return _Candidates(
        None if by_vector is None else {key: similarity for key, similarity in by_vector if key in ids},
        None if by_words is None else {live[n]: score for n, score in by_words if n in live},
    )


def _passage(chunk: LiveChunk, score: float, query: Vectors | None) -> Passage:
    return Passage(
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        filename=chunk.filename,
        text=chunk.text[:TEXT_CHARACTERS],
        score=min(1.0, score),
        page=chunk.page,
        heading=chunk.heading,
        cosine=_cosine(chunk.vector, query),
    )


def _cosine(stored: bytes | None, query: Vectors | None) -> float | None:
    if stored is None or query is None:
        return None
    vector = np.frombuffer(stored, dtype="<f4")
    return float(vector @ query) if vector.shape == query.shape else None

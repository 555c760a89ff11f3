"""What a business knows: hybrid search over words and vectors, kept true to knowledge.db by a healer.

knowledge.db decides what is live; both indexes are derived, may lag, and are repaired from it without embedding again.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from database.clock import Clock
from database.documents import knowledge_version
from database.engine import Database
from database.knowledge_settings import knowledge_settings
from database.lexical import LexicalError, LexicalIndex
from database.live_chunks import EVERYWHERE, SearchScope, has_live_vectors
from database.metrics import Metrics
from database.records import Chunk, Passage
from vectorstore.candidate_search import FIRST_FETCH, CandidateSearch, Question
from vectorstore.chroma_manager import ChromaManager, Collection, VectorStoreError
from vectorstore.embedders import Embedder
from vectorstore.found_passages import FoundPassages
from vectorstore.frames import Vectors
from vectorstore.index_healer import IndexHealer
from vectorstore.reranker import Breaker, Reranker
from vectorstore.score_fusion import VectorWeight, vector_weight
from vectorstore.search_legs import Found, QueryVector, SearchLegs

__all__ = ["IndexState", "KnowledgeIndex", "SearchOptions", "SearchScope"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IndexState:
    """Which legs answer now. `degraded` is None when both do and hold what they should, otherwise says why not."""

    vectors: bool
    words: bool
    degraded: str | None


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """`vector_seconds` is how long a search waits for its embedding and the store before the words answer alone.

    `reranker` has the last word on the order, where there is one. `breaker` leaves a silent embedder alone.
    """

    vector_seconds: float = 1.0
    reranker: Reranker | None = None
    breaker: Breaker | None = None


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
        options = options or SearchOptions()
        self._legs = SearchLegs(words, vectors, embedder, healer, metrics, options.vector_seconds, options.breaker)
        self._candidates = CandidateSearch(knowledge, words, self._legs)
        self._passages = FoundPassages(knowledge, self._candidates, options.reranker)

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
        healing = IndexHealer.running(knowledge, words, vectors, embedder, clock=clock, dice=dice)
        async with healing as healer:
            yield cls(knowledge, words, vectors, embedder, healer, metrics, options)

    async def wait_healthy(self) -> None:
        """Return once both indexes hold what knowledge.db says."""
        await self._healer.wait_healthy()

    def state(self) -> IndexState:
        """For readiness."""
        return IndexState(self._vectors.ready, not self._words.damaged, self._healer.complaint())

    async def version(self, business_id: str) -> int:
        """How often what is live of the business has changed."""
        return await self._knowledge.read(knowledge_version(business_id))

    async def search(
        self, business_id: str, query: str, *, limit: int, scope: SearchScope | None = None
    ) -> list[Passage]:
        """The best passages of the business, best first; `[]` without documents or for an empty query.

        With one leg away the other answers; with both away that is `[]` too.
        """
        if limit < 1 or not query.strip():
            return []
        scope = scope or EVERYWHERE
        (vector, found), settings = await asyncio.gather(
            self._first(business_id, query, limit, scope), self._knowledge.read(knowledge_settings(business_id))
        )
        share = settings.vector_weight
        weight = vector_weight(self._embedder.name) if share is None else VectorWeight(share)
        question = Question(business_id, query, limit, scope, vector, weight)
        if found is None:
            found = await self._candidates.more(question, max(FIRST_FETCH, limit))
        self._count(found)
        if not question.scope.narrow and found.vectors == {}:  # of a narrow scope that says nothing of the collection
            await self._look_for_loss(business_id)
        return await self._passages.of(question, found)

    async def _first(
        self, business_id: str, query: str, limit: int, scope: SearchScope
    ) -> tuple[QueryVector | None, Found | None]:
        """The embedding of the question and candidates; none yet for a narrow scope, of which they would not be."""
        if scope.narrow:
            return await self._legs.vector_of(query), None
        return await self._candidates.first(business_id, query, limit)

    async def _look_for_loss(self, business_id: str) -> None:
        """An empty or missing collection is a loss when there is something that should be in it."""
        if await self._knowledge.read(has_live_vectors(business_id, self._embedder.name)):
            self._healer.look()

    async def add(self, chunks: Sequence[Chunk], vectors: Vectors, *, embedder: str | None = None) -> None:
        """Take chunks in, whose rows and embeddings are in knowledge.db; a leg that is away is repaired later.

        `embedder` names who made the vectors; None is who answers now.
        """
        embedder = embedder or self._embedder.name
        await asyncio.gather(self._add_words(chunks), self._add_vectors(chunks, vectors, embedder))

    async def _add_words(self, chunks: Sequence[Chunk]) -> None:
        try:
            await self._words.add([chunk.id for chunk in chunks])
        except LexicalError as error:
            logger.warning("words will be indexed later: %s", error)
            self._healer.look()

    async def _add_vectors(self, chunks: Sequence[Chunk], vectors: Vectors, embedder: str) -> None:
        try:
            for business_id in sorted({chunk.business_id for chunk in chunks}):
                rows = [row for row, chunk in enumerate(chunks) if chunk.business_id == business_id]
                ids = [chunks[row].id for row in rows]
                await self._vectors.add(Collection(business_id, embedder), ids, vectors[rows])
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

    def _count(self, found: Found) -> None:
        answered = [name for name, leg in (("vector", found.vectors), ("lexical", found.words)) if leg is not None]
        self._metrics.searches.labels("+".join(answered) or "none").inc()

    async def scrub(self) -> None:
        """Have the words that were forgotten gone from the file, too; what cannot be done now is done the next time."""
        try:
            await self._words.scrub()
        except LexicalError as error:
            logger.warning("forgotten words will be overwritten later: %s", error)

"""The two legs of a search, one after the other; the one that does not answer is left out, and the healer told."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from database.lexical import LexicalError, LexicalIndex, WordHits
from database.metrics import Metrics
from vectorstore.chroma_manager import ChromaManager, Collection, VectorStoreError, VectorStoreUnavailableError
from vectorstore.embedders import Embedder, EmbeddingError
from vectorstore.frames import Vectors
from vectorstore.index_healer import IndexHealer
from vectorstore.reranker import Breaker
from vectorstore.score_fusion import VectorWeight, fused

logger = logging.getLogger(__name__)

SILENCES = 3
# So many times as many candidates are read by words as by vectors: they are proposed roughly and scored exactly.
WORDS_FETCH = 2


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A question's embedding, and who made it. `seconds` are left for each look into the store."""

    embedder: str
    vector: Vectors
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """The candidates of each leg by chunk id, at most `fetch` of its own; None for a leg that did not answer.

    `words` also scores what only the vectors found. `vectors_given` and `words_given` are how many each leg gave.
    `wording` says of those that were read how much of the question's wording they have, 0..1.
    """

    fetch: int
    vectors: Mapping[str, float] | None
    words: Mapping[str, float] | None
    vectors_given: int
    words_given: int
    wording: Mapping[str, float] = field(default_factory=dict)

    def ids(self) -> list[str]:
        """All candidates, each once."""
        return list({**(self.vectors or {}), **(self.words or {})})

    def ranking(self, weight: VectorWeight) -> list[tuple[str, float]]:
        """All of both, fused, best first."""
        return fused(self.vectors, self.words, weight, self.wording)

    def only(self, live: set[str]) -> "Found":
        """What is live of them."""
        vectors = None if self.vectors is None else {key: s for key, s in self.vectors.items() if key in live}
        words = None if self.words is None else {key: s for key, s in self.words.items() if key in live}
        return replace(self, vectors=vectors, words=words)

    @property
    def gives_more(self) -> bool:
        """Whether a leg gave all that it was asked for: there may be more."""
        return max(self.vectors_given, self.words_given) >= self.fetch

    def enough(self, limit: int) -> bool:
        """Whether each leg has enough hits, or no more to give: then it gave fewer than were asked for."""
        legs = ((self.vectors, self.vectors_given), (self.words, self.words_given))
        return all(leg is None or len(leg) >= limit or given < self.fetch for leg, given in legs)


class SearchLegs:
    """Asks both legs. `vector_seconds` is how long the vectors may take before the words answer alone.

    `breaker` is the embedder's: one that is silent again and again is not waited for.
    """

    def __init__(
        self,
        words: LexicalIndex,
        vectors: ChromaManager,
        embedder: Embedder,
        healer: IndexHealer,
        metrics: Metrics,
        vector_seconds: float,
        breaker: Breaker | None = None,
    ) -> None:
        self._words = words
        self._vectors = vectors
        self._embedder = embedder
        self._healer = healer
        self._seconds = vector_seconds
        self._breaker = breaker
        self._heard_at = 0.0
        self._silences = 0
        self._vector_time = metrics.search_seconds.labels("vector")
        self._word_time = metrics.search_seconds.labels("lexical")

    async def vector_of(self, query: str) -> QueryVector | None:
        """The query's embedding, or None where the embedder does not answer in time."""
        embedder, began = self._embedder.name, time.perf_counter()
        vectors = await self._embedded(query)
        # Another embedder took over meanwhile: whose vector this is cannot be told.
        if vectors is None or self._embedder.name != embedder:
            return None
        return QueryVector(embedder, vectors[0], max(self._seconds - (time.perf_counter() - began), 0.0))

    async def _embedded(self, query: str) -> Vectors | None:
        permit = None
        if self._breaker is not None and (permit := self._breaker.admit()) is None:
            return None
        settle = permit.withdrawn if permit else None
        try:
            async with asyncio.timeout(self._seconds):
                vectors = await self._embedder.embed([query])
            settle = permit.succeeded if permit else None
        except TimeoutError:
            logger.info("searching without vectors: no embedding in %g s", self._seconds)
            settle = permit.failed if permit else None
        except EmbeddingError as error:
            logger.info("searching without vectors: %s", error)
        else:
            return vectors
        finally:
            if settle is not None:
                settle()
        return None

    async def first(self, business_id: str, query: str, fetch: int) -> tuple[QueryVector | None, Found]:
        """The question's embedding, and what `ask` gives with it."""
        vector = await self.vector_of(query)
        return vector, await self.ask(business_id, query, vector, fetch)

    async def ask(self, business_id: str, query: str, vector: QueryVector | None, fetch: int) -> Found:
        """The best `fetch` candidates of each leg, with the words' score of all of them."""
        cosines = await self._by_vector(business_id, vector, fetch)
        said = await self._by_words(business_id, query, fetch, list(cosines or ()))
        given = len(cosines or ())
        if said is None:
            return Found(fetch, cosines, None, given, 0)
        return Found(fetch, cosines, said.scores, given, said.proposed // WORDS_FETCH)

    async def _by_vector(self, business_id: str, asked: QueryVector | None, fetch: int) -> dict[str, float] | None:
        if asked is None or not self._healer.trusts_vectors:
            return None
        began = time.perf_counter()
        try:
            async with asyncio.timeout(asked.seconds):
                found = await self._vectors.query(Collection(business_id, asked.embedder), asked.vector, fetch)
        except TimeoutError:
            logger.info("searching without vectors: no answer in %.2g s", asked.seconds)
            if asked.seconds > self._seconds / 2:  # otherwise the embedder was slow, not the store
                self._count_silence(began)
            return None
        except VectorStoreError as error:
            logger.info("searching without vectors: %s", error)
            if isinstance(error, VectorStoreUnavailableError) and error.damaged:
                self._healer.doubt()
            return None
        self._heard_at, self._silences = time.perf_counter(), 0
        self._vector_time.observe(self._heard_at - began)
        return dict(found)

    def _count_silence(self, began: float) -> None:
        """A burst that waits in vain counts once, and not at all when others were answered meanwhile: it is busy."""
        if began < self._heard_at:
            return
        self._heard_at = time.perf_counter()
        self._silences += 1
        if self._silences >= SILENCES:
            self._silences = 0
            self._healer.doubt()

    async def _by_words(self, business_id: str, query: str, fetch: int, also: list[str]) -> WordHits | None:
        began = time.perf_counter()
        try:
            found = await self._words.hits(business_id, query, WORDS_FETCH * fetch, also)
        except LexicalError as error:
            logger.info("searching without words: %s", error)
            self._healer.look()
            return None
        self._word_time.observe(time.perf_counter() - began)
        return found

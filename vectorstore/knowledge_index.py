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

from database.chunks import LiveChunk, has_live_vectors, live_among, live_chunks
from database.clock import Clock
from database.documents import knowledge_version
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
SILENCES = 3


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
class _Question:
    """What is asked; `vector` is None where the vector leg is not."""

    business_id: str
    text: str
    vector: Vectors | None
    limit: int


@dataclass(frozen=True, slots=True)
class _Legs:
    """The best `fetch` candidates of each leg by chunk id; None for a leg that did not answer."""

    fetch: int
    vectors: dict[str, float] | None
    words: dict[str, float] | None

    def ids(self) -> list[str]:
        """All candidates, each once."""
        return list((self.vectors or {}) | (self.words or {}))

    def ranking(self, limit: int) -> list[tuple[str, float]]:
        """The best of both, fused."""
        return fused(self.vectors, self.words)[:limit]

    def only(self, live: set[str]) -> "_Legs":
        """What is live of them."""
        vectors = None if self.vectors is None else {key: s for key, s in self.vectors.items() if key in live}
        words = None if self.words is None else {key: s for key, s in self.words.items() if key in live}
        return _Legs(self.fetch, vectors, words)

    def enough(self, asked: "_Legs", limit: int) -> bool:
        """Whether each leg has enough live hits, or no more to give: then it gave fewer than were asked for."""
        pairs = ((self.vectors, asked.vectors), (self.words, asked.words))
        return all(live is None or len(live) >= limit or len(given or {}) < asked.fetch for live, given in pairs)


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
        self._heard_at = 0.0
        self._silences = 0
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

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        """The best passages of the business, best first; `[]` without documents or for an empty query.

        With one leg away the other answers; with both away that is `[]` too.
        """
        if limit < 1 or not query.strip():
            return []
        question = _Question(business_id, query, await self._vector_of(query), limit)
        legs = await self._ask(question, max(FIRST_FETCH, limit))
        self._count(legs)
        ranking = legs.ranking(limit)
        chunks = await self._read(question, ranking)
        if len(chunks) < len(ranking):
            ranking = await self._dig(question, legs)
            chunks = await self._read(question, ranking)
        if legs.vectors == {} and await self._knowledge.read(has_live_vectors(business_id, self._embedder.name)):
            # They should be in the collection: an empty or missing one is a loss.
            self._healer.look()
        return [_passage(chunks[key], score, question.vector) for key, score in ranking if key in chunks]

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

    async def _ask(self, question: "_Question", fetch: int) -> "_Legs":
        by_vector, by_words = await asyncio.gather(self._vector_leg(question, fetch), self._word_leg(question, fetch))
        return _Legs(fetch, by_vector, by_words)

    async def _read(self, question: "_Question", ranking: list[tuple[str, float]]) -> dict[str, LiveChunk]:
        """The chunks to show. What is not live is not among them: knowledge.db decides, at this moment."""
        ids = [key for key, _ in ranking]
        read = await self._knowledge.read(live_chunks(question.business_id, ids, self._embedder.name))
        return {chunk.id: chunk for chunk in read}

    async def _dig(self, question: "_Question", legs: "_Legs") -> list[tuple[str, float]]:
        """The ranking of what is live: of more and more candidates, until that is enough or all there is."""
        while True:
            live = await self._knowledge.read(live_among(question.business_id, legs.ids()))
            found = legs.only(live)
            if legs.fetch >= LAST_FETCH or found.enough(legs, question.limit):
                return found.ranking(question.limit)
            legs = await self._ask(question, legs.fetch * 2)

    def _count(self, legs: "_Legs") -> None:
        answered = [name for name, leg in (("vector", legs.vectors), ("lexical", legs.words)) if leg is not None]
        self._metrics.searches.labels("+".join(answered) or "none").inc()

    async def _vector_leg(self, question: "_Question", fetch: int) -> dict[str, float] | None:
        if question.vector is None:
            return None
        began = time.perf_counter()
        collection = Collection(question.business_id, self._embedder.name)
        try:
            async with asyncio.timeout(self._options.vector_seconds):
                found = await self._vectors.query(collection, question.vector, fetch)
        except TimeoutError:
            logger.info("searching without vectors: no answer in %g s", self._options.vector_seconds)
            self._count_silence(began)
            return None
        except VectorStoreError as error:
            logger.info("searching without vectors: %s", error)
            if isinstance(error, VectorStoreUnavailableError) and error.damaged:
                self._healer.doubt()
            return None
        self._heard_at, self._silences = time.perf_counter(), 0
        self._vector_seconds.observe(self._heard_at - began)
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

    async def _word_leg(self, question: "_Question", fetch: int) -> dict[str, float] | None:
        began = time.perf_counter()
        try:
            found = await self._words.search(question.business_id, question.text, fetch)
        except LexicalError as error:
            logger.info("searching without words: %s", error)
            self._healer.look()
            return None
        self._word_seconds.observe(time.perf_counter() - began)
        return dict(found)


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
        title=_title(chunk),
    )


def _title(chunk: LiveChunk) -> str | None:
    """The heading over the whole document: the first chunk stands under it, and so does this one."""
    first, own = (path.split(" > ")[0] if path else None for path in (chunk.first_heading, chunk.heading))
    return own if own == first else None


def _cosine(stored: bytes | None, query: Vectors | None) -> float | None:
    if stored is None or query is None:
        return None
    vector = np.frombuffer(stored, dtype="<f4")
    return float(vector @ query) if vector.shape == query.shape else None

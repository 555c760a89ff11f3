"""Finds the chunks that may answer a question: in the indexes, or one by one where the scope is small."""

import heapq
import logging
from dataclasses import dataclass

import numpy as np

from database.engine import Database
from database.lexical import LexicalError, LexicalIndex
from database.live_chunks import ScopedChunk, SearchScope, chunks_in_scope, live_among, scoped_after
from database.word_scores import AskedWords
from vectorstore.score_fusion import VectorWeight
from vectorstore.search_legs import Found, QueryVector, SearchLegs

logger = logging.getLogger(__name__)

FIRST_FETCH = 50
LAST_FETCH = 3_200
# Up to here every chunk of a scope is compared: quicker than to ask the indexes for more and more of everything.
SMALL_SCOPE = 5_000
# The same of a whole business whose indexes gave what is not live: most of them is a large upload that is under way.
FEW_LIVE = 500
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and where; `vector` is None where the vector leg is not."""

    business_id: str
    text: str
    limit: int
    scope: SearchScope
    vector: QueryVector | None
    weight: VectorWeight


class CandidateSearch:
    """Candidates of both legs for a question."""

    def __init__(self, knowledge: Database, words: LexicalIndex, legs: SearchLegs) -> None:
        self._knowledge = knowledge
        self._words = words
        self._legs = legs

    async def first(self, business_id: str, text: str, limit: int) -> tuple[QueryVector | None, Found]:
        """The question's embedding, and candidates from the indexes: what is live is not looked at yet."""
        return await self._legs.first(business_id, text, max(FIRST_FETCH, limit))

    async def more(self, question: Question, fetch: int, asked: Found | None = None) -> Found:
        """The best `fetch` of each leg or more, only of what is live and in the scope; `asked` was given already."""
        few = SMALL_SCOPE if question.scope.narrow else FEW_LIVE
        size = await self._knowledge.read(chunks_in_scope(question.business_id, question.scope, few + 1))
        if size <= few:
            return await self._every(question, fetch)
        return await self._dig(question, asked or await self._ask(question, max(fetch, question.limit)))

    async def _dig(self, question: Question, asked: Found) -> Found:
        """What is live and in the scope: of these candidates and more, until that is enough or all there is."""
        while True:
            live = await self._knowledge.read(live_among(question.business_id, asked.ids(), question.scope))
            found = asked.only(live)
            if asked.fetch >= LAST_FETCH or found.enough(question.limit):
                return found
            asked = await self._ask(question, 2 * asked.fetch)

    async def _ask(self, question: Question, fetch: int) -> Found:
        return await self._legs.ask(question.business_id, question.text, question.vector, fetch)

    async def _every(self, question: Question, best: int) -> Found:
        """Each chunk of the scope, compared by its stored embedding and its words; page by page, others go between."""
        asked = await self._weighed(question)
        cosines: dict[str, float] = {}
        words: dict[str, float] = {}
        after, embedder = 0, question.vector.embedder if question.vector else ""
        while page := await self._knowledge.read(
            scoped_after(question.business_id, question.scope, embedder, after, _PAGE)
        ):
            cosines |= _cosines(page, question.vector)
            if asked is not None:
                words |= await self._scores(asked, page)
            after = page[-1].n
        near = _best(cosines, best)
        said = _best({key: score for key, score in words.items() if score > 0}, best)
        kept = near.keys() | said.keys()
        return Found(
            best,
            {key: cosines[key] for key in kept if key in cosines} if question.vector else None,
            {key: words.get(key, 0.0) for key in kept} if asked else None,
            len(near),
            len(said),
        )

    async def _weighed(self, question: Question) -> AskedWords | None:
        try:
            return await self._words.weigh(question.business_id, question.text)
        except LexicalError as error:
            logger.info("searching without words: %s", error)
            return None

    async def _scores(self, asked: AskedWords, page: list[ScopedChunk]) -> dict[str, float]:
        try:
            return await self._words.scores_of(asked, [chunk.id for chunk in page])
        except LexicalError as error:
            logger.info("searching without words: %s", error)
            return {}


def _cosines(page: list[ScopedChunk], asked: QueryVector | None) -> dict[str, float]:
    if asked is None:
        return {}
    length = 4 * len(asked.vector)
    fitting = [(chunk.id, chunk.vector) for chunk in page if chunk.vector is not None and len(chunk.vector) == length]
    if not fitting:
        return {}
    matrix = np.frombuffer(b"".join(vector for _, vector in fitting), "<f4").reshape(len(fitting), -1)
    similarities: list[float] = (matrix @ asked.vector).tolist()
    return dict(zip((key for key, _ in fitting), similarities, strict=True))


def _best(scores: dict[str, float], most: int) -> dict[str, float]:
    return dict(heapq.nsmallest(most, scores.items(), key=lambda item: (-item[1], item[0])))

"""Turns candidates into passages: what is live now, exactly compared, without near-copies of each other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from database.chunks import embedded_text
from database.engine import Database
from database.live_chunks import LiveChunk, live_chunks
from database.records import Passage
from vectorstore.candidate_search import FIRST_FETCH, LAST_FETCH, CandidateSearch, Question
from vectorstore.frames import Vectors
from vectorstore.joined_texts import TEXT_CHARACTERS, joined_text
from vectorstore.near_copies import without_copies
from vectorstore.reranker import Reranker
from vectorstore.search_legs import Found, QueryVector
from vectorstore.shared_ngrams import shared_ngrams

# So many that may come first are read with their neighbours; only the one that does is filled up with them.
_JOINED = 3
# Read beyond what is asked for: some turn out to be better than they seemed, some to be copies.
_SPARE = 12


class Ranked(NamedTuple):
    """A chunk, its score, and how near it is to the question; None where that is not known."""

    chunk: LiveChunk
    score: float
    cosine: float | None


class FoundPassages:
    """knowledge.db decides what is live, at the moment of reading."""

    def __init__(self, knowledge: Database, candidates: CandidateSearch, reranker: Reranker | None) -> None:
        self._knowledge = knowledge
        self._candidates = candidates
        self._reranker = reranker

    async def of(self, question: Question, found: Found) -> list[Passage]:
        """The best passages, best first. Where some candidates are not live, or copies, it asks for more."""
        distinct = await self._read(question, found, everything_is_live=False)
        if distinct is None:
            found = await self._candidates.more(question, FIRST_FETCH, found)
            distinct = await self._read(question, found, everything_is_live=True)
        while len(distinct or ()) < question.limit and found.gives_more and found.fetch < LAST_FETCH:
            found = await self._candidates.more(question, 2 * found.fetch)
            distinct = await self._read(question, found, everything_is_live=True)
        best = await self._reranked(question, distinct or [])
        passages = [passage_of(*each) for each in best[: question.limit]]
        return [replace(first, text=joined_text(best[0].chunk)) for first in passages[:1]] + passages[1:]

    async def _read(self, question: Question, found: Found, *, everything_is_live: bool) -> list[Ranked] | None:
        """The best that differ; None as soon as one is not live, unless that was looked at a moment ago."""
        ranking = [key for key, _ in found.ranking(question.weight)]
        read: dict[str, LiveChunk] = {}
        distinct: list[Ranked] = []
        cosines, wording = dict(found.vectors or {}), dict[str, float]()
        wanted = question.limit + (_SPARE if self._reranker else 0)
        while len(distinct) < question.limit and len(read) < len(ranking):
            # twice as many each time: of many copies none is compared again and again
            ids = ranking[len(read) : 2 * len(read) + question.limit + _SPARE]
            chunks = await self._live(question, ids, 0 if read else _JOINED)
            if len(chunks) < len(ids) and not everything_is_live:
                return None
            read |= {chunk.id: chunk for chunk in chunks}
            gone = set(ids) - read.keys()
            ranking = [key for key in ranking if key not in gone]
            cosines |= _cosines(chunks, question.vector)
            wording |= _wording(chunks, question.text)
            found = replace(found, vectors=None if found.vectors is None else cosines, wording=wording)
            distinct = list(islice(_distinct(read, found.ranking(question.weight), cosines), wanted))
        return distinct

    async def _reranked(self, question: Question, chunks: list[Ranked]) -> list[Ranked]:
        """In the reranker's order, where it has one. The scores stay: they tell how far words and meaning agreed."""
        if self._reranker is None:
            return chunks
        texts = [embedded_text(each.chunk.heading, each.chunk.text) for each in chunks]
        places = await self._reranker.order(question.text, texts)
        if places is None:
            return chunks
        return [chunks[place]._replace(score=each.score) for place, each in zip(places, chunks, strict=True)]

    async def _live(self, question: Question, ids: list[str], joined: int) -> list[LiveChunk]:
        embedder = question.vector.embedder if question.vector else ""
        return await self._knowledge.read(
            live_chunks(question.business_id, ids, embedder, question.scope, joined=joined)
        )


def _cosines(chunks: Iterable[LiveChunk], asked: QueryVector | None) -> dict[str, float]:
    """The exact similarities, also of those that only the words found."""
    if asked is None:
        return {}
    exact = ((chunk.id, cosine_of(chunk.vector, asked.vector)) for chunk in chunks)
    return {key: cosine for key, cosine in exact if cosine is not None}


def _wording(chunks: Sequence[LiveChunk], asked: str) -> dict[str, float]:
    shares = shared_ngrams(asked, [embedded_text(chunk.heading, chunk.text) for chunk in chunks])
    return dict(zip((chunk.id for chunk in chunks), shares, strict=True))


def _distinct(
    read: dict[str, LiveChunk], ranking: list[tuple[str, float]], cosines: dict[str, float]
) -> Iterator[Ranked]:
    scores = {key: score for key, score in ranking if key in read}
    copies = without_copies(read[key] for key in scores)
    return (Ranked(chunk, scores[chunk.id], cosines.get(chunk.id)) for chunk in copies)


def passage_of(chunk: LiveChunk, score: float, cosine: float | None) -> Passage:
    """A chunk as it is shown."""
    return Passage(
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        filename=chunk.filename,
        text=chunk.text[:TEXT_CHARACTERS],
        score=min(1.0, score),
        page=chunk.page,
        heading=chunk.heading,
        cosine=cosine,
        title=_title(chunk),
    )


def _title(chunk: LiveChunk) -> str | None:
    """The heading over the whole document: the first chunk stands under it, and so does this one."""
    first, own = (path.split(" > ")[0] if path else None for path in (chunk.first_heading, chunk.heading))
    return own if own == first else None


def cosine_of(stored: bytes | None, query: Vectors) -> float | None:
    """Of an embedding as it is stored; None where there is none, or one of another embedder."""
    if stored is None:
        return None
    vector = np.frombuffer(stored, dtype="<f4")
    return float(vector @ query) if vector.shape == query.shape else None

"""Passages as candidates for an answer: their sentences, and what of them is compared with a question."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from agents.sentence_cutter import Sentence, sentences
from agents.words import stem, words
from database.records import Passage

# The same passages answer many questions, so what was cut is kept: about 10 kB a passage.
_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Cut:
    """A sentence with what is compared of it. `lead` are the stems of the line that announces it."""

    sentence: Sentence
    stems: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    lead: frozenset[str]
    heading: frozenset[str]
    before: frozenset[str]
    after: frozenset[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """`score` is of the passage that the sentence itself belongs to: another may show it as a neighbour's."""

    rank: int
    place: int
    passage: Passage
    cut: Cut
    score: float


@lru_cache(maxsize=_KEPT)
def _cuts(text: str, heading: str) -> tuple[Cut, ...]:
    """A passage's sentences without those that only lead."""
    cut = sentences(text)
    stems = [[stem(word) for word in words(sentence.text)] for sentence in cut]
    above = frozenset(stem(word) for word in words(heading))
    lead: frozenset[str] = frozenset()
    found: list[Cut] = []
    for place, sentence in enumerate(cut):
        own = stems[place]
        if sentence.leads:
            lead = frozenset(own)
            continue
        # A heading counts as lead, and what stands on its other side is another matter.
        before = frozenset(stems[place - 1]) if place and not cut[place - 1].leads else frozenset()
        after = frozenset(stems[place + 1]) if place + 1 < len(cut) and not cut[place + 1].leads else frozenset()
        pairs = frozenset(pairwise(own))
        found.append(Cut(sentence, frozenset(own), pairs, lead, above, before, after))
    return tuple(found)


@lru_cache(maxsize=_KEPT)
def stems_of(text: str, heading: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words(f"{heading}\n{text}"))


def candidates_of(passages: Sequence[Passage]) -> list[Candidate]:
    """The sentences, each once, where they stand first.

    A search fills the best passage up with its neighbours' sentences. They deserve its score only where they were not
    found by themselves, with less.
    """
    found: dict[str, Candidate] = {}
    for rank, passage in enumerate(passages):
        for place, cut in enumerate(_cuts(passage.text, passage.heading or "")):
            first = found.setdefault(cut.sentence.text, Candidate(rank, place, passage, cut, passage.score))
            if first.passage.document_id == passage.document_id and passage.score < first.score:
                found[cut.sentence.text] = replace(first, score=passage.score)
    return list(found.values())

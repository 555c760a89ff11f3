"""Answers without a model: the sentences of the passages that most likely hold the answer, copied, never made up."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from agents.sentence_cutter import Sentence, sentences
from agents.sentence_shortener import shortened
from agents.words import is_unspaced, stem, words
from database.records import Passage

# How much each sign speaks for a sentence. Found by a listwise softmax (the answer's sentence against all sentences of
# eight passages) on XQuAD in ten languages, and checked on SQuAD articles (tests/bench/answers.py): more signs (answer
# type, length, position, exact forms) did not help there. The weight of a lead has no data behind it: a matching
# heading counts nearly as much as a match in the sentence itself.
_OWN, _LEAD, _BEFORE, _AFTER, _PAIRS, _SCORE = 11.6, 9.0, 4.5, 3.4, 3.0, 6.8
# Whether the passages answer at all: logistic regression on XQuAD in five languages with half of the articles left out;
# checked on SQuAD articles, one half asking the other: keeps 98 % of the answerable questions and refuses 88 % of the
# foreign ones. Character pairs also form across words, so fewer of them meet; Thai has few letters: more meet.
_BEST_SENTENCE, _BEST_PASSAGE, _BEST_PAIRS = 6.0, 9.0, 10.0
# The cosine adds to that where it means something: with WordLlama only in English (in the other languages of XQuAD the
# cosines of foreign questions are as high as those of answerable ones). 98.9 % kept and 93 % refused, then.
_BEST_COSINE, _MIDDLE_COSINE = 10.0, 0.3
_ENOUGH_WORDS, _ENOUGH_HAN_PAIRS, _ENOUGH_THAI_PAIRS = 6.2, 4.3, 12.3
_THAI_LIKE = "\u0e00", "\u1fff"

_MOST_SENTENCES = 4
_MOST_CONSIDERED = 12
_LEAST_CHANCE = 0.01
_GAP = " … "
_LEAST_BUDGET = 40


@dataclass(frozen=True, slots=True)
class Extract:
    """Copied sentences as Markdown, the passages they come from, and whether they look like an answer.

    Where `answers` is False, the passages probably speak of something else.
    """

    text: str
    sources: tuple[Passage, ...]
    answers: bool


@dataclass(frozen=True, slots=True)
class _Cut:
    """A sentence with what is compared of it. `lead` are the stems of the headings and the question above it."""

    sentence: Sentence
    stems: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    lead: frozenset[str]
    before: frozenset[str]
    after: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Candidate:
    rank: int
    place: int
    passage: Passage
    cut: _Cut


@dataclass(frozen=True, slots=True)
class _Question:
    stems: tuple[str, ...]
    pairs: frozenset[tuple[str, str]]


def extract(
    question: str,
    passages: Sequence[Passage],
    *,
    budget: int,
    naming: Callable[[Sequence[Passage]], int],
    stop_words: Collection[str],
    trust_cosine: bool = False,
) -> Extract | None:
    """The best sentences in at most `budget` characters; None when there is nothing to copy.

    `naming` says how many of these characters it takes to name passages as sources: a second file has its price.
    `trust_cosine` lets the embeddings say whether the passages speak of the question at all.
    """
    asked = _asked(question, stop_words)
    candidates = _candidates(passages)
    if not candidates or not asked.stems:
        return None
    weights = _weights(asked, candidates)
    speaking = [each for each in candidates if _coverage(weights, _context(each.cut)) > 0] or candidates
    chances = _softmax([_score(asked, weights, candidate) for candidate in speaking])
    fitting = _Fitting(speaking, chances, budget, naming)
    chosen = [speaking[index] for index in sorted(fitting.best())]
    sources = _distinct(candidate.passage for candidate in chosen)
    return Extract(
        _written(chosen, asked, max(_LEAST_BUDGET, budget - naming(sources))),
        sources,
        _spoken_of(asked, weights, candidates, passages) + _likeness(passages, trust_cosine) >= _enough(question),
    )


def _asked(question: str, stop_words: Collection[str]) -> _Question:
    every = words(question)
    content = [stem(word) for word in every if word not in stop_words] or [stem(word) for word in every]
    return _Question(tuple(dict.fromkeys(content)), frozenset(pairwise(content)))


@lru_cache(maxsize=1024)
def _cuts(text: str, heading: str) -> tuple[_Cut, ...]:
    """A passage's sentences without those that only lead; the same passages answer many questions, so they are kept."""
    cut = sentences(text)
    stems = [[stem(word) for word in words(sentence.text)] for sentence in cut]
    above = frozenset(stem(word) for word in words(heading))
    lead, found = above, []
    for place, sentence in enumerate(cut):
        own = stems[place]
        if sentence.leads:
            lead = above | frozenset(own)
            continue
        # A heading counts as lead, and what stands on its other side is another matter.
        before = frozenset(stems[place - 1]) if place and not cut[place - 1].leads else frozenset()
        after = frozenset(stems[place + 1]) if place + 1 < len(cut) and not cut[place + 1].leads else frozenset()
        pairs = frozenset(pairwise(own))
        found.append(_Cut(sentence, frozenset(own), pairs, lead, before, after))
    return tuple(found)


@lru_cache(maxsize=1024)
def _stems(text: str, heading: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words(f"{heading}\n{text}"))


def _candidates(passages: Sequence[Passage]) -> list[_Candidate]:
    found: list[_Candidate] = []
    seen: set[str] = set()  # chunks may overlap
    for rank, passage in enumerate(passages):
        for place, cut in enumerate(_cuts(passage.text, passage.heading or "")):
            if cut.sentence.text not in seen:
                seen.add(cut.sentence.text)
                found.append(_Candidate(rank, place, passage, cut))
    return found


def _weights(asked: _Question, candidates: Sequence[_Candidate]) -> dict[str, float]:
    """How much each word of the question tells, by how few of the sentences have it; they add up to 1."""
    every = len(candidates)
    having = {word: sum(word in candidate.cut.stems for candidate in candidates) for word in asked.stems}
    weights = {word: math.log(1 + (every - count + 0.5) / (count + 0.5)) for word, count in having.items()}
    total = sum(weights.values()) or 1.0
    return {word: weight / total for word, weight in weights.items()}


def _coverage(weights: dict[str, float], stems: frozenset[str]) -> float:
    return sum(weight for word, weight in weights.items() if word in stems)


def _context(cut: _Cut) -> frozenset[str]:
    return cut.stems | cut.lead | cut.before | cut.after


def _score(asked: _Question, weights: dict[str, float], candidate: _Candidate) -> float:
    """How likely a sentence is to hold the answer, as a logarithm."""
    cut = candidate.cut
    own = _coverage(weights, cut.stems)
    return (
        _OWN * own
        + _LEAD * (_coverage(weights, cut.stems | cut.lead) - own)
        + _BEFORE * (_coverage(weights, cut.stems | cut.before) - own)
        + _AFTER * (_coverage(weights, cut.stems | cut.after) - own)
        + _PAIRS * len(asked.pairs & cut.pairs) / max(1, len(asked.pairs))
        + _SCORE * candidate.passage.score
    )


def _softmax(scores: Sequence[float]) -> list[float]:
    best = max(scores)
    powers = [math.exp(score - best) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


class _Fitting:
    """Finds the sentences that together hold the answer most likely and fit, with the names of their sources.

    A search through all choices of at most four of the best twelve, cut off where what is left cannot win any more.
    """

    def __init__(
        self,
        candidates: Sequence[_Candidate],
        chances: Sequence[float],
        budget: int,
        naming: Callable[[Sequence[Passage]], int],
    ) -> None:
        order = sorted(range(len(candidates)), key=chances.__getitem__, reverse=True)[:_MOST_CONSIDERED]
        self._order = [index for index in order if chances[index] >= _LEAST_CHANCE * chances[order[0]]]
        self._candidates = candidates
        self._chances = chances
        self._budget = budget
        self._naming = naming
        self._names: dict[tuple[str, ...], int] = {}
        # A sentence that is too long even alone is taken all the same, and shortened.
        self._best: tuple[int, ...] = (order[0],)
        self._value = chances[order[0]] if self._fits(self._best) else 0.0

    def best(self) -> tuple[int, ...]:
        """Places of the chosen candidates, in no order."""
        self._try((), 0, 0.0)
        return self._best

    def _try(self, chosen: tuple[int, ...], start: int, value: float) -> None:
        if value > self._value:
            self._best, self._value = chosen, value
        left = _MOST_SENTENCES - len(chosen)
        for place in range(start, len(self._order)):
            rest = self._order[place : place + left]
            if value + sum(self._chances[index] for index in rest) <= self._value:
                return
            longer = (*chosen, self._order[place])
            if self._fits(longer):
                self._try(longer, place + 1, value + self._chances[self._order[place]])

    def _fits(self, chosen: tuple[int, ...]) -> bool:
        said = sum(len(self._candidates[index].cut.sentence.text) + len(_GAP) for index in chosen)
        if said > self._budget:
            return False
        sources = _distinct(self._candidates[index].passage for index in sorted(chosen))
        key = tuple(passage.chunk_id for passage in sources)
        if key not in self._names:
            self._names[key] = self._naming(sources)
        return said + self._names[key] <= self._budget


def _distinct(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    return tuple({passage.chunk_id: passage for passage in passages}.values())


def _written(chosen: Sequence[_Candidate], asked: _Question, budget: int) -> str:
    """The sentences in the order of the passages: neighbours joined, gaps shown, another passage on its own lines."""
    text = ""
    last: _Candidate | None = None
    for candidate in chosen:
        text += _between(last, candidate) + candidate.cut.sentence.text
        last = candidate
    return text if len(text) <= budget else shortened(text, frozenset(asked.stems), budget)


def _between(last: _Candidate | None, following: _Candidate) -> str:
    if last is None:
        return ""
    if last.passage is not following.passage:
        return "\n\n"
    if last.cut.sentence.block != following.cut.sentence.block or following.cut.sentence.begins_line:
        return "\n"
    if following.place - last.place > 1:
        return _GAP
    return "" if is_unspaced(following.cut.sentence.text) else " "


def _spoken_of(
    asked: _Question, weights: dict[str, float], candidates: Sequence[_Candidate], passages: Sequence[Passage]
) -> float:
    """How much of the question the passages speak of: in one sentence, in one passage, and in its very order."""
    sentence = max(_coverage(weights, _context(candidate.cut)) for candidate in candidates)
    pairs = max(len(asked.pairs & candidate.cut.pairs) for candidate in candidates) / max(1, len(asked.pairs))
    passage = max(
        sum(word in stems for word in asked.stems)
        for stems in (_stems(each.text, each.heading or "") for each in passages)
    )
    return _BEST_SENTENCE * sentence + _BEST_PASSAGE * passage / len(asked.stems) + _BEST_PAIRS * pairs


def _likeness(passages: Sequence[Passage], trusted: bool) -> float:  # noqa: FBT001 - handed through
    cosines = [passage.cosine for passage in passages if passage.cosine is not None]
    return _BEST_COSINE * (max(cosines) - _MIDDLE_COSINE) if trusted and cosines else 0.0


def _enough(question: str) -> float:
    unspaced = next((word[0] for word in words(question) if is_unspaced(word)), None)
    if unspaced is None:
        return _ENOUGH_WORDS
    return _ENOUGH_THAI_PAIRS if _THAI_LIKE[0] <= unspaced <= _THAI_LIKE[1] else _ENOUGH_HAN_PAIRS

"""Answers without a model: the sentences of the passages that most likely hold the answer, copied, never made up."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agents.passage_cuts import Candidate, candidates_of, stems_of
from agents.sentence_fitting import fitting, sources_of, written
from agents.words import is_unspaced, stem, words
from database.records import Passage

# How much each sign speaks for a sentence. Found by a listwise softmax (the answer's sentence against all sentences of
# eight passages) on XQuAD in ten languages, and checked on SQuAD articles (tests/bench/answers.py): more signs (answer
# type, length, position, exact forms) did not help there. The weights of a lead and of a heading have no data
# behind them: the question above an answer counts nearly as much as the sentence itself, a heading over many less.
_OWN, _LEAD, _HEADING, _BEFORE, _AFTER, _PAIRS, _SCORE = 11.6, 9.0, 7.0, 4.5, 3.4, 3.0, 6.8
# Whether the passages answer at all: logistic regression on XQuAD in five languages with half of the articles left out;
# checked on SQuAD articles, one half asking the other: keeps 98 % of the answerable questions and refuses 88 % of the
# foreign ones. Character pairs also form across words, so fewer of them meet; Thai has few letters: more meet.
_BEST_SENTENCE, _BEST_PASSAGE, _BEST_PAIRS = 6.0, 9.0, 10.0
# The cosine adds to that where it means something: with WordLlama only in English (in the other languages of XQuAD the
# cosines of foreign questions are as high as those of answerable ones). 98.9 % kept and 93 % refused, then.
_BEST_COSINE, _MIDDLE_COSINE = 10.0, 0.3
_ENOUGH_WORDS, _ENOUGH_HAN_PAIRS, _ENOUGH_THAI_PAIRS = 6.2, 4.3, 12.3
_THAI_LIKE = "\u0e00", "\u1fff"

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
class _Question:
    stems: frozenset[str]
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
    candidates = candidates_of(passages)
    if not candidates or not asked.stems:
        return None
    weights = _weights(asked, candidates)
    scores = [_score(asked, weights, candidate) for candidate in candidates]
    covered = max(share for _, share in scores)
    # A sentence that says nothing of the question is not copied beside one that does.
    speaking = [index for index, (_, share) in enumerate(scores) if share or not covered]
    chances = _softmax([scores[index][0] for index in speaking])
    chosen = fitting([candidates[index] for index in speaking], chances, budget, naming)
    sources = sources_of(chosen)
    room = max(min(budget, _LEAST_BUDGET), budget - naming(sources))
    spoken = _spoken_of(asked, covered, candidates, passages) + _likeness(passages, trust_cosine)
    return Extract(written(chosen, asked.stems, room), sources, spoken >= _enough(question))


def _asked(question: str, stop_words: Collection[str]) -> _Question:
    every = words(question)
    content = [stem(word) for word in every if word not in stop_words] or [stem(word) for word in every]
    return _Question(frozenset(content), frozenset(pairwise(content)))


def _weights(asked: _Question, candidates: Sequence[Candidate]) -> dict[str, float]:
    """How much each word of the question tells, by how few of the sentences have it; they add up to 1."""
    every = len(candidates)
    having = Counter(word for candidate in candidates for word in asked.stems & candidate.cut.stems)
    weights = {word: math.log(1 + (every - having[word] + 0.5) / (having[word] + 0.5)) for word in asked.stems}
    total = math.fsum(weights.values()) or 1.0  # fsum: sets have no order, and a reply must not depend on it
    return {word: weight / total for word, weight in weights.items()}


def _score(asked: _Question, weights: dict[str, float], candidate: Candidate) -> tuple[float, float]:
    """How likely a sentence is to hold the answer, as a logarithm; how much of the question it and its context say."""
    cut = candidate.cut
    own = asked.stems & cut.stems
    earned = [_OWN * weights[word] for word in own]
    said = set(own)
    for stems, credit in ((cut.lead, _LEAD), (cut.heading, _HEADING), (cut.before, _BEFORE), (cut.after, _AFTER)):
        around = (asked.stems & stems) - own
        earned.extend(credit * weights[word] for word in around)
        said |= around
    pairs = _PAIRS * len(asked.pairs & cut.pairs) / max(1, len(asked.pairs))
    return (
        _SCORE * candidate.passage.score + math.fsum(earned) + pairs,
        math.fsum(weights[word] for word in said),
    )


def _softmax(scores: Sequence[float]) -> list[float]:
    best = max(scores)
    powers = [math.exp(score - best) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def _spoken_of(
    asked: _Question, sentence: float, candidates: Sequence[Candidate], passages: Sequence[Passage]
) -> float:
    """How much of the question the passages speak of: in one sentence, in one passage, and in its very order."""
    pairs = max(len(asked.pairs & candidate.cut.pairs) for candidate in candidates) / max(1, len(asked.pairs))
    passage = max(len(asked.stems & stems) for stems in (stems_of(each.text, each.heading or "") for each in passages))
    return _BEST_SENTENCE * sentence + _BEST_PASSAGE * passage / len(asked.stems) + _BEST_PAIRS * pairs


def _likeness(passages: Sequence[Passage], trusted: bool) -> float:  # noqa: FBT001 - handed through
    cosines = [passage.cosine for passage in passages if passage.cosine is not None]
    return _BEST_COSINE * (max(cosines) - _MIDDLE_COSINE) if trusted and cosines else 0.0


def _enough(question: str) -> float:
    unspaced = next((word[0] for word in words(question) if is_unspaced(word)), None)
    if unspaced is None:
        return _ENOUGH_WORDS
    return _ENOUGH_THAI_PAIRS if _THAI_LIKE[0] <= unspaced <= _THAI_LIKE[1] else _ENOUGH_HAN_PAIRS

"""Estimates without a model whether passages answer a question at all, or speak of something else."""

# ruff: noqa: RUF001 - both apostrophes are meant

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from agents.passage_cuts import Candidate, stems_of
from agents.words import folded, is_unspaced, stem, words
from database.records import Passage

# Logistic regression on the questions of half of the SQuAD articles: the answerable ones against questions to other
# articles, to MTRAG's passages, and (with a weight of .15) SQuAD's unanswerable ones, searched in single passages
# (tests/bench/refusals.py) and in whole articles cut as the bot cuts them (tests/bench/answers.py). Checked on the
# other half and on MTRAG's questions. `_ENOUGH` keeps 96.5 % of the fitted half's answerable questions.
_OWN, _PASSAGE, _PAIRS, _COSINE, _AGREED, _OTHERS = 0.59, 3.73, 2.09, 10.0, 6.15, -2.35
_NAMES_MISSING, _HAS_NAMES, _NEGATION_MISSING = -2.73, 1.31, -3.25
_ENOUGH = 10.19
# The passages behind the best are nearly as good where none of them speaks of the question. Where only one was found,
# what is usual there: between that of questions that are answered (.58) and of foreign ones (.66 to .73).
_BEHIND, _USUAL_BEHIND = 3, 0.65
# The same for a few words and for other languages than English (with WordLlama, cosines of foreign questions are as
# high there as those of answerable ones): on XQuAD in five languages with half of the articles left out. Character
# pairs also form across words, so fewer of them meet; Thai has few letters: more meet.
_FEW_SENTENCE, _FEW_PASSAGE, _FEW_PAIRS, _FEW_COSINE = 6.0, 9.0, 10.0, 10.0
_ENOUGH_WORDS, _ENOUGH_HAN_PAIRS, _ENOUGH_THAI_PAIRS = 6.2, 4.3, 12.3
_THAI_LIKE = "\u0e00", "\u1fff"
_FEW_WORDS = 2
_MIDDLE_COSINE = 0.3
_NEGATION = re.compile(r"\b(?:not|never|except|without|least|cannot)\b|n['’]t\b", re.IGNORECASE)
_TOKEN = re.compile(r"\w[\w'’-]*")


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is compared: `stems` of its content words, and the `pairs` in which they follow each other."""

    text: str
    stems: frozenset[str]
    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Best:
    """The sentence that answers best, with the share of the question that it says, and the most that any context does.

    Shares are weighted by how much each word tells, 0..1.
    """

    candidate: Candidate
    own_share: float
    most_covered: float


def question_of(text: str, stop_words: frozenset[str]) -> Question:
    """Its content words; every word where it has none."""
    every = words(text)
    content = [stem(word) for word in every if word not in stop_words] or [stem(word) for word in every]
    return Question(text, frozenset(content), frozenset(pairwise(content)))


def surplus(
    question: Question, best: Best, candidates: Sequence[Candidate], passages: Sequence[Passage], *, trusted: bool
) -> float:
    """How far the signs are above what it takes to answer, as a logarithm of odds: below 0 the question is refused.

    `trusted` says that the cosines of the embeddings mean something in the question's language.
    """
    pairs = max(len(question.pairs & each.cut.pairs) for each in candidates) / max(1, len(question.pairs))
    cosine = max((each.cosine for each in passages if each.cosine is not None), default=None)
    if trusted and cosine is not None and len(question.stems) > _FEW_WORDS:
        return _of_many_words(question, best, passages, pairs, cosine)
    covered = max(len(question.stems & _stems(each)) for each in passages) / len(question.stems)
    likeness = _FEW_COSINE * (cosine - _MIDDLE_COSINE) if trusted and cosine is not None else 0.0
    said = _FEW_SENTENCE * best.most_covered + _FEW_PASSAGE * covered + _FEW_PAIRS * pairs
    return said + likeness - _enough(question.text)


def least_surplus(threshold: float | None) -> float:
    """The surplus that it takes to answer, for an answerability of 0..1 that a business set; None is the usual .5."""
    if threshold is None:
        return 0.0
    if not 0.0 < threshold < 1.0:
        return math.inf if threshold >= 1.0 else -math.inf
    return math.log(threshold / (1.0 - threshold))


def _of_many_words(question: Question, best: Best, passages: Sequence[Passage], pairs: float, cosine: float) -> float:
    around = _stems(best.candidate.passage)
    names = _names(question.text)
    missing = sum(name not in around for name in names) / max(1, len(names))
    best_score, *behind = sorted((each.score for each in passages), reverse=True)[: 1 + _BEHIND]
    denied = _NEGATION.search(question.text) and not _NEGATION.search(best.candidate.cut.sentence.text)
    signs = (
        _OWN * best.own_share,
        _PASSAGE * len(question.stems & around) / len(question.stems),
        _PAIRS * pairs,
        _COSINE * cosine,
        _AGREED * best_score,
        _OTHERS * (math.fsum(behind) / len(behind) if behind else _USUAL_BEHIND),
        _NAMES_MISSING * missing,
        _HAS_NAMES * bool(names),
        _NEGATION_MISSING * bool(denied),
    )
    return math.fsum(signs) - _ENOUGH


def _names(text: str) -> list[str]:
    """Stems of what stands for one thing: numbers, and words with a capital that do not begin the question."""
    tokens = _TOKEN.findall(text)
    telling = [token for place, token in enumerate(tokens) if token[0].isdigit() or (place and token[0].isupper())]
    return [stem(each) for each in map(folded, telling) if each]


def _stems(passage: Passage) -> frozenset[str]:
    return stems_of(passage.text, passage.heading or "")


def _enough(question: str) -> float:
    unspaced = next((word[0] for word in words(question) if is_unspaced(word)), None)
    if unspaced is None:
        return _ENOUGH_WORDS
    return _ENOUGH_THAI_PAIRS if _THAI_LIKE[0] <= unspaced <= _THAI_LIKE[1] else _ENOUGH_HAN_PAIRS

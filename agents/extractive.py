"""Answers without a model: the sentences of the passages that most likely hold the answer, copied, never made up."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.answer_likelihood import Best, Question, question_of, surplus
from agents.passage_cuts import Candidate, candidates_of
from agents.sentence_fitting import fitting, sources_of, written
from database.records import Passage

# How much each sign speaks for a sentence. Found by a listwise softmax (the answer's sentence against all sentences of
# eight passages) on XQuAD in ten languages, and checked on SQuAD articles (tests/bench/answers.py): more signs (answer
# type, length, position, exact forms) did not help there. The weights of a lead and of a heading have no data
# behind them: the question above an answer counts nearly as much as the sentence itself, a heading over many less.
_OWN, _LEAD, _HEADING, _BEFORE, _AFTER, _PAIRS, _SCORE = 11.6, 9.0, 7.0, 4.5, 3.4, 3.0, 6.8
_LEAST_BUDGET = 40


@dataclass(frozen=True, slots=True)
class Extract:
    """Copied sentences as Markdown, the passages they come from, and how much they look like an answer.

    Where `surplus` is below 0, the passages probably speak of something else (agents/answer_likelihood.py).
    """

    text: str
    sources: tuple[Passage, ...]
    surplus: float


def extract(
    question: str,
    passages: Sequence[Passage],
    *,
    budget: int,
    naming: Callable[[Sequence[Passage]], int],
    stop_words: frozenset[str],
    trust_cosine: bool = False,
) -> Extract | None:
    """The best sentences in at most `budget` characters; None when there is nothing to copy.

    `naming` says how many of these characters it takes to name passages as sources: a second file has its price.
    `trust_cosine` lets the embeddings say whether the passages speak of the question at all.
    """
    asked = question_of(question, stop_words)
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
    likeliest = candidates[max(range(len(candidates)), key=lambda index: scores[index][0])]
    own = math.fsum(weights[word] for word in asked.stems & likeliest.cut.stems)
    above = surplus(asked, Best(likeliest, own, covered), candidates, passages, trusted=trust_cosine)
    return Extract(written(chosen, asked.stems, room), sources, above)


def _weights(asked: Question, candidates: Sequence[Candidate]) -> dict[str, float]:
    """How much each word of the question tells, by how few of the sentences have it; they add up to 1."""
    every = len(candidates)
    having = Counter(word for candidate in candidates for word in asked.stems & candidate.cut.stems)
    weights = {word: math.log(1 + (every - having[word] + 0.5) / (having[word] + 0.5)) for word in asked.stems}
    total = math.fsum(weights.values()) or 1.0  # fsum: sets have no order, and a reply must not depend on it
    return {word: weight / total for word, weight in weights.items()}


def _score(asked: Question, weights: dict[str, float], candidate: Candidate) -> tuple[float, float]:
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
        _SCORE * candidate.score + math.fsum(earned) + pairs,
        math.fsum(weights[word] for word in said),
    )


def _softmax(scores: Sequence[float]) -> list[float]:
    best = max(scores)
    powers = [math.exp(score - best) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]

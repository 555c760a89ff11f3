"""Learns topics from examples, without a language model: ridge regression beside the nearest examples, in numpy.

Two views of a text, equally heavy: its embedding, and its words and pieces of words (agents/text_grams.py). The
regression knows what tells topics apart; the nearest examples know how near a text is to anything seen at all, which
is what shows that it is about none of them. Weights were chosen on HINT3 and on CLINC150's val with
`oos_train` (docs/benchmarks.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agents.text_grams import COLUMNS, Floats, SparseRows, counted, rarity, weighed

_RIDGE = 0.3
_NEAREST = 3
_CANDIDATES = 8
_NEAR_IN_CHOICE = 0.5
_NEAR_IN_CONFIDENCE = 2.0
_KEPT = 0.9
_PRIOR_CONFIDENCE = 0.65
"""The confidence that keeps nine of ten messages where each topic has one or two examples (CLINC150's val part)."""
_PRIOR_EXAMPLES = 10
_LOWEST_THRESHOLD = 0.05
_ACCEPTED_FROM = 0.5
_SLICE = 512
_MOST_LEFT_OUT = 512
"""How many examples are looked at as if they had not been seen: each costs about as much as a topic."""

Labels = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The likeliest topic by its number. `score` is 0 to 1; from 0.5 on the text is held to be about the topic."""

    label: int
    score: float

    @property
    def accepted(self) -> bool:
        """Whether the text is about the topic, rather than about none."""
        return self.score >= _ACCEPTED_FROM


@dataclass(frozen=True, slots=True)
class _Examples:
    """All examples, those of a topic together: topic t has the rows `bounds[t]` to `bounds[t + 1]`."""

    embeddings: Floats
    grams: SparseRows
    bounds: Labels

    def features(self, first: int, last: int) -> Floats:
        """Both views of some rows beside each other, dense."""
        return np.hstack([self.embeddings[first:last], self.grams.part(first, last).dense()])

    def likeness(self, label: int, embedding: Floats, gram: Floats) -> Floats:
        """How like a text each example of a topic is, up to 1."""
        first, last = self.bounds[label], self.bounds[label + 1]
        both = self.embeddings[first:last] @ embedding + self.grams.part(first, last).times(gram)
        return (both / 2).astype(np.float32)


class TopicModel:
    """Topics are numbered from 0 as in `train`; each has at least one example."""

    def __init__(self, examples: _Examples, rarities: Floats, weights: Floats, threshold: float) -> None:
        self._examples = examples
        self._rarities = rarities
        self._weights = weights
        self.threshold = threshold

    @classmethod
    def train(cls, topics: Sequence[Sequence[str]], embeddings: Floats) -> "TopicModel":
        """Learn from the examples of each topic; `embeddings` are theirs in this order, one row each, of length 1.

        Blocks: some seconds for thousands of examples.
        """
        counts = counted([text for texts in topics for text in texts])
        rarities = rarity(counts)
        bounds = np.cumsum([0, *(len(texts) for texts in topics)], dtype=np.intp)
        examples = _Examples(embeddings, weighed(counts, rarities), bounds)
        labels = np.repeat(np.arange(len(topics)), np.diff(bounds))
        weights, unseen = _regress(examples, labels)
        return cls(examples, rarities, weights, _threshold(examples, unseen))

    def judge(self, text: str, embedding: Floats) -> Judgement:
        """What a text is about."""
        grams = weighed(counted([text]), self._rarities)
        width = len(embedding)
        scores = embedding @ self._weights[:width] + grams.values @ self._weights[width:][grams.columns]
        row = grams.dense()[0]
        best = max(
            (
                (scores[label] + _NEAR_IN_CHOICE * near, scores[label] + _NEAR_IN_CONFIDENCE * near, int(label))
                for label in np.argsort(scores)[-_CANDIDATES:]
                for near in (_nearest(self._examples.likeness(label, embedding, row)),)
            ),
        )
        return Judgement(best[2], float(np.clip(best[1] / (2 * self.threshold), 0.0, 1.0)))


def _nearest(likeness: Floats) -> float:
    """The mean of the best few."""
    return float(np.sort(likeness)[-_NEAREST:].mean())


def _regress(examples: _Examples, labels: Labels) -> tuple[Floats, Floats]:
    """The weights (features x topics), and what each example gets for its own topic from the others alone, or NaN."""
    count, width = len(labels), examples.embeddings.shape[1] + COLUMNS
    return _by_examples(examples, labels) if count <= width else _by_features(examples, labels, width)


def _by_examples(examples: _Examples, labels: Labels) -> tuple[Floats, Floats]:
    """For fewer examples than features. Leaving one out in closed form: Rasmussen and Williams 2006, 5.4.2."""
    features, count = examples.features(0, len(labels)), len(labels)
    likeness = features @ features.T + _RIDGE * np.eye(count, dtype=np.float32)
    left_out = _spread(count)
    wanted = np.hstack([_one_hot(labels), np.eye(count, dtype=np.float32)[:, left_out]])
    dual, inverse = np.hsplit(np.linalg.solve(likeness, wanted), [labels.max() + 1])
    unseen = np.full(count, np.nan, np.float32)
    unseen[left_out] = 1 - dual[left_out, labels[left_out]] / inverse[left_out, np.arange(len(left_out))]
    return (features.T @ dual).astype(np.float32), unseen


def _by_features(examples: _Examples, labels: Labels, width: int) -> tuple[Floats, Floats]:
    """For more examples than features, in slices that keep the memory small."""
    gram = _RIDGE * np.eye(width, dtype=np.float32)
    sums = np.zeros((width, labels.max() + 1), np.float32)
    one_hot = _one_hot(labels)
    for start in range(0, len(labels), _SLICE):
        features = examples.features(start, min(start + _SLICE, len(labels)))
        gram += features.T @ features
        sums += features.T @ one_hot[start : start + _SLICE]
    left_out = _spread(len(labels))
    seen = np.vstack([examples.features(row, row + 1) for row in left_out])
    weights, spread = np.hsplit(np.linalg.solve(gram, np.hstack([sums, seen.T])), [sums.shape[1]])
    leverage = np.einsum("ij,ji->i", seen, spread)
    own = np.einsum("ij,ji->i", seen, weights[:, labels[left_out]])
    unseen = np.full(len(labels), np.nan, np.float32)
    unseen[left_out] = (own - leverage) / (1 - leverage)
    return np.ascontiguousarray(weights, np.float32), unseen


def _one_hot(labels: Labels) -> Floats:
    return np.eye(labels.max() + 1, dtype=np.float32)[labels]


def _spread(count: int) -> Labels:
    """The numbers of some examples, evenly spread over the topics."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_LEFT_OUT)).astype(np.intp))


def _threshold(examples: _Examples, unseen: Floats) -> float:
    """The confidence that nine of ten examples would reach, had they not been seen; few examples hardly count."""
    confidences = np.concatenate(
        [
            unseen[first:last] + _NEAR_IN_CONFIDENCE * _nearest_others(examples.features(first, last))
            for first, last in zip(examples.bounds[:-1], examples.bounds[1:], strict=True)
            if last - first > 1
        ]
        or [np.empty(0, np.float32)]
    )
    confidences = confidences[~np.isnan(confidences)]
    if not len(confidences):
        return _PRIOR_CONFIDENCE
    told = float(np.quantile(confidences, 1 - _KEPT))
    share = len(confidences) / (len(confidences) + _PRIOR_EXAMPLES)
    return max(_LOWEST_THRESHOLD, share * told + (1 - share) * _PRIOR_CONFIDENCE)


def _nearest_others(features: Floats) -> Floats:
    """For each example of a topic, how like its nearest others are."""
    likeness = features @ features.T / 2
    np.fill_diagonal(likeness, -1)
    best: Floats = np.sort(likeness, axis=1)[:, 1:][:, -_NEAREST:].mean(axis=1)
    return best

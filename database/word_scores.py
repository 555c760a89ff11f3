"""How well chunks fit a question by their words, exactly: every word of it, how rare it is, and which stand together.

FTS5 proposes candidates by the rarer words alone, which is quick. What is computed here of all words, over the stems
of the candidates, finds more than FTS5's own bm25 (docs/benchmarks.md, "Retrieval").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from database.word_stems import number_of

Numbers = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]

# BM25's constants for short texts of about equal length: a word that is there once says most of it, length little.
_SATURATION, _LENGTH = 0.9, 0.4
_USUAL_WORDS = 110.0


@dataclass(frozen=True, slots=True)
class AskedWords:
    """The words of a question: `stems` sorted, each once; `weights` by their rarity; `follows[i, j]`: j comes after i.

    `total` is what all words weigh together, above 0.
    """

    stems: Numbers
    weights: Floats
    follows: npt.NDArray[np.bool_]
    total: float


def asked_words(question: Sequence[str], frequencies: Mapping[str, int], chunks: int) -> AskedWords:
    """`question` are its stems in their order; `frequencies` says in how many of the `chunks` each of them is."""
    having = {number_of(stem): count for stem, count in frequencies.items()}
    order = np.array([number_of(stem) for stem in question], np.uint32)
    stems = np.unique(order)
    counts = np.array([having.get(number, 0) for number in stems.tolist()], np.float64)
    weights = np.log1p(np.maximum(chunks - counts + 0.5, 0.5) / (counts + 0.5))
    follows = np.zeros((len(stems), len(stems)), np.bool_)
    places = np.searchsorted(stems, order)
    follows[places[:-1], places[1:]] = True
    return AskedWords(stems, weights, follows, max(float(weights.sum()), 1e-9))


def word_scores(asked: AskedWords, sizes: Sequence[int], stems: bytes) -> Floats:
    """A score for each text: bm25 and pairs of words in a row, relative to all words asked.

    The texts' stems stand one after another, 4 bytes each, `sizes` of them a text. 0 is no word of the question; about
    1 all of them, each once; above 2 all of them in the question's order.
    """
    lengths, found = np.array(sizes, np.intp), np.frombuffer(stems, "<u4")
    if not len(found) or not len(asked.stems):
        return np.zeros(len(lengths))
    places = np.minimum(np.searchsorted(asked.stems, found), len(asked.stems) - 1)
    hits = np.flatnonzero(asked.stems[places] == found)
    terms, owners = places[hits], np.repeat(np.arange(len(lengths)), lengths)[hits]
    shape = (len(lengths), len(asked.stems))
    counts = np.bincount(owners * shape[1] + terms, minlength=shape[0] * shape[1]).reshape(shape)
    patience = _SATURATION * (1 - _LENGTH + _LENGTH * lengths / _USUAL_WORDS)
    saturated = counts * (_SATURATION + 1) / (counts + patience[:, None])
    scores: Floats = saturated @ asked.weights + _pairs(asked, hits, terms, owners, len(lengths))
    return scores / asked.total


def _pairs(
    asked: AskedWords, hits: npt.NDArray[np.intp], terms: npt.NDArray[np.intp], owners: npt.NDArray[np.intp], texts: int
) -> Floats:
    """For each text, what its pairs of the question weigh, each once: as much as the commoner of the two words."""
    size = len(asked.stems)
    near = (np.diff(hits) == 1) & (np.diff(owners) == 0)
    first, second, owner = terms[:-1][near], terms[1:][near], owners[:-1][near]
    meant = asked.follows[first, second]
    once = np.unique((owner[meant] * size + first[meant]) * size + second[meant])
    weights = np.minimum(asked.weights[once // size % size], asked.weights[once % size])
    return np.bincount(once // size // size, weights, texts).astype(np.float64)

"""Two legs, one ranking: how near a chunk is in meaning and how much of the question it says, weighed."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# The share of the vectors in a passage's score. WordLlama's was found on half of the questions of all retrieval sets
# with 50,000 foreign chunks beside (docs/benchmarks.md): .33 to .45 make no difference. Embedders that read sentences
# deserve more than one that adds up words; how much more is not measured here.
VECTOR_WEIGHTS = {"wordllama": 0.4, "minilm": 0.5, "openai": 0.5}
USUAL_VECTOR_WEIGHT = 0.4
# How far the best cosine is ahead where the vectors tell nothing, and where they tell enough for all of their share.
# WordLlama cuts Hindi, Thai or Chinese into pieces of less than a letter: all passages are about as near then (.01
# ahead; .3 in English). Found on the same half; .02 to .04 and .09 to .11 differ little. Of the other embedders it is
# not known, so theirs always have all of it.
_LEADS = {"wordllama": (0.02, 0.09)}
# … ahead of this one of the nearest, counted from 0, or of the last; of so few as _FEW a lead is not looked at.
_LED, _FEW = 49, 24
# What is left of the share at least: what the words leave equal is in the order of the cosines.
_LEAST_PART = 0.02
# Between a passage that answers and one that does not, a cosine differs by less than half of what the words' scores do.
_COSINE_SPREAD = 2.5
# What having all of the question's wording adds, where all of its words score about 1. On the same half .25 to .4 are
# about as good (nothing below the better leg, MRR .006 to .008 higher in the mean); from .45 on single sets fall.
_WORDING = 0.35


@dataclass(frozen=True, slots=True)
class VectorWeight:
    """The vectors' `share`, 0..1; of the order they decide less of it, the less their best is ahead (`leads`)."""

    share: float
    leads: tuple[float, float] | None = None

    def in_order(self, cosines: Floats) -> float:
        """What of the share decides the order of passages with these cosines."""
        if self.leads is None or len(cosines) <= _FEW:
            return self.share
        none, full = self.leads
        led = min(_LED, len(cosines) - 1)
        ahead = float(cosines.max() + np.partition(-cosines, led)[led])
        return self.share * min(1.0, max(_LEAST_PART, (ahead - none) / (full - none)))


def vector_weight(embedder: str) -> VectorWeight:
    """Of an embedder, by the beginning of its name."""
    name = next((name for name in VECTOR_WEIGHTS if embedder.startswith(name)), "")
    return VectorWeight(VECTOR_WEIGHTS.get(name, USUAL_VECTOR_WEIGHT), _LEADS.get(name))


def fused(
    cosines: Mapping[str, float] | None,
    words: Mapping[str, float] | None,
    weight: VectorWeight,
    wording: Mapping[str, float] = MappingProxyType({}),
) -> list[tuple[str, float]]:
    """(key, score 0..1), best first. None is a leg that did not answer; `wording` has what was read of the candidates.

    The order is that of the scores as they are: each leg's own range must not be stretched, where it tells nothing it
    is narrow (WordLlama's cosines in Arabic). The scores say besides how far both legs agree on the best. What has no
    cosine is taken to be as near as the last that has one. Equal scores keep the order of their keys.
    """
    if not cosines or not words:
        share = 1.0 if cosines is None or words is None else weight.share if cosines else 1.0 - weight.share
        return _by_one_leg(
            words or {key: _COSINE_SPREAD * near for key, near in (cosines or {}).items()}, share, wording
        )
    keys, least = list({**cosines, **words}), min(cosines.values())
    near = np.array([cosines.get(key, least) for key in keys])
    said = np.array([words.get(key, 0.0) for key in keys])
    has_cosine = np.array([key in cosines for key in keys])
    share, deciding = weight.share, weight.in_order(near[has_cosine])
    agreement = share * _stretched(near) * has_cosine + (1.0 - share) * said / max(float(said.max()), 1e-9)
    shared = np.array([wording.get(key, 0.0) for key in keys])
    total = _stretched(deciding * _COSINE_SPREAD * near + (1.0 - deciding) * said + _WORDING * shared)
    scores: list[float] = (float(agreement.max()) * total).tolist()
    return sorted(zip(keys, scores, strict=True), key=_best_first)


def _by_one_leg(leg: Mapping[str, float], share: float, wording: Mapping[str, float]) -> list[tuple[str, float]]:
    """Its best has the `share`, its worst 0; where all are equal they are all its best."""
    if not leg:
        return []
    total = _stretched(np.array([score + _WORDING * wording.get(key, 0.0) for key, score in leg.items()]))
    scores: list[float] = (share * total).tolist()
    return sorted(zip(leg, scores, strict=True), key=_best_first)


def _stretched(values: Floats) -> Floats:
    """Between the least, 0, and the most, 1; where all are equal they are 1."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.ones_like(values)


def _best_first(scored: tuple[str, float]) -> tuple[float, str]:
    return -scored[1], scored[0]

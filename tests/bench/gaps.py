"""How many unanswered questions find the gap that means the same, and how many a wrong one.

The likeness was chosen among .70, .75, .80, .85 on a half of the intents of BANKING77 and of CLINC150; the figures are
of the other halves and of HINT3's shops. Intents stand for meanings: what joins another intent counts as wrong, also
where a person would call the questions the same.
"""

import csv
import json
import random
from collections import Counter
from collections.abc import Iterator

import numpy as np

from database.gaps import GapGroup, GapState
from services.gap_sweep import GapOptions, nearest_group, stored
from tests.bench.figures import Figure
from tests.shared import SHARED
from vectorstore.wordllama_embedder import WordLlamaEmbedder

BANKING = SHARED / "evaldata/banking77/visible/train.csv"
CLINC = SHARED / "evaldata/clinc150/visible/data_full.visible.json"
HINT3 = SHARED / "evaldata/hint3/visible_train"
SHOPS = ("curekart", "powerplay11", "sofmattress")
MOST = 1000
TUNED, REPORTED = False, True

Asked = list[tuple[str, str]]


async def run() -> list[Figure]:
    """Every set, in a random order as customers would ask."""
    embedder = WordLlamaEmbedder()
    try:
        figures: list[Figure] = []
        for name, asked in _sets():
            joined, wrong = _grouped(asked, await embedder.embed([text for text, _ in asked]))
            figures.append(Figure(f"gaps, {name}: questions that join one", joined, ""))
            figures.append(
                Figure(f"gaps, {name}: joins with another intent's", wrong, "", floor=0.15, higher_is_better=False)
            )
        return figures
    finally:
        embedder.close()


def _sets() -> Iterator[tuple[str, Asked]]:
    yield "BANKING77", _half(_banking(), other=REPORTED)
    yield "BANKING77 (tuned on)", _half(_banking(), other=TUNED)
    yield "CLINC150", _half(_clinc(), other=REPORTED)
    yield "CLINC150 (tuned on)", _half(_clinc(), other=TUNED)
    for shop in SHOPS:
        with (HINT3 / f"{shop}_train.csv").open(encoding="utf-8") as rows:
            yield f"HINT3 {shop}", _shuffled([(row["sentence"], row["label"]) for row in csv.DictReader(rows)])


def _banking() -> Asked:
    with BANKING.open(encoding="utf-8") as rows:
        return [(row["text"].strip(), row["category"]) for row in csv.DictReader(rows)]


def _clinc() -> Asked:
    parts = json.loads(CLINC.read_text("utf-8"))
    return [(text, intent) for name, part in parts.items() if "oos" not in name for text, intent in part]


def _half(asked: Asked, *, other: bool) -> Asked:
    """Half of the intents: `other` is the half that nothing was chosen on."""
    intents = sorted({intent for _, intent in asked})
    random.Random(7).shuffle(intents)
    chosen = set(intents[: len(intents) // 2])
    return _shuffled([pair for pair in asked if (pair[1] not in chosen) is other])


def _shuffled(asked: Asked) -> Asked:
    random.Random(7).shuffle(asked)
    return asked[:MOST]


def _grouped(asked: Asked, vectors: "np.typing.NDArray[np.float32]") -> tuple[float, float]:
    """The share of questions that join a gap; the share of these that join one most of which means something else."""
    likeness = GapOptions().likeness
    groups: list[GapGroup] = []
    meant: list[Counter[str]] = []
    joined = wrong = 0
    for (_, intent), vector in zip(asked, vectors, strict=True):
        nearest = nearest_group(groups, vector, likeness)
        if nearest is None:
            groups.append(_group(len(groups), vector))
            meant.append(Counter([intent]))
            continue
        at = int(nearest.id)
        joined += 1
        wrong += meant[at].most_common(1)[0][0] != intent
        meant[at][intent] += 1
        groups[at] = _group(at, stored(nearest.centroid) + vector)
    return joined / len(asked), wrong / max(joined, 1)


def _group(number: int, centroid: "np.typing.NDArray[np.float32]") -> GapGroup:
    return GapGroup(str(number), GapState.OPEN, centroid.astype("<f4").tobytes(), None)

"""How people type: bursts of messages with their gaps, from real support chat where it is at hand."""

import json
import random
from bisect import bisect
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.shared import SHARED

FOLDER = SHARED / "evaldata/irc_support_chat/visible"
LONGEST_BURST = 6
# What those data say in figures (931 bursts of #stripe and #rust; CC BY 4.0, Gouravajhala et al., ALTA 2023):
# how many messages a burst has, and quantiles of the seconds between them.
SIZES = {1: 0.523, 2: 0.271, 3: 0.097, 4: 0.046, 5: 0.019, 6: 0.044}
GAPS = ((0.0, 0.0), (0.05, 1.0), (0.25, 10.0), (0.5, 23.0), (0.75, 50.0), (0.95, 99.0), (1.0, 120.0))


@dataclass(frozen=True, slots=True)
class Typing:
    """Bursts to choose from: the seconds before each message after the first. `source` says where they are from."""

    source: str
    bursts: tuple[tuple[float, ...], ...]

    def burst(self, dice: random.Random, speed: float) -> tuple[float, ...]:
        """One burst, typed `speed` times as fast."""
        return tuple(gap / speed for gap in dice.choice(self.bursts))


def load_typing(folder: Path = FOLDER) -> Typing:
    """From irc_support_chat, or from its figures alone when CONCIERGE_SHARED does not lead there."""
    files = sorted(folder.glob("*.bursts.jsonl"))
    if not files:
        return Typing("built-in figures of irc_support_chat (the data are not here)", _made_up(random.Random(1)))
    rows = [json.loads(line) for file in files for line in file.open(encoding="utf-8")]
    moments = [[message["dt"] for message in row["messages"][:LONGEST_BURST]] for row in rows]
    bursts = tuple(tuple(float(b - a) for a, b in pairwise(each)) for each in moments)
    return Typing(f"irc_support_chat, {len(bursts)} bursts", bursts)


def _made_up(dice: random.Random) -> tuple[tuple[float, ...], ...]:
    sizes = dice.choices(list(SIZES), weights=list(SIZES.values()), k=1000)
    return tuple(tuple(_gap(dice.random()) for _ in range(size - 1)) for size in sizes)


def _gap(share: float) -> float:
    """The gap below which this share of gaps lies, along straight lines between the quantiles."""
    above = min(bisect([point for point, _ in GAPS], share), len(GAPS) - 1)
    (low, low_gap), (high, high_gap) = GAPS[above - 1], GAPS[above]
    return low_gap + (high_gap - low_gap) * (share - low) / (high - low)

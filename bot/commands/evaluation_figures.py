"""What `concierge eval` counts: which passages are right, and the figures of a run."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agents.words import is_unspaced
from bot.commands.evaluation_file import Expected

FETCH = 10
FIVE = 5
FIGURES = ("hit@1", "hit@5", "mrr", "containment", "refusal precision", "refusal recall", "answered")
"""In the order in which they are shown. `mrr` looks at ten passages; `answered` is of what can be answered."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a question. `rank` is the first right passage's (from 1), None where none of ten is.

    `contained` is None where no answer was expected.
    """

    expected: Expected
    rank: int | None
    answered: bool
    contained: bool | None
    reply: str

    @property
    def looked_for(self) -> bool:
        """Whether there is a right passage to find."""
        return not self.expected.unanswerable

    @property
    def badness(self) -> float:
        """How much went wrong: 0 is as it should be."""
        if self.expected.unanswerable:
            return float(self.answered)
        missed = 1.0 if self.rank is None else 1 - 1 / self.rank
        return missed + float(self.contained is False) + float(not self.answered)


def outcome(expected: Expected, passages: Sequence[Mapping[str, Any]], reply: Mapping[str, Any]) -> Outcome:
    """From what search and ask said, in the API's shapes."""
    right = (rank for rank, passage in enumerate(passages[:FETCH], start=1) if is_right(expected, passage))
    contained = any(_holds(reply["answer"], answer) for answer in expected.answers) if expected.answers else None
    return Outcome(expected, next(right, None), bool(reply["answered"]), contained, str(reply["answer"]))


def is_right(expected: Expected, passage: Mapping[str, Any]) -> bool:
    """By the passage that was named; where none was, by its file, or by the answer in it."""
    if expected.passage is not None:
        return _holds(passage["text"], expected.passage) or _holds(expected.passage, passage["text"])
    if expected.document is not None:
        return unicodedata.normalize("NFC", passage["filename"]) == unicodedata.normalize("NFC", expected.document)
    return any(_holds(passage["text"], answer) for answer in expected.answers)


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """Shares from 0 to 1; None where no question tells."""
    found = [each for each in outcomes if each.looked_for]
    ranks = [each.rank for each in found]
    refused = [each for each in outcomes if not each.answered]
    unanswerable = [each for each in outcomes if each.expected.unanswerable]
    return {
        "hit@1": _share([rank == 1 for rank in ranks]),
        "hit@5": _share([rank is not None and rank <= FIVE for rank in ranks]),
        "mrr": _share([1 / rank if rank else 0.0 for rank in ranks]),
        "containment": _share([each.contained for each in outcomes if each.contained is not None]),
        "refusal precision": _share([each.expected.unanswerable for each in refused]) if unanswerable else None,
        "refusal recall": _share([not each.answered for each in unanswerable]),
        "answered": _share([each.answered for each in found]),
    }


def worst(outcomes: Sequence[Outcome], count: int) -> list[Outcome]:
    """Those of which most went wrong, in the file's order where it is as much."""
    bad = [each for each in outcomes if each.badness]
    return sorted(bad, key=lambda each: (-each.badness, each.expected.line))[:count]


def _share(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _holds(text: str, wanted: str) -> bool:
    """Whether the words of one stand in the other, next to each other; marks, case and markup make no difference."""
    said, sought = _plain(text), _plain(wanted)
    if not sought:
        return False
    if any(is_unspaced(letter) for letter in sought):
        return sought.replace(" ", "") in said.replace(" ", "")
    return f" {sought} " in f" {said} "


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = (letter if unicodedata.category(letter)[0] in "LNM" else " " for letter in folded)
    return " ".join("".join(letters).split())

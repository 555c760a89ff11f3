"""Tells near-copies of a chunk from chunks that say something else: five copies of a document are one answer."""

import re
from collections.abc import Iterable, Iterator

import numpy as np

from database.live_chunks import LiveChunk
from database.word_stems import words

# Chunks that say the same are nearer to each other than this by every embedder; most that are so near do not.
_NEAR = 0.9
_SHARED_RUNS = 0.8
_RUN_WORDS = 3
_FIGURES = re.compile(r"\d+")


def without_copies(chunks: Iterable[LiveChunk]) -> Iterator[LiveChunk]:
    """The chunks in their order, without those that repeat an earlier one.

    A repetition has the same words but for some, in the same order, and the same figures: two prices are two facts.
    """
    kept: list[_Seen] = []
    for chunk in chunks:
        seen = _Seen(chunk)
        if not any(seen.repeats(other) for other in kept):
            kept.append(seen)
            yield chunk


class _Seen:
    """A chunk with what is compared of it, made when it is needed."""

    def __init__(self, chunk: LiveChunk) -> None:
        self._chunk = chunk
        self.plain = " ".join(chunk.text.split())
        self.figures = _FIGURES.findall(self.plain)
        self.vector = None if chunk.vector is None else np.frombuffer(chunk.vector, "<f4")
        self._runs: frozenset[tuple[str, ...]] | None = None

    def repeats(self, other: "_Seen") -> bool:
        """Whether it says what the other says."""
        if self.plain == other.plain:
            return True
        if self.figures != other.figures or not self._near(other):
            return False
        mine, others = self.word_runs(), other.word_runs()
        return len(mine & others) >= _SHARED_RUNS * max(len(mine | others), 1)

    def _near(self, other: "_Seen") -> bool:
        if self.vector is None or other.vector is None or self.vector.shape != other.vector.shape:
            return len(self.plain) * _SHARED_RUNS <= len(other.plain) <= len(self.plain) / _SHARED_RUNS
        return float(self.vector @ other.vector) >= _NEAR

    def word_runs(self) -> frozenset[tuple[str, ...]]:
        """Each three words in a row."""
        if self._runs is None:
            cut = words(self.plain)
            self._runs = frozenset(zip(*(cut[at:] for at in range(_RUN_WORDS)), strict=False))
        return self._runs

"""Texts as weighted words, word pairs and pieces of words, hashed into a fixed number of columns."""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from agents.words import stem, words

COLUMNS = 4096
_PIECES = (2, 3)
_SIGN = 0x8000_0000

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Rows of a matrix with COLUMNS columns: row i has `values[starts[i]:starts[i + 1]]` in `columns[…]`.

    Every row holds at least one entry, if only a zero. `starts` has one more entry than there are rows.
    """

    columns: npt.NDArray[np.intp]
    values: Floats
    starts: npt.NDArray[np.intp]

    def part(self, first: int, last: int) -> "SparseRows":
        """Rows `first` to `last`, without `last`."""
        begin, end = self.starts[first], self.starts[last]
        return SparseRows(self.columns[begin:end], self.values[begin:end], self.starts[first : last + 1] - begin)

    def dense(self) -> Floats:
        """All of them, zeros included."""
        matrix = np.zeros((len(self.starts) - 1, COLUMNS), np.float32)
        matrix[np.repeat(np.arange(len(matrix)), np.diff(self.starts)), self.columns] = self.values
        return matrix

    def times(self, vector: Floats) -> Floats:
        """The product of each row with a dense vector."""
        product: Floats = np.add.reduceat(self.values * vector[self.columns], self.starts[:-1])
        return product


def counted(texts: Sequence[str]) -> SparseRows:
    """What each text holds; a thing that is there often counts by the root of how often."""
    columns: list[int] = []
    values: list[float] = []
    starts = [0]
    for text in texts:
        sums: Counter[int] = Counter()
        for gram in _grams(text):
            code = zlib.crc32(gram.encode())
            sums[code % COLUMNS] += 1 if code & _SIGN else -1  # signs let collisions cancel instead of add up
        found = [(column, count) for column, count in sums.items() if count] or [(0, 0)]
        columns.extend(column for column, _ in found)
        values.extend((1 if count > 0 else -1) * abs(count) ** 0.5 for _, count in found)
        starts.append(len(columns))
    return SparseRows(np.array(columns, np.intp), np.array(values, np.float32), np.array(starts, np.intp))


def rarity(rows: SparseRows) -> Floats:
    """How much each column tells about the rows that hold it: the inverse document frequency."""
    held = np.bincount(rows.columns[rows.values != 0], minlength=COLUMNS)
    weights: Floats = np.log((len(rows.starts)) / (0.5 + held)).astype(np.float32)
    return weights


def weighed(rows: SparseRows, weights: Floats) -> SparseRows:
    """Each entry times its column's weight, each row of length 1 (or 0)."""
    values = rows.values * weights[rows.columns]
    lengths = np.sqrt(np.add.reduceat(values**2, rows.starts[:-1]))
    values = values / np.repeat(np.maximum(lengths, 1e-9), np.diff(rows.starts))
    return SparseRows(rows.columns, values.astype(np.float32), rows.starts)


def _grams(text: str) -> Iterator[str]:
    """Stems, pairs of neighbouring stems, and the pieces of each word, which typing errors leave mostly alone."""
    found = words(text)
    stems = [stem(word) for word in found]
    yield from (f"w {each}" for each in stems)
    yield from (f"b {first} {second}" for first, second in pairwise(stems))
    for word in found:
        framed = f"<{word}>"
        for size in _PIECES:
            yield from (framed[at : at + size] for at in range(len(framed) - size + 1))

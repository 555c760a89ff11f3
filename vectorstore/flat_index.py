"""Exact search in memory: vectors are told apart by the signs of their dimensions, and the nearest compared exactly.

Binary quantisation with rescoring, as vector databases offer it. Chroma's graph does not find passages that nobody's
list of neighbours has; this finds what exact search finds, in less time (docs/benchmarks.md, "Retrieval").
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vectorstore.frames import Vectors

Signs = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.intp]

# So many times as many as are asked for are compared exactly, and no fewer than LEAST: with 1,000 of 50,000 the right
# passage is among the first 50 as often as with all of them.
OVERSAMPLING = 20
LEAST = 1_000
_FIRST = 16
_GROWTH = 1.5
_WORD_BITS = 64


def size_of(count: int, dimension: int) -> int:
    """Bytes of so many vectors, their signs included."""
    return count * (4 * dimension + 8 * -(-dimension // _WORD_BITS))


class FlatIndex:
    """Vectors of `dimension` by id, with `room` for so many without growing. Not thread-safe."""

    def __init__(self, dimension: int, room: int = _FIRST) -> None:
        room = max(room, _FIRST)
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._vectors = np.zeros((room, dimension), np.float32)
        # One row for each 64 dimensions, one column a vector: whether each dimension is above the mean.
        self._signs: Signs = np.zeros((-(-dimension // _WORD_BITS), room), np.uint64)
        self._mean = np.zeros(dimension, np.float32)
        self._mean_of = 0

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def dimension(self) -> int:
        """Of each vector."""
        return self._vectors.shape[1]

    @property
    def nbytes(self) -> int:
        """The memory of what is here, without the room for more."""
        return size_of(len(self._ids), self.dimension)

    def put(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Add or replace vectors of shape (n, dimension)."""
        for key in ids:
            if self._rows.setdefault(key, len(self._ids)) == len(self._ids):
                self._ids.append(key)
        rows = [self._rows[key] for key in ids]
        if len(self._ids) > len(self._vectors):
            self._grow()
        self._vectors[rows] = _unit(vectors)
        if len(self._ids) >= self._mean_of * _GROWTH:
            self._mean_of = len(self._ids)
            self._mean = self._vectors[: len(self._ids)].mean(axis=0)
            self._signs[:, : len(self._ids)] = self._signs_of(self._vectors[: len(self._ids)])
        else:
            self._signs[:, rows] = self._signs_of(self._vectors[rows])

    def remove(self, ids: Sequence[str]) -> None:
        """Forget vectors; ids that are not there are no error."""
        for key in ids:
            row = self._rows.pop(key, None)
            if row is None:
                continue
            moved = self._ids.pop()
            if moved != key:  # the last takes its place
                self._ids[row] = moved
                self._rows[moved] = row
                self._vectors[row] = self._vectors[len(self._ids)]
                self._signs[:, row] = self._signs[:, len(self._ids)]

    def query(self, vector: Vectors, limit: int) -> list[tuple[str, float]]:
        """(id, cosine similarity), best first."""
        asked = _unit(vector.reshape(1, -1))
        rows = self._near(asked, max(LEAST, OVERSAMPLING * limit))
        cosines = self._vectors[rows] @ asked[0]
        best = np.argsort(-cosines, kind="stable")[:limit]
        return [
            (self._ids[row], cosine) for row, cosine in zip(rows[best].tolist(), cosines[best].tolist(), strict=True)
        ]

    def _near(self, asked: Vectors, most: int) -> Rows:
        """About the `most` rows with the most signs of the asked vector."""
        count = len(self._ids)
        if count <= most:
            return np.arange(count)
        apart = np.zeros(count, np.uint16)
        for column, signs in zip(self._signs, self._signs_of(asked)[:, 0], strict=True):
            apart += np.bitwise_count(column[:count] ^ signs)
        furthest = np.searchsorted(np.cumsum(np.bincount(apart)), most)
        return np.flatnonzero(apart <= furthest)

    def _signs_of(self, vectors: Vectors) -> Signs:
        packed = np.packbits(vectors > self._mean, axis=1)
        padded = np.zeros((len(vectors), 8 * len(self._signs)), np.uint8)
        padded[:, : packed.shape[1]] = packed
        return padded.view(np.uint64).T

    def _grow(self) -> None:
        size = max(len(self._ids), int(_GROWTH * len(self._vectors)))
        vectors, signs = np.zeros((size, self.dimension), np.float32), np.zeros((len(self._signs), size), np.uint64)
        vectors[: len(self._vectors)] = self._vectors
        signs[:, : self._signs.shape[1]] = self._signs
        self._vectors, self._signs = vectors, signs


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)

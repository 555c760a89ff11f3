"""Which collections of a Chroma directory are held in memory: those that are asked, as far as a limit goes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vectorstore.flat_index import FlatIndex
from vectorstore.frames import Vectors

logger = logging.getLogger(__name__)

# A page takes about 45 ms; who asks meanwhile waits for it.
PAGE = 1_000

# (collection, limit, offset) → ids and vectors
ReadPage = Callable[[str, int, int], tuple[Sequence[str], Vectors]]
Count = Callable[[str], int]


@dataclass(slots=True)
class _Loading:
    name: str
    index: FlatIndex
    offset: int = 0


class ResidentVectors:
    """Flat indexes by the name of their collection. They are read page by page, when nobody asks.

    Whoever writes to a collection writes here, too. `read` and `count` ask the store. Not thread-safe.
    """

    def __init__(self, limit_bytes: int, read: ReadPage, count: Count) -> None:
        self._limit = limit_bytes
        self._read = read
        self._count = count
        # the one that was asked last comes last
        self._indexes: dict[str, FlatIndex] = {}
        self._wanted: dict[str, int] = {}
        self._loading: _Loading | None = None

    def of(self, name: str) -> FlatIndex | None:
        """All vectors of the collection, when they are here."""
        index = self._indexes.pop(name, None)
        if index is not None:
            self._indexes[name] = index
        return index

    def want(self, name: str, dimension: int) -> None:
        """Read this collection soon."""
        if self._limit:
            self._wanted[name] = dimension

    def begin(self, name: str, dimension: int) -> None:
        """A collection was made and has nothing yet."""
        if self._limit:
            self._indexes[name] = FlatIndex(dimension)

    def put(self, name: str, ids: Sequence[str], vectors: Vectors) -> None:
        """These were added or replaced in the collection."""
        for index in self._having(name):
            index.put(ids, vectors)
        self._keep_within_limit()

    def remove(self, name: str, ids: Sequence[str]) -> None:
        """These were removed from the collection."""
        for index in self._having(name):
            index.remove(ids)

    def forget(self, name: str) -> None:
        """The collection is no longer what it was."""
        self._indexes.pop(name, None)
        self._wanted.pop(name, None)
        if self._loading and self._loading.name == name:
            self._loading = None

    def clear(self) -> None:
        """Forget all."""
        self._indexes.clear()
        self._wanted.clear()
        self._loading = None

    def load_some(self) -> bool:
        """Read a page of what is wanted; whether there is more to read. What cannot be read is wanted no longer."""
        loading = self._loading or self._next()
        if loading is None:
            return False
        try:
            self._load(loading)
        except Exception as error:  # noqa: BLE001 - whoever asks for this collection is told what is wrong with it
            logger.info("vectors of %s are not held in memory: %s", loading.name, error)
            self.forget(loading.name)
        return self._loading is not None or bool(self._wanted)

    def _next(self) -> _Loading | None:
        if not self._wanted:
            return None
        name, dimension = self._wanted.popitem()
        self._loading = _Loading(name, FlatIndex(dimension))
        return self._loading

    def _load(self, loading: _Loading) -> None:
        if loading.offset == 0 and self._count(loading.name) * loading.index.dimension * 4 > self._limit:
            self._loading = None
            return
        ids, vectors = self._read(loading.name, PAGE, loading.offset)
        if len(ids):
            loading.index.put(ids, np.asarray(vectors, np.float32))
            loading.offset += len(ids)
            return
        self._loading = None
        # Where something was removed meanwhile, a page was read past what moved up: the next question wants it again.
        if len(loading.index) == self._count(loading.name):
            self._indexes[loading.name] = loading.index
            self._keep_within_limit()

    def _having(self, name: str) -> list[FlatIndex]:
        loaded = [index for key, index in self._indexes.items() if key == name]
        return loaded + ([self._loading.index] if self._loading and self._loading.name == name else [])

    def _keep_within_limit(self) -> None:
        while self._indexes and sum(index.nbytes for index in self._indexes.values()) > self._limit:
            self._indexes.pop(next(iter(self._indexes)))

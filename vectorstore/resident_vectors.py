"""Which collections of a Chroma directory are held in memory: those that are asked, as far as a limit goes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from database.clock import Clock
from vectorstore.flat_index import FlatIndex, size_of
from vectorstore.frames import Vectors

logger = logging.getLogger(__name__)

# A page of so many numbers, a thousand vectors of 256, takes about 45 ms; who asks meanwhile waits for it.
PAGE_NUMBERS = 256_000
# What was asked within this time does not give way to another collection: two that do not fit would take turns.
ASKED_SECONDS = 600.0
# How long what had no room is not counted again.
NO_ROOM_SECONDS = 60.0

# (collection, limit, offset) → ids and vectors
ReadPage = Callable[[str, int, int], tuple[Sequence[str], Vectors]]
Count = Callable[[str], int]


@dataclass(slots=True)
class _Held:
    """An index, and when it was asked last; never is long ago."""

    index: FlatIndex
    asked_at: float = float("-inf")


@dataclass(slots=True)
class _Loading:
    name: str
    index: FlatIndex
    offset: int = 0


class ResidentVectors:
    """Flat indexes by the name of their collection. They are read page by page, when nobody asks.

    Whoever writes to a collection writes here, too. `read` and `count` ask the store. Not thread-safe. The limit is of
    the vectors; an index that grows reserves up to half as much again.
    """

    def __init__(self, limit_bytes: int, read: ReadPage, count: Count, clock: Clock) -> None:
        self._limit = limit_bytes
        self._read = read
        self._count = count
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._wanted: dict[str, int] = {}
        self._without_room: dict[str, float] = {}
        self._loading: _Loading | None = None

    def of(self, name: str) -> FlatIndex | None:
        """All vectors of the collection, when they are here."""
        held = self._held.get(name)
        if held is None:
            return None
        held.asked_at = self._clock.monotonic()
        return held.index

    def want(self, name: str, dimension: int) -> None:
        """Read this collection soon."""
        since = self._clock.monotonic() - self._without_room.get(name, float("-inf"))
        if not self._limit or name in self._held or since < NO_ROOM_SECONDS:
            return
        if self._loading is None or self._loading.name != name:
            self._wanted[name] = dimension

    def begin(self, name: str, dimension: int) -> None:
        """A collection was made and has nothing yet."""
        if self._limit:
            self._held[name] = _Held(FlatIndex(dimension))

    def put(self, name: str, ids: Sequence[str], vectors: Vectors) -> None:
        """These were added or replaced in the collection."""
        for index in self._having(name):
            index.put(ids, vectors)
        while self._held and self._bytes() > self._limit:
            self._held.pop(min(self._held, key=lambda each: self._held[each].asked_at))

    def remove(self, name: str, ids: Sequence[str]) -> None:
        """These were removed from the collection."""
        for index in self._having(name):
            index.remove(ids)

    def forget(self, name: str) -> None:
        """The collection is no longer what it was."""
        self._held.pop(name, None)
        self._wanted.pop(name, None)
        self._without_room.pop(name, None)
        if self._loading and self._loading.name == name:
            self._loading = None

    def rename(self, name: str, to: str) -> None:
        """A collection took the place of another."""
        held, former = self._held.get(name), self._held.get(to)
        self.forget(name)
        self.forget(to)
        if held is not None:
            self._held[to] = _Held(held.index, former.asked_at if former else held.asked_at)

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()
        self._wanted.clear()
        self._without_room.clear()
        self._loading = None

    def load_some(self) -> bool:
        """Read a page of what is wanted; whether there is more to read. What cannot be read is wanted no longer."""
        name = self._loading.name if self._loading else next(iter(self._wanted), None)
        if name is None:
            return False
        try:
            self._load(name)
        except Exception as error:  # noqa: BLE001 - whoever asks for this collection is told what is wrong with it
            logger.info("vectors of %s are not held in memory: %s", name, error)
            self.forget(name)
        return self._loading is not None or bool(self._wanted)

    def _load(self, name: str) -> None:
        if self._loading is None:
            dimension = self._wanted.pop(name)
            count = self._count(name)
            if not self._made_room(size_of(count, dimension)):
                self._without_room[name] = self._clock.monotonic()
                return
            self._loading = _Loading(name, FlatIndex(dimension, room=count))
        loading, limit = self._loading, max(1, PAGE_NUMBERS // self._loading.index.dimension)
        ids, vectors = self._read(name, limit, loading.offset)
        if len(ids):
            loading.index.put(ids, np.asarray(vectors, np.float32))
            loading.offset += len(ids)
            return
        self._loading = None
        # Where something was removed meanwhile, a page was read past what moved up: the next question wants it again.
        if len(loading.index) == self._count(name):
            self._held[name] = _Held(loading.index, self._clock.monotonic())

    def _made_room(self, size: int) -> bool:
        """Whether so many bytes have room now: beside what is asked, and in the place of what is not."""
        since = self._clock.monotonic() - ASKED_SECONDS
        idle = sorted((held.asked_at, name) for name, held in self._held.items() if held.asked_at < since)
        if self._bytes() - sum(self._held[name].index.nbytes for _, name in idle) + size > self._limit:
            return False
        for _, name in idle:
            if self._bytes() + size > self._limit:
                del self._held[name]
        return True

    def _bytes(self) -> int:
        return sum(held.index.nbytes for held in self._held.values())

    def _having(self, name: str) -> list[FlatIndex]:
        held = self._held.get(name)
        loading = [self._loading.index] if self._loading and self._loading.name == name else []
        return loading + ([held.index] if held else [])

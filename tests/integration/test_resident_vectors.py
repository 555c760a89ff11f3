"""Which collections of a real Chroma directory answer from memory, and that they answer as it does."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.fake_clock import FakeClock
from tests.unit.test_flat_index import crowd, names
from vectorstore.chroma_child import ChromaChild
from vectorstore.chroma_store import MEGABYTE, ChromaStore
from vectorstore.flat_index import size_of
from vectorstore.frames import encode, pack_vectors, read_blocking
from vectorstore.resident_vectors import ASKED_SECONDS, NO_ROOM_SECONDS, PAGE_NUMBERS, ResidentVectors

ONE, OTHER = "shop.test-256", "hotel.test-256"
PAGE = PAGE_NUMBERS // 256
COUNT = 2 * PAGE + 500


def many(count: int, seed: int = 1) -> np.ndarray:
    return crowd(count, 256, seed)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChromaStore]:
    """Opened on vectors that an earlier process has left."""
    first = ChromaStore(tmp_path / "chroma")
    first.open()
    first.add(ONE, "test-256", names(COUNT), many(COUNT))
    first.add(OTHER, "test-256", names(10), many(10, seed=2))
    first.close()
    opened = ChromaStore(tmp_path / "chroma", memory_mb=16)
    opened.open()
    yield opened
    opened.close()


def held(store: ChromaStore) -> ResidentVectors:
    return store._resident  # what answers cannot be told from outside, which is the point


def load(store: ChromaStore) -> int:
    pages = 1
    while store.load_some():
        pages += 1
    return pages


def test_what_is_asked_is_read_page_by_page(store: ChromaStore) -> None:
    """The graph answers first; afterwards memory does, and gives the same."""
    asked = many(5, seed=3)
    assert not store.load_some()
    by_graph = [store.query(ONE, each, 10) for each in asked]
    assert held(store).of(ONE) is None
    assert load(store) == COUNT // PAGE + 2  # the last page is empty
    index = held(store).of(ONE)
    assert index is not None
    assert len(index) == COUNT
    for each, before in zip(asked, by_graph, strict=True):
        found = store.query(ONE, each, 10)
        assert found[0][0] == before[0][0]
        assert found[0][1] == pytest.approx(before[0][1], abs=1e-5)
        assert len(dict(found).keys() & dict(before).keys()) >= 8  # the graph misses some
    assert held(store).of(OTHER) is None


def test_it_follows_what_is_written(store: ChromaStore) -> None:
    """What is added, replaced and removed afterwards is at once as in the store."""
    store.query(ONE, many(1)[0], 1)
    load(store)
    fresh = many(2, seed=9)
    store.add(ONE, "test-256", ["v7", "new"], fresh)
    store.delete(ONE, ["v8"])
    assert store.query(ONE, fresh[0], 1)[0][0] == "v7"
    assert store.query(ONE, fresh[1], 1)[0][0] == "new"
    assert "v8" not in dict(store.query(ONE, many(COUNT)[8], COUNT))
    store.drop(ONE)
    assert held(store).of(ONE) is None


def test_what_is_written_while_it_is_read(store: ChromaStore) -> None:
    """Additions are taken in; after a removal, which moves the pages, nothing is taken on trust: it is read again."""
    store.query(ONE, many(1)[0], 1)
    assert store.load_some()
    store.add(ONE, "test-256", ["new"], many(1, seed=9))
    load(store)
    index = held(store).of(ONE)
    assert index is not None
    assert len(index) == COUNT + 1
    held(store).clear()
    store.query(ONE, many(1)[0], 1)
    assert store.load_some()
    store.delete(ONE, ["v0"])
    load(store)
    assert held(store).of(ONE) is None
    store.query(ONE, many(1)[0], 1)
    load(store)
    index = held(store).of(ONE)
    assert index is not None
    assert len(index) == COUNT


def test_a_new_collection_is_held_from_its_beginning(tmp_path: Path) -> None:
    """There is nothing to read of it, nor of one that is put in the place of another."""
    store = ChromaStore(tmp_path / "chroma", memory_mb=16)
    store.open()
    store.add(ONE, "test-256", names(3), many(3))
    index = held(store).of(ONE)
    assert index is not None
    assert len(index) == 3
    store.add(OTHER, "test-256", names(5), many(5, seed=2))
    store.replace(ONE, OTHER)
    assert [key for key, _ in store.query(ONE, many(5, seed=2)[4], 1)] == ["v4"]
    assert not store.load_some()
    index = held(store).of(ONE)
    assert index is not None
    assert len(index) == 5
    store.close()


class CountedPages:
    """A store of 3,000 vectors under each of some names, that counts what is read of it."""

    def __init__(self) -> None:
        self.vectors = {name: crowd(3_000, seed=seed) for seed, name in enumerate("abc")}
        self.pages, self.counts = 0, 0

    def page(self, name: str, limit: int, offset: int) -> tuple[list[str], np.ndarray]:
        self.pages += 1
        return names(len(self.vectors[name]))[offset : offset + limit], self.vectors[name][offset : offset + limit]

    def count(self, name: str) -> int:
        self.counts += 1
        return len(self.vectors[name])


def loaded(resident: ResidentVectors, name: str) -> bool:
    resident.want(name, 64)
    while resident.load_some():
        pass
    return resident.of(name) is not None


SIZE = size_of(3_000, 64)


@pytest.mark.parametrize(("limit", "fits"), [(SIZE, True), (SIZE - 1, False), (0, False)])
def test_a_collection_fits_or_not(clock: FakeClock, limit: int, fits: bool) -> None:  # noqa: FBT001 - a parameter
    """To the byte: what was read is kept, and what would not be kept is not read."""
    store = CountedPages()
    resident = ResidentVectors(limit, store.page, store.count, clock)
    assert loaded(resident, "a") == fits
    assert store.pages == (2 if fits else 0)
    resident.begin("b", 64)
    assert (resident.of("b") is not None) == bool(limit)


async def test_who_gives_way(clock: FakeClock) -> None:
    """Not what is asked now: two that do not fit together do not take turns. After a while it does."""
    store = CountedPages()
    resident = ResidentVectors(2 * SIZE, store.page, store.count, clock)
    assert loaded(resident, "a")
    assert loaded(resident, "b")
    read = store.pages
    assert not loaded(resident, "c")
    assert store.pages == read
    await clock.advance(ASKED_SECONDS + 1)
    assert resident.of("b") is not None
    assert loaded(resident, "c")
    assert resident.of("a") is None


async def test_what_has_no_room_is_not_counted_with_every_question(clock: FakeClock) -> None:
    """A collection beyond the limit is looked at once a minute; one that was made anew at once."""
    store = CountedPages()
    resident = ResidentVectors(SIZE - 1, store.page, store.count, clock)
    assert not loaded(resident, "a")
    assert not loaded(resident, "a")
    assert store.counts == 1
    await clock.advance(NO_ROOM_SECONDS)
    assert not loaded(resident, "a")
    assert store.counts == 2
    store.vectors["a"] = store.vectors["a"][:2_000]
    resident.forget("a")
    assert loaded(resident, "a")


def test_what_grows_unasked_gives_way_first(clock: FakeClock) -> None:
    """A large upload into a new collection does not cost others their place."""
    store = CountedPages()
    resident = ResidentVectors(SIZE + 1_000, store.page, store.count, clock)
    assert loaded(resident, "a")
    resident.begin("new", 64)
    resident.put("new", names(10), crowd(10))
    assert resident.of("a") is not None
    assert "new" not in resident._held


def test_a_collection_is_read_once(clock: FakeClock) -> None:
    """Questions that come while it is read do not have it read again."""
    store = CountedPages()
    resident = ResidentVectors(SIZE, store.page, store.count, clock)
    resident.want("a", 64)
    while resident.load_some():
        resident.want("a", 64)
    resident.want("a", 64)
    assert not resident.load_some()
    assert store.pages == 2


def test_a_probe_asks_chroma_itself(store: ChromaStore) -> None:
    """Who looks whether the store finds what it holds is not answered from memory, and wants nothing held."""
    asked = many(COUNT)[7]
    assert store.query(ONE, asked, 1, stored=True)[0][0] == "v7"
    assert not store.load_some()
    store.query(ONE, asked, 1)
    load(store)
    held(store)._held[ONE].index.remove(["v7"])
    assert store.query(ONE, asked, 1)[0][0] != "v7"
    assert store.query(ONE, asked, 1, stored=True)[0][0] == "v7"


def test_a_failed_write_is_not_trusted(store: ChromaStore) -> None:
    """Of a write that failed nobody knows what is stored: it is read again."""
    store.query(ONE, many(1)[0], 1)
    load(store)
    with pytest.raises(Exception, match="dimension"):
        store.add(ONE, "test-256", ["other"], np.ones((1, 3), np.float32))
    assert held(store).of(ONE) is None
    store.query(ONE, many(1)[0], 1)
    load(store)
    assert held(store).of(ONE) is not None


@pytest.mark.parametrize("descriptor", [None, 1_100])
def test_the_child_reads_ahead_while_nobody_asks(store: ChromaStore, descriptor: int | None) -> None:
    """Also with a descriptor that select() does not know, as a busy server hands on."""
    ours, theirs = socket.socketpair()
    if descriptor:
        moved = socket.socket(fileno=os.dup2(theirs.fileno(), descriptor))
        theirs.close()
        theirs = moved
    child = threading.Thread(target=ChromaChild(store, theirs).serve)
    child.start()
    with ours, theirs, ours.makefile("rb") as answers:
        assert read_blocking(answers) == ({"value": None}, b"")
        for _ in range(2):
            asked = {"action": "query", "collection": ONE, "dimension": 256, "limit": 3}
            ours.sendall(encode(asked, pack_vectors(many(COUNT)[7:8])))
            answer = read_blocking(answers)
            assert answer is not None
            assert answer[0]["value"][0][0] == "v7"
            while ONE not in held(store)._held:
                assert child.is_alive()
                time.sleep(0.01)
        ours.shutdown(socket.SHUT_WR)
        child.join()


def test_what_cannot_be_read_is_left_alone(clock: FakeClock) -> None:
    """A store that fails is told by whoever asks it, not by the reading ahead."""

    def broken(_name: str, _limit: int, _offset: int) -> tuple[list[str], np.ndarray]:
        raise OSError("disk i/o error")

    resident = ResidentVectors(MEGABYTE, broken, lambda _name: 3, clock)
    resident.want("a", 64)
    assert not resident.load_some()
    assert resident.of("a") is None

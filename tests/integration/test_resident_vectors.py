"""Which collections of a real Chroma directory answer from memory, and that they answer as it does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.unit.test_flat_index import crowd, names
from vectorstore.chroma_store import MEGABYTE, ChromaStore
from vectorstore.resident_vectors import PAGE, ResidentVectors

ONE, OTHER = "shop.test-64", "hotel.test-64"
COUNT = 2 * PAGE + 500


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChromaStore]:
    """Opened on vectors that an earlier process has left."""
    first = ChromaStore(tmp_path / "chroma")
    first.open()
    first.add(ONE, "test-64", names(COUNT), crowd(COUNT))
    first.add(OTHER, "test-64", names(10), crowd(10, seed=2))
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
    asked = crowd(5, seed=3)
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
    store.query(ONE, crowd(1)[0], 1)
    load(store)
    fresh = crowd(2, seed=9)
    store.add(ONE, "test-64", ["v7", "new"], fresh)
    store.delete(ONE, ["v8"])
    assert store.query(ONE, fresh[0], 1)[0][0] == "v7"
    assert store.query(ONE, fresh[1], 1)[0][0] == "new"
    assert "v8" not in dict(store.query(ONE, crowd(COUNT)[8], COUNT))
    store.drop(ONE)
    assert held(store).of(ONE) is None


def test_what_is_written_while_it_is_read(store: ChromaStore) -> None:
    """Additions are taken in; after a removal, which moves the pages, nothing is taken on trust: it is read again."""
    store.query(ONE, crowd(1)[0], 1)
    assert store.load_some()
    store.add(ONE, "test-64", ["new"], crowd(1, seed=9))
    load(store)
    index = held(store).of(ONE)
    assert index is not None
    assert len(index) == COUNT + 1
    held(store).clear()
    store.query(ONE, crowd(1)[0], 1)
    assert store.load_some()
    store.delete(ONE, ["v0"])
    load(store)
    assert held(store).of(ONE) is None
    store.query(ONE, crowd(1)[0], 1)
    load(store)
    index = held(store).of(ONE)
    assert index is not None
    assert len(index) == COUNT


def test_a_new_collection_is_held_from_its_beginning(tmp_path: Path) -> None:
    """There is nothing to read of it; with a replacement put in its place there is."""
    store = ChromaStore(tmp_path / "chroma", memory_mb=16)
    store.open()
    store.add(ONE, "test-64", names(3), crowd(3))
    index = held(store).of(ONE)
    assert index is not None
    assert len(index) == 3
    store.add(OTHER, "test-64", names(5), crowd(5, seed=2))
    store.replace(ONE, OTHER)
    assert [key for key, _ in store.query(ONE, crowd(5, seed=2)[4], 1)] == ["v4"]
    load(store)
    index = held(store).of(ONE)
    assert index is not None
    assert len(index) == 5
    store.close()


def test_the_limit(store: ChromaStore) -> None:
    """What is larger is not read; of what is held, what was asked least lately goes first; 0 holds nothing."""
    vectors = {name: crowd(3_000, seed=seed) for seed, name in enumerate("abc")}
    limit = 2 * MEGABYTE
    assert vectors["a"].nbytes < limit < 3 * vectors["a"].nbytes

    def page(name: str, limit: int, offset: int) -> tuple[list[str], np.ndarray]:
        return names(3_000)[offset : offset + limit], vectors[name][offset : offset + limit]

    resident = ResidentVectors(limit, page, lambda name: len(vectors[name]))
    for name in "abc":
        resident.want(name, 64)
        while resident.load_some():
            pass
        assert resident.of(name) is not None
    assert resident.of("a") is None
    vectors["a"] = crowd(20_000)
    resident.want("a", 64)
    assert not resident.load_some()
    nothing = ResidentVectors(0, page, lambda name: len(vectors[name]))
    nothing.begin("b", 64)
    nothing.want("b", 64)
    assert not nothing.load_some()
    assert nothing.of("b") is None


def test_what_cannot_be_read_is_left_alone() -> None:
    """A store that fails is told by whoever asks it, not by the reading ahead."""

    def broken(_name: str, _limit: int, _offset: int) -> tuple[list[str], np.ndarray]:
        raise OSError("disk i/o error")

    resident = ResidentVectors(MEGABYTE, broken, lambda _name: 3)
    resident.want("a", 64)
    assert not resident.load_some()
    assert resident.of("a") is None

"""What all forms of the vector store keep: a child process, from memory or by its graph, and a server; real Chroma.

One store serves all tests: each has its collections.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from database.metrics import Metrics
from database.records import new_id
from tests.fakes.chroma_run import chroma_run
from vectorstore.chroma_manager import ChromaManager, Collection, ManagerOptions, VectorStoreRequestError
from vectorstore.chroma_process import ChildOptions
from vectorstore.chroma_server import ServerOptions
from vectorstore.frames import Vectors

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["child process", "its graph", "server"])
async def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ChromaManager]:
    directory: Path = tmp_path_factory.mktemp("vectors") / "chroma"
    async with AsyncExitStack() as stack:
        place: Path | ServerOptions = directory
        if request.param == "server":
            server = await stack.enter_async_context(chroma_run(directory))
            place = ServerOptions(server.url, "concierge-test")
        options = ManagerOptions(child=ChildOptions(memory_mb=0 if request.param == "its graph" else 16))
        manager = await stack.enter_async_context(ChromaManager.open(place, Metrics(), options=options))
        await manager.wait_ready()
        yield manager


@pytest.fixture
def collection() -> Collection:
    return Collection(new_id(), "test-16")


def about(similarity: float) -> Any:
    return pytest.approx(similarity, abs=1e-5)


def some_vectors(count: int, seed: int = 1) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    normalised: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normalised


async def test_nearest_first(store: ChromaManager, collection: Collection) -> None:
    """A query gives ids with their cosine similarity, the nearest first."""
    vectors = np.eye(16, dtype=np.float32)[:3]
    await store.add(collection, ["a", "b", "c"], vectors)
    query = np.array([0.8, 0.6] + [0.0] * 14, np.float32)
    found = await store.query(collection, query, 2)
    assert [key for key, _ in found] == ["a", "b"]
    assert [similarity for _, similarity in found] == pytest.approx([0.8, 0.6], abs=1e-5)


async def test_add_replaces(store: ChromaManager, collection: Collection) -> None:
    """Adding an id again replaces its vector; it is never there twice."""
    first, second = some_vectors(2)
    await store.add(collection, ["x"], first.reshape(1, -1))
    await store.add(collection, ["x"], second.reshape(1, -1))
    assert await store.count(collection) == 1
    assert (await store.query(collection, second, 5))[0] == ("x", about(1.0))


async def test_more_than_a_slice(store: ChromaManager, collection: Collection) -> None:
    """Any number of vectors may be added at once, and each finds itself afterwards."""
    vectors = some_vectors(2_500)
    ids = [f"id-{n}" for n in range(len(vectors))]
    await store.add(collection, ids, vectors)
    assert await store.ids(collection) == set(ids)
    for n in (0, 127, 128, 2_499):
        assert (await store.query(collection, vectors[n], 1))[0][0] == ids[n]


async def test_delete(store: ChromaManager, collection: Collection) -> None:
    """What is deleted is not found; deleting what is not there is no error."""
    vectors = some_vectors(3)
    await store.add(collection, ["a", "b", "c"], vectors)
    await store.delete(collection, ["b", "never there"])
    assert await store.ids(collection) == {"a", "c"}
    assert {key for key, _ in await store.query(collection, vectors[1], 5)} == {"a", "c"}


async def test_nothing_there(store: ChromaManager, collection: Collection) -> None:
    """A collection that was never made is empty, for every question."""
    assert await store.query(collection, some_vectors(1)[0], 5) == []
    assert await store.ids(collection) == set()
    assert await store.count(collection) == 0
    await store.delete(collection, ["a"])
    await store.drop(collection)


async def test_drop(store: ChromaManager, collection: Collection) -> None:
    """A dropped collection is gone, and can be made again with another dimension."""
    await store.add(collection, ["a"], some_vectors(1))
    assert collection.name in await store.collections()
    await store.drop(collection)
    assert collection.name not in await store.collections()
    await store.add(collection, ["a"], np.ones((1, 3), np.float32))
    assert await store.count(collection) == 1


async def test_businesses_are_apart(store: ChromaManager) -> None:
    """A business finds its own vectors only, also under the same ids; so does an embedder."""
    business = new_id()
    mine, theirs = Collection(business, "test-16"), Collection(new_id(), "test-16")
    other_embedder = Collection(business, "other-16")
    vectors = some_vectors(3)
    for place, vector in zip((mine, theirs, other_embedder), vectors, strict=True):
        await store.add(place, ["same"], vector.reshape(1, -1))
    assert await store.query(mine, vectors[0], 10) == [("same", about(1.0))]
    await store.delete(theirs, ["same"])
    assert await store.count(mine) == 1
    assert await store.count(other_embedder) == 1


async def test_wrong_dimension(store: ChromaManager, collection: Collection) -> None:
    """Vectors of another dimension are refused at once, and do no harm."""
    vectors = some_vectors(1)
    await store.add(collection, ["a"], vectors)
    with pytest.raises(VectorStoreRequestError):
        await store.add(collection, ["b"], np.ones((1, 3), np.float32))
    with pytest.raises(VectorStoreRequestError):
        await store.query(collection, np.ones(3, np.float32), 1)
    assert (await store.query(collection, vectors[0], 1))[0][0] == "a"


async def test_many_at_once(store: ChromaManager) -> None:
    """Many writers and readers of several businesses at once: everything that was added is there."""
    collections = [Collection(new_id(), "test-16") for _ in range(4)]
    vectors = some_vectors(300)

    async def write(place: Collection, part: int) -> None:
        rows = range(part * 100, part * 100 + 100)
        await store.add(place, [f"id-{n}" for n in rows], vectors[rows.start : rows.stop])

    async def read(place: Collection) -> None:
        for n in range(20):
            await store.query(place, vectors[n], 3)

    async with asyncio.TaskGroup() as group:
        for place in collections:
            for part in range(3):
                group.create_task(write(place, part))
            group.create_task(read(place))
    for place in collections:
        assert await store.count(place) == 300
        assert (await store.query(place, vectors[250], 1))[0][0] == "id-250"


async def test_other_threads(store: ChromaManager, collection: Collection) -> None:
    """Other threads use the same store through `threadsafe`, with the same results and the same errors."""
    vectors = some_vectors(10)

    def work() -> list[tuple[str, float]]:
        store.threadsafe.add(collection, [str(n) for n in range(10)], vectors)
        store.threadsafe.delete(collection, ["3"])
        assert store.threadsafe.count(collection) == 9
        assert "3" not in store.threadsafe.ids(collection)
        with pytest.raises(VectorStoreRequestError):
            store.threadsafe.query(collection, np.ones(3, np.float32), 1)
        return store.threadsafe.query(collection, vectors[7], 1)

    assert (await asyncio.to_thread(work))[0][0] == "7"


async def test_odd_names(store: ChromaManager) -> None:
    """Whatever a business or an embedder is called, it has a collection of its own."""
    odd = [Collection("a/b", "e"), Collection("a b", "e"), Collection("ä", "e:v1"), Collection("x" * 300, "e")]
    vectors = some_vectors(len(odd))
    for place, vector in zip(odd, vectors, strict=True):
        await store.add(place, ["id"], vector.reshape(1, -1))
    for place, vector in zip(odd, vectors, strict=True):
        assert await store.query(place, vector, 5) == [("id", about(1.0))]


async def test_vectors_come_back(store: ChromaManager, collection: Collection) -> None:
    """What was stored can be read again, bit for bit; what is not there is left out."""
    vectors = some_vectors(5)
    await store.add(collection, list("abcde"), vectors)
    ids, rows = await store.vectors(collection, ["d", "never there", "a"])
    assert {key: row.tolist() for key, row in zip(ids, rows, strict=True)} == {
        "a": vectors[0].tolist(),
        "d": vectors[3].tolist(),
    }
    assert (await store.vectors(collection, ["never there"]))[0] == []


async def test_describes_itself(store: ChromaManager, collection: Collection) -> None:
    """A collection says which embedder made its vectors, and how long they are; one that is not there says nothing."""
    assert await store.describe(collection) is None
    await store.add(collection, ["a"], some_vectors(1))
    about = await store.describe(collection)
    assert about is not None
    assert (about["embedder"], about["dimension"]) == ("test-16", 16)


async def test_one_takes_the_place_of_another(store: ChromaManager, collection: Collection) -> None:
    """A collection that was made anew beside the old one takes its place whole, also where there is no old one."""
    vectors = some_vectors(4)
    fresh = Collection(collection.business_id, collection.embedder, f"{collection.name}.fresh")
    for kept in (["old", "older"], []):
        if kept:
            await store.add(collection, kept, vectors[:2])
        else:
            await store.drop(collection)
        await store.add(fresh, ["new"], vectors[2:3])
        await store.replace(collection, fresh)
        assert await store.ids(collection) == {"new"}
        assert fresh.name not in await store.collections()
        assert await store.query(collection, vectors[2], 5) == [("new", about(1.0))]
        await store.add(collection, ["later"], vectors[3:])
        assert await store.ids(collection) == {"new", "later"}

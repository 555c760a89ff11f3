"""What becomes of the vectors when the Chroma server goes away, forgets, changes or is shared with others."""

import asyncio
import base64
import json
import logging
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from database.metrics import Metrics
from tests.fakes.chroma_run import ChromaRun, chroma_run
from tests.fakes.knowledge_base import KnowledgeBase, WordHashEmbedder, knowledge_base
from vectorstore.chroma_manager import (
    ChromaManager,
    Collection,
    ManagerOptions,
    VectorStoreError,
    VectorStoreUnavailableError,
)
from vectorstore.chroma_server import ServerOptions
from vectorstore.vector_copy import VectorCopy, VectorCopyError, reached

pytestmark = pytest.mark.blocking_allowed  # starts servers and looks into their folders

SHOP = "shop"
PLACE = Collection(SHOP, WordHashEmbedder.name)
TEXTS = ["We open at nine in the morning.", "Returns are free within thirty days.", "Gift cards are at the counter."]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ChromaRun]:
    async with chroma_run(tmp_path / "server") as running:
        yield running


def quick(url: str, prefix: str = "concierge-here", token: str = "") -> ServerOptions:
    """Looks at the server often."""
    often = ServerOptions(url, prefix, token)
    return replace(often, look_every_seconds=0.2, look_seconds=2.0, first_pause_seconds=0.05, longest_pause_seconds=0.2)


def options(server: ChromaRun, prefix: str = "concierge-here") -> ServerOptions:
    return quick(server.url, prefix)


async def answers_by_both(base: KnowledgeBase) -> None:
    await base.index.wait_healthy()
    (found,) = await base.index.search(SHOP, "free returns", limit=1)
    assert found.text == TEXTS[1]
    assert found.cosine is not None


async def vector_away(base: KnowledgeBase) -> None:
    while base.vectors.ready:
        await asyncio.sleep(0.02)


async def test_away_and_back(server: ChromaRun, tmp_path: Path) -> None:
    """The server killed: the words answer, readiness says why; what was learned meanwhile is there when it is back."""
    async with knowledge_base(tmp_path, place=options(server)) as base:
        await base.learn(SHOP, TEXTS[:2])
        await answers_by_both(base)
        await server.kill()
        await vector_away(base)
        await base.learn(SHOP, TEXTS[2:])
        (found,) = await base.index.search(SHOP, "gift cards", limit=1)
        assert found.text == TEXTS[2]
        assert base.index.state().degraded == "the Chroma server does not answer"
        await server.start()
        await base.vectors.wait_ready()
        await answers_by_both(base)
        assert await base.vectors.count(PLACE) == len(TEXTS)
        assert base.index.state().degraded is None


async def test_not_there_at_the_start(server: ChromaRun, tmp_path: Path) -> None:
    """Without its Chroma server Concierge starts and answers by words; when the server comes, the index is filled."""
    async with knowledge_base(tmp_path) as base:
        await base.store(SHOP, TEXTS)
    await server.kill()
    async with knowledge_base(tmp_path, place=options(server)) as base:
        await base.words.repair()
        assert len(await base.index.search(SHOP, "free returns", limit=1)) == 1
        with pytest.raises(VectorStoreUnavailableError, match="does not answer"):
            await base.vectors.count(PLACE)
        await server.start()
        await answers_by_both(base)


async def test_somebody_deletes_our_collection(server: ChromaRun, tmp_path: Path) -> None:
    """A collection deleted on the server comes back whole, out of knowledge.db, without embedding again."""
    embedder = WordHashEmbedder()
    async with knowledge_base(tmp_path, embedder=embedder, place=options(server)) as base:
        await base.learn(SHOP, TEXTS)
        await answers_by_both(base)
        for name in await names(server):
            await call(server, "DELETE", f"/{name}")
        embedded = embedder.embedded
        assert len(await base.index.search(SHOP, "free returns", limit=1)) == 1
        await answers_by_both(base)
        assert await base.vectors.count(PLACE) == len(TEXTS)
        assert embedder.embedded <= embedded + 2, "the two questions"


async def test_somebody_deletes_it_before_an_upload(server: ChromaRun, tmp_path: Path) -> None:
    """An upload into a collection that was deleted under us does not leave an index with that upload alone."""
    async with knowledge_base(tmp_path, place=options(server)) as base:
        await base.learn(SHOP, TEXTS[:2])
        await answers_by_both(base)
        for name in await names(server):
            await call(server, "DELETE", f"/{name}")
        await base.learn(SHOP, TEXTS[2:])
        await answers_by_both(base)
        assert await base.vectors.count(PLACE) == len(TEXTS)


async def test_started_anew_with_nothing(server: ChromaRun, tmp_path: Path) -> None:
    """A server that comes back with an empty disk is filled again."""
    async with knowledge_base(tmp_path, place=options(server)) as base:
        await base.learn(SHOP, TEXTS)
        await answers_by_both(base)
        await server.kill()
        for path in sorted(server.directory.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        await vector_away(base)
        await server.start()
        await base.vectors.wait_ready()
        await answers_by_both(base)
        assert await base.vectors.count(PLACE) == len(TEXTS)


async def test_hung(server: ChromaRun, tmp_path: Path, metrics: Metrics) -> None:
    """A server that hangs delays one call; the next ones fail at once, until it answers again."""
    slow = ManagerOptions(query_seconds=0.3)
    async with ChromaManager.open(options(server), metrics, options=slow) as store:
        await store.add(PLACE, ["a"], np.eye(4, dtype=np.float32)[:1])
        server.signal(signal.SIGSTOP)
        with pytest.raises(VectorStoreUnavailableError):
            await store.query(PLACE, np.eye(4, dtype=np.float32)[0], 1)
        while store.ready:  # its own time-out is a moment later than ours
            await asyncio.sleep(0.01)
        server.signal(signal.SIGCONT)
        await store.wait_ready()
        assert await store.count(PLACE) == 1


async def test_others_are_left_alone(server: ChromaRun, tmp_path: Path) -> None:
    """What others keep on the same server is never listed, changed or erased: not another Concierge's either."""
    await call(server, "POST", "", {"name": "somebody-elses"})
    async with ChromaManager.open(options(server, "concierge-there"), Metrics()) as theirs:
        await theirs.add(PLACE, ["theirs"], np.eye(4, dtype=np.float32)[:1])
        async with knowledge_base(tmp_path, place=options(server)) as base:
            await base.learn(SHOP, TEXTS)
            await answers_by_both(base)
            assert await base.vectors.collections() == [PLACE.name]
            await base.vectors.erase()
            await answers_by_both(base)
        assert await theirs.ids(PLACE) == {"theirs"}
    assert {"somebody-elses", f"concierge-there.{PLACE.name}"} <= set(await names(server))


@pytest.mark.parametrize(
    ("status", "version", "expected"),
    [
        (200, "0.6.3", "version is 0.6.3"),
        (200, {"odd": 1}, "version is unknown"),
        (404, "", "no Chroma server"),
        (401, "", "CONCIERGE_CHROMA_TOKEN"),
        (503, "", "status 503"),
        (200, None, "no Chroma server"),
    ],
)
async def test_does_not_fit(metrics: Metrics, status: int, version: object, expected: str) -> None:
    """Another version, another service, a wrong token: a sentence says so, and nothing is sent there."""
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, text="<html>" if version is None else json.dumps(version))

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    async with TestServer(app) as wrong:
        place = quick(str(wrong.make_url("")).rstrip("/"))
        async with ChromaManager.open(place, metrics) as store:
            with pytest.raises(VectorStoreError, match=expected):
                await reached(store)
            with pytest.raises(VectorStoreUnavailableError, match=expected):
                await store.add(PLACE, ["a"], np.eye(4, dtype=np.float32)[:1])
    assert set(asked) == {"/api/v2/version"}


@pytest.mark.parametrize("token", ["s3cret-token", "Basic dXNlcjpwYXNz"])
async def test_the_token_goes_to_the_server_alone(
    server: ChromaRun, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway that wants a token gets it, in the form that was set; no log line and no error holds it."""
    caplog.set_level(logging.DEBUG)
    wanted = token if " " in token else f"Bearer {token}"

    async def gate(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != wanted:
            return web.json_response({"error": "no"}, status=401)
        async with (
            aiohttp.ClientSession(server.url) as session,
            session.request(request.method, request.path_qs, data=await request.read(), headers=JSON) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read())

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", gate)
    async with TestServer(app) as gateway:
        url = str(gateway.make_url("")).rstrip("/")
        async with ChromaManager.open(quick(url, token=token), Metrics()) as store:
            await reached(store)
            await store.add(PLACE, ["a"], np.eye(4, dtype=np.float32)[:1])
            assert await store.count(PLACE) == 1
        wrong = quick(url, token=f"{token}-wrong")
        assert token not in repr(wrong)
        async with ChromaManager.open(wrong, Metrics()) as store:
            with pytest.raises(VectorStoreError) as refusal:
                await reached(store)
    assert token not in str(refusal.value)
    assert token not in caplog.text
    assert base64.b64encode(token.encode()).decode() not in caplog.text


async def test_copy_there_and_back(server: ChromaRun, tmp_path: Path, metrics: Metrics) -> None:
    """Every vector goes over and is found there; a second copy sends nothing; a stray there is taken away."""
    vectors = np.random.default_rng(8).normal(size=(700, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"id-{n}" for n in range(len(vectors))]
    one, other = Collection("one", "test-16"), Collection("other", "test-16")
    told: list[tuple[int, int]] = []
    async with (
        ChromaManager.open(tmp_path / "chroma", metrics) as here,
        ChromaManager.open(options(server), metrics) as there,
        ChromaManager.open(tmp_path / "again", metrics) as back,
    ):
        for store in (here, there, back):
            await reached(store)
        await here.add(one, ids, vectors)
        await here.add(other, ids[:3], vectors[:3])
        await there.add(one, [*ids[:100], "stray"], vectors[:101])
        copied = await VectorCopy(here, there, random.Random(1), lambda done, total: told.append((done, total))).run()
        assert (copied.collections, copied.copied, copied.skipped, copied.removed) == (2, 603, 100, 1)
        assert told[-1] == (703, 703)
        again = await VectorCopy(here, there, random.Random(1), lambda *_: None).run()
        assert (again.copied, again.skipped) == (0, 703)
        await VectorCopy(there, back, random.Random(1), lambda *_: None).run()
        assert await back.ids(one) == set(ids)
        assert (await back.query(one, vectors[444], 1))[0][0] == "id-444"
        assert await back.describe(one) == await here.describe(one)


async def test_copy_never_mixes(server: ChromaRun, tmp_path: Path, metrics: Metrics) -> None:
    """A target that holds vectors of another length under the same name is refused before anything is written."""
    async with (
        ChromaManager.open(tmp_path / "chroma", metrics) as here,
        ChromaManager.open(options(server), metrics) as there,
    ):
        await reached(here)
        await reached(there)
        await here.add(Collection("a", "e"), ["x"], np.eye(4, dtype=np.float32)[:1])
        await here.add(Collection("b", "e"), ["x"], np.eye(4, dtype=np.float32)[:1])
        await there.add(Collection("b", "e"), ["x"], np.eye(8, dtype=np.float32)[:1])
        with pytest.raises(VectorCopyError, match="8 dimensions, here e, 4 dimensions"):
            await VectorCopy(here, there, random.Random(1), lambda *_: None).run()
        assert await there.collections() == ["b.e"]


JSON = {"Content-Type": "application/json"}
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


async def call(server: ChromaRun, method: str, path: str, content: object = None) -> object:
    """As somebody else who uses the server."""
    async with (
        aiohttp.ClientSession(server.url) as session,
        session.request(method, f"{COLLECTIONS}{path}", json=content) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def names(server: ChromaRun) -> list[str]:
    found = await call(server, "GET", "")
    assert isinstance(found, list)
    return [each["name"] for each in found]

"""What becomes of the vectors when the Chroma server is slow, or has too much to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from database.metrics import Metrics
from tests.fakes.chroma_run import ChromaRun, chroma_run
from tests.fakes.fake_clock import FakeClock
from vectorstore.chroma_manager import ChromaManager, Collection, ManagerOptions, VectorStoreUnavailableError
from vectorstore.chroma_server import ServerOptions

pytestmark = pytest.mark.blocking_allowed  # starts a server in a folder

PLACE = Collection("shop", "test-4")
ROWS = np.eye(4, dtype=np.float32)


class Gateway:
    """Stands before a Chroma server. The next requests are refused with 429, or held, if told so."""

    def __init__(self, server: ChromaRun) -> None:
        self._server = server
        self.url = ""
        self.asked: list[str] = []
        self.refusals = 0
        self.retry_after: str | None = None
        self.open = asyncio.Event()
        self.open.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Gateway"]:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        async with TestServer(app) as listening:
            self.url = str(listening.make_url("")).rstrip("/")
            yield self
            self.open.set()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path.rpartition("/")[2])
        await self.open.wait()
        if self.refusals:
            self.refusals -= 1
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=429, text="slow down", headers=headers)
        async with (
            aiohttp.ClientSession(self._server.url) as session,
            session.request(
                request.method,
                request.path_qs,
                data=await request.read(),
                headers={"Content-Type": "application/json"},
            ) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read())


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with chroma_run(tmp_path / "server") as server, Gateway(server).running() as running:
        yield running


async def unready(store: ChromaManager) -> None:
    async with asyncio.timeout(20):
        while store.ready:
            await asyncio.sleep(0.01)


async def test_a_busy_server_is_asked_again_when_it_says(gateway: Gateway, clock: FakeClock, metrics: Metrics) -> None:
    """429: nobody asks before the time that the server names, the write is made then, and nothing is compared anew."""
    options = ManagerOptions(call_seconds=60.0)
    place = ServerOptions(gateway.url, "here")
    async with ChromaManager.open(place, metrics, clock=clock, options=options) as store:
        await store.wait_ready()
        await store.add(PLACE, ["a"], ROWS[:1])
        seen = store.incarnation
        gateway.refusals, gateway.retry_after = 1, "30"
        adding = asyncio.create_task(store.add(PLACE, ["b"], ROWS[1:2]))
        await unready(store)
        asked = len(gateway.asked)
        await clock.advance(29)
        with pytest.raises(VectorStoreUnavailableError):
            await store.query(PLACE, ROWS[0], 1)
        assert len(gateway.asked) == asked
        await clock.advance(1)
        await adding
        assert await store.ids(PLACE) == {"a", "b"}
        assert store.incarnation == seen


async def test_a_busy_server_is_left_alone_longer_each_time(
    gateway: Gateway, clock: FakeClock, metrics: Metrics
) -> None:
    """Without a time that it names the pauses grow; what a server asks for has an end."""
    place = ServerOptions(gateway.url, "here", longest_rest_seconds=40.0)
    async with ChromaManager.open(place, metrics, clock=clock, options=ManagerOptions(call_seconds=60.0)) as store:
        await store.wait_ready()
        seen = store.incarnation
        gateway.refusals = 4
        counting = asyncio.create_task(store.collections())
        await unready(store)
        while gateway.refusals:
            await clock.advance(0.05)
            await asyncio.sleep(0.01)
        # of the four pauses the last is at least half of 0.25 s, doubled four times
        assert clock.monotonic() > 1.0
        gateway.refusals, gateway.retry_after = 1, "86400"
        while gateway.refusals:
            await clock.advance(0.05)
            await asyncio.sleep(0.01)
        await clock.advance(40)
        assert await counting == []
        assert store.incarnation == seen


async def test_a_slow_server_has_not_gone(gateway: Gateway, metrics: Metrics) -> None:
    """One answer that takes too long costs that answer alone: what the server holds need not be compared anew."""
    place = ServerOptions(gateway.url, "here")
    async with ChromaManager.open(place, metrics, options=ManagerOptions(query_seconds=0.3)) as store:
        await store.wait_ready()
        await store.add(PLACE, ["a"], ROWS[:1])
        seen = store.incarnation
        gateway.open.clear()
        with pytest.raises(VectorStoreUnavailableError):
            await store.query(PLACE, ROWS[0], 1)
        await unready(store)
        gateway.open.set()
        await store.wait_ready()
        assert [key for key, _ in await store.query(PLACE, ROWS[0], 1)] == ["a"]
        assert store.incarnation == seen

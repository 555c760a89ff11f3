"""What chaos's librarian and listener write into the diary when a server misbehaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from bot.chaos.evidence import SEARCH, still_found
from bot.chaos.librarian import DOCUMENTS, keep_shelves, listen
from bot.chaos.server_process import LOOPBACK, ServerProcess
from bot.chaos.stage import ChaosOptions, Expected, Stage, Upload
from bot.simulator.simulator import Simulator
from database.clock import SystemClock


class BadServer:
    """Stands still when asked whether it lives, and refuses documents; `looked` and `handed` count what was asked."""

    def __init__(self) -> None:
        self.looked: asyncio.Queue[None] = asyncio.Queue()
        self.handed: asyncio.Queue[None] = asyncio.Queue()
        self.free = asyncio.Event()
        self.status = 200

    async def live(self, _request: web.Request) -> web.Response:
        self.looked.put_nowait(None)
        await self.free.wait()
        return web.Response(status=self.status)

    async def refuse(self, _request: web.Request) -> web.Response:
        self.handed.put_nowait(None)
        return web.Response(status=507)

    async def find(self, request: web.Request) -> web.Response:
        asked = (await request.json())["query"]
        found = {"lighthouse 1": "kept.md", "lighthouse 2": "gone.md", "lighthouse 3": "kept.md"}[asked]
        return web.json_response({"passages": [{"document_id": "1", "filename": found, "text": "", "score": 1}]})

    async def nothing(self, _request: web.Request) -> web.Response:
        return web.json_response({"documents": [], "next_cursor": None})


@pytest.fixture
def bad() -> BadServer:
    return BadServer()


@pytest.fixture
async def stage(bad: BadServer, tmp_path: Path) -> AsyncIterator[Stage]:
    app = web.Application()
    app.add_routes(
        [
            *(web.get("/health/live", bad.live), web.get(DOCUMENTS, bad.nothing)),
            *(web.post(DOCUMENTS, bad.refuse), web.post(SEARCH, bad.find)),
        ]
    )
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, LOOPBACK, 0).start()
        server = ServerProcess(tmp_path / "data", "", port=runner.addresses[0][1])
        yield Stage(ChaosOptions(), SystemClock(), server, cast("Simulator", None))  # these two talk to no WhatsApp
        bad.free.set()


async def listened(stage: Stage, bad: BadServer, *, kills: int) -> list[float]:
    """The waits after two looks, during each of which the server was killed so often."""
    listening = asyncio.create_task(listen(stage, patience_seconds=0.3))
    for _ in range(2):
        await bad.looked.get()
        stage.diary.kills["server"] += kills
    stage.over.set()
    await listening
    return stage.diary.waits


async def test_a_standstill_beyond_patience_is_noted(stage: Stage, bad: BadServer):
    """Who never answers has stood still for as long as we waited, and is not forgotten."""
    waits = await listened(stage, bad, kills=0)
    assert len(waits) == 2
    assert min(waits) >= 0.3


async def test_a_standstill_of_a_killed_server_is_not_its_fault(stage: Stage, bad: BadServer):
    """A server that was killed meanwhile could not answer."""
    assert await listened(stage, bad, kills=1) == []


@pytest.mark.parametrize(("kills", "unwell"), [(0, [503, 503]), (1, [])])
async def test_a_server_that_says_it_is_not_alive_is_noted(stage: Stage, bad: BadServer, kills: int, unwell: list[int]):
    """An answer other than 200 counts, unless a kill may be behind it."""
    bad.status = 503
    bad.free.set()
    await listened(stage, bad, kills=kills)
    assert stage.diary.unwell[:2] == unwell


async def test_a_deleted_document_that_is_found_is_noted(stage: Stage):
    """A search for what only the deleted document said leads to nothing of it."""
    kept = Upload("kept.md", Expected.THERE, ("lighthouse 1",))
    gone = [Upload("gone.md", Expected.GONE, ("lighthouse 2",)), Upload("really.md", Expected.GONE, ("lighthouse 3",))]
    async with aiohttp.ClientSession(stage.server.url) as session:
        assert await still_found(session, [kept, *gone]) == ["gone.md"]


async def test_a_refused_document_is_noted(stage: Stage, bad: BadServer):
    """A living server that takes no documents breaks what was promised; nobody waits for what it refused."""
    working = asyncio.create_task(keep_shelves(stage))
    await bad.handed.get()
    stage.over.set()
    await working
    assert stage.diary.refused == ["lamps-0-0001.md was refused: the server answered 507"]
    assert [upload.expected for upload in stage.diary.uploads] == [Expected.GONE]

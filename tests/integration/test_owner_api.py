"""How commands speak to a running server that is busy, or breaks off."""

import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.commands.failures import CommandError
from bot.commands.owner_api import OwnerApi
from tests.fakes.fake_clock import FakeClock

DOCUMENT = {"documents": [{"id": "d1"}]}


class BusyClock(FakeClock):
    """Time that passes as soon as somebody waits; `pauses` are how long they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.advance(seconds)


@asynccontextmanager
async def speaking_to(handler):
    """A server whose every request goes to `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    clock = BusyClock()
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield OwnerApi(session, clock), clock


async def test_a_busy_server_is_asked_again_when_it_says(tmp_path):
    """429 and 503 are waited for by Retry-After, a date or nonsense for a second; the file is sent whole each time."""
    file = tmp_path / "a.txt"
    file.write_bytes(b"x" * 300_000)
    answers = [(429, "2"), (503, "7"), (503, "Wed, 21 Oct 2026 07:28:00 GMT"), (429, "-5"), (429, "1e9"), (202, "")]
    received: list[bytes] = []
    shares: list[float] = []

    async def handler(request):
        received.append(await (await (await request.multipart()).next()).read())
        status, after = answers.pop(0)
        return web.json_response(DOCUMENT, status=status, headers={"Retry-After": after} if after else {})

    async with speaking_to(handler) as (api, clock):
        assert await api.upload("/documents", file, "a.txt", {"hold": "true"}, shares.append) == DOCUMENT
    assert clock.pauses == [2.0, 7.0, 1.0, 0.0, 60.0]
    assert [len(each) for each in received] == [300_000] * 6
    assert (max(shares), shares[-1]) == (1.0, 1.0)


async def test_a_server_that_stays_busy_is_given_up():
    """A sentence after twenty tries."""

    async def handler(_request):
        return web.Response(status=503)

    async with speaking_to(handler) as (api, clock):
        with pytest.raises(CommandError, match="refuses any more"):
            await api.get("/documents")
    assert clock.pauses == [1.0] * 20


async def test_events_end_when_the_server_does_not_stream():
    """Whoever wants them looks for themselves then."""

    async def handler(_request):
        return web.Response(status=503)

    async with speaking_to(handler) as (api, _):
        assert [event async for event in api.events("/events")] == []


async def test_events_end_when_the_stream_breaks_off():
    """What came before counts; the beginning is told by a heartbeat."""

    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: document\ndata: " + json.dumps({"id": "d1"}).encode() + b"\n\nevent: docu")
        request.transport.abort()
        return response

    async with speaking_to(handler) as (api, _):
        beat, event = [event async for event in api.events("/events")]
    assert beat.is_heartbeat
    assert json.loads(event.text) == {"id": "d1"}

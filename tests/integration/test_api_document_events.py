"""Documents as server-sent events, over real sockets, beside real uploads."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bot.api.document_events import STREAMS
from bot.commands.event_stream import server_events
from database.clock import SystemClock
from tests.fakes.document_desk import document_desk
from tests.fakes.fake_clock import FakeClock, settle


@pytest.fixture
async def desk(chat, knowledge, metrics, tmp_path):
    async with document_desk(chat, knowledge, SystemClock(), metrics, tmp_path / "uploads") as desk:
        yield desk


@pytest.fixture
async def still_desk(chat, knowledge, clock, metrics, tmp_path):
    """Its time stands still."""
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "uploads") as desk:
        yield desk


@asynccontextmanager
async def listening(desk):
    """The events, once the server listens."""
    async with desk.client.get(f"{desk.documents}/events") as response:
        assert response.status == 200
        events = server_events(response.content)
        assert (await anext(events)).is_heartbeat
        yield events


async def following(events, *wanted):
    """What is told until these (id, status) have been told; heartbeats left out."""
    told, left = [], set(wanted)
    async with asyncio.timeout(30):
        while left:
            event = await anext(events)
            if event.name == "document":
                document = json.loads(event.text)
                told.append(document)
                left.discard((document["id"], document["status"]))
    return told


async def idle(desk, streams=0):
    while len(desk.client.server.app[STREAMS]) != streams:
        await asyncio.sleep(0)


async def test_an_upload_is_told_to_its_end(desk):
    """From queued to ready, progress never back, the last event as the document is; it is no page to be cached."""
    async with desk.client.get(f"{desk.documents}/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"
        events = server_events(response.content)
        documents = await desk.upload(("a.txt", b"first"), ("b.md", b"# Second\n\ntext"))
        told = await following(events, *((each["id"], "ready") for each in documents))
    for document in documents:
        of_it = [each for each in told if each["id"] == document["id"]]
        assert [each["progress"] for each in of_it] == sorted(each["progress"] for each in of_it)
        assert of_it[-1] == await desk.call("GET", f"/{document['id']}")


async def test_who_comes_later_hears_first_what_is_under_way(desk):
    """A document that waits is told at once, one that is ready is not."""
    (ready,) = await desk.ended(*await desk.upload(("a.txt", b"first")))
    desk.embedder.gate.clear()
    (waiting,) = await desk.upload(("b.txt", b"second"))
    async with listening(desk) as events:
        event = await anext(events)
        assert json.loads(event.text)["id"] == waiting["id"]
        desk.embedder.gate.set()
        told = await following(events, (waiting["id"], "ready"))
        assert ready["id"] not in {each["id"] for each in told}


async def test_a_deleted_document_is_told_by_its_id(desk):
    """And so is a change of its tags before."""
    (document,) = await desk.ended(*await desk.upload(("a.txt", b"first")))
    async with listening(desk) as events:
        await desk.call("PATCH", f"/{document['id']}", json={"tags": ["new"]})
        assert json.loads((await anext(events)).text)["tags"] == ["new"]
        await desk.call("DELETE", f"/{document['id']}", 204)
        event = await anext(events)
    assert (event.name, json.loads(event.text)) == ("deleted", {"id": document["id"]})


async def test_no_business_hears_of_another(desk):
    """What is uploaded there is not told here."""

    async def content():
        yield b"theirs"

    async with listening(desk) as events:
        theirs = await desk.ingestion.accept("another-business", "theirs.txt", content())
        await desk.ingestion.wait_until_done([theirs.id])
        (ours,) = await desk.upload(("a.txt", b"first"))
        told = await following(events, (ours["id"], "ready"))
    assert {each["id"] for each in told} == {ours["id"]}


async def test_changes_are_told_five_times_a_second_at_most(still_desk, clock: FakeClock):
    """However often a document changes between, it is told once, as it is by then."""
    desk = still_desk
    (document,) = await desk.ended(*await desk.upload(("a.txt", b"first")))
    async with listening(desk) as events:
        for tag in ("one", "two"):
            await desk.call("PATCH", f"/{document['id']}", json={"tags": [tag]})
        assert json.loads((await anext(events)).text)["tags"] in (["one"], ["two"])
        await desk.call("PATCH", f"/{document['id']}", json={"tags": ["three"]})
        await desk.call("PATCH", f"/{document['id']}", json={"tags": ["four"]})
        later = asyncio.ensure_future(anext(events))
        await settle(50)
        assert not later.done()
        await clock.advance(0.2)
        assert json.loads((await later).text)["tags"] == ["four"]


async def test_silence_is_broken_every_15_seconds(still_desk, clock: FakeClock):
    """So that no proxy closes the line."""
    async with listening(still_desk) as events:
        for _ in range(2):
            began = clock.monotonic()
            beat = asyncio.ensure_future(anext(events))
            while not beat.done():
                await clock.advance(0.5)
            assert (await beat).is_heartbeat
            assert clock.monotonic() - began >= 15


async def test_a_client_that_leaves_is_forgotten(still_desk, clock: FakeClock):
    """At the next heartbeat at the latest, without an error in the log."""
    async with listening(still_desk):
        assert len(still_desk.client.server.app[STREAMS]) == 1
    while len(still_desk.client.server.app[STREAMS]):
        await clock.advance(15.2)
        await asyncio.sleep(0)
    assert still_desk.ingestion.news._listeners == {}


async def test_listeners_are_bounded(desk):
    """503 with Retry-After beyond the limit; a place that is left is free again."""
    async with listening(desk), listening(desk):
        async with listening(desk), desk.client.get(f"{desk.documents}/events") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "5")
            assert response.content_type == "application/problem+json"
        await desk.upload(("a.txt", b""), ("b.txt", b""))
        await idle(desk, 2)
        async with listening(desk):
            pass


async def test_a_stop_ends_every_stream(chat, knowledge, metrics, tmp_path):
    """At once, also for clients that never read; the stream has a proper end."""
    async with document_desk(chat, knowledge, SystemClock(), metrics, tmp_path / "uploads") as desk:
        response = await desk.client.get(f"{desk.documents}/events")
        closing = asyncio.create_task(desk.client.server.close())
        async with asyncio.timeout(5):
            assert b"still here" in await response.read()
            await closing


async def test_a_fault_of_ours_breaks_the_stream_off(desk, knowledge, caplog):
    """An answer that has begun cannot become a problem document: the line is cut, and the log knows why."""

    async def lose(transaction):
        await transaction.run("ALTER TABLE documents RENAME TO lost")

    (document,) = await desk.ended(*await desk.upload(("a.txt", b"first")))
    async with listening(desk) as events:
        await knowledge.write(lose)
        desk.ingestion.news.tell(desk.business.id, [document["id"]])
        with pytest.raises(aiohttp.ClientError):
            await anext(events)
    assert "a stream of document events broke off" in caplog.text


async def test_events_want_the_token_and_a_business_that_exists(desk):
    """As every other address."""
    async with desk.client.get(f"{desk.documents}/events", headers={"Authorization": "Bearer x"}) as response:
        assert response.status == 401
    assert (await desk.client.get("/api/v1/businesses/nobody/documents/events")).status == 404

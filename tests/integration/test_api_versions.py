"""Versions of documents through the API: replaced, held, published, discarded, rolled back, tried again."""

import asyncio

import pytest

from services.ingestion import IngestionOptions
from tests.fakes.document_desk import document_desk, form
from tests.fakes.ingestion_desk import pieces

FIRST, SECOND = b"Rental costs 10 euros a day.", b"Rental costs 12 euros a day."


@pytest.fixture
async def desk(chat, knowledge, clock, metrics, tmp_path):
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "uploads") as desk:
        yield desk


@pytest.fixture
async def prices(desk):
    """A document that answers."""
    (document,) = await desk.ended(*await desk.upload(("prices.txt", FIRST)))
    return document


async def versions(desk, document):
    page = await desk.call("GET", f"/{document['id']}/versions")
    assert page["next_cursor"] is None
    return [(each["number"], each["state"], each["origin"]) for each in page["versions"]]


async def put(desk, document, content, **query):
    return await desk.call("PUT", f"/{document['id']}/content", 202, data=content, params=query)


async def test_other_content_makes_a_new_version(desk, prices):
    """202; the old one answers until the new one is complete; the name stays."""
    desk.embedder.gate.clear()
    coming = await put(desk, prices, SECOND)
    assert (coming["id"], coming["filename"], coming["version"]) == (prices["id"], "prices.txt", 2)
    assert (coming["is_processed"], coming["live_version"], coming["status"]) == (True, 1, "queued")
    assert await versions(desk, prices) == [(2, "working", None), (1, "live", None)]
    desk.embedder.gate.set()
    (ready,) = await desk.ended(coming)
    assert (ready["live_version"], ready["status"]) == (2, "ready")
    assert await versions(desk, prices) == [(2, "live", None), (1, "old", None)]


async def test_a_form_may_bring_a_name(desk, prices):
    """One file; its name is the document's once the version answers."""
    coming = await desk.call("PUT", f"/{prices['id']}/content", 202, data=form(("new prices.txt", SECOND)))
    assert (coming["id"], coming["filename"], coming["version"]) == (prices["id"], "prices.txt", 2)
    assert [each["filename"] for each in await desk.ended(coming)] == ["new prices.txt"]
    two = form(("a.txt", FIRST), ("b.txt", SECOND))
    problem = await desk.call("PUT", f"/{prices['id']}/content", 413, data=two)
    assert problem["detail"] == "At most 1 file a request: nothing of this one was taken."


async def test_the_same_content_again_changes_nothing(desk, prices):
    """By its name or by its id: the document as it is."""
    assert await put(desk, prices, FIRST) == prices
    assert await desk.upload(("prices.txt", FIRST)) == [prices]
    assert len(desk.stored()) == 1


async def test_a_bad_new_version_leaves_the_old_one_alone(desk, prices):
    """It has failed, with a sentence; what answered still does; tried again with the file, it fails again."""
    failed = await put(desk, prices, b"")
    assert (failed["status"], failed["error_message"], failed["live_version"]) == ("failed", "The file is empty.", 1)
    assert failed["is_processed"] is True
    assert await versions(desk, prices) == [(2, "failed", None), (1, "live", None)]


async def test_a_body_that_breaks_off_is_no_version(desk, prices, caplog):
    """The document stays as it was, and no file is left."""
    _, writer = await asyncio.open_connection(desk.client.host, desk.client.port)
    head = (
        f"PUT {desk.documents}/{prices['id']}/content HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {desk.client.session.headers['Authorization']}\r\nContent-Length: 9000000\r\n\r\n"
    )
    writer.write(head.encode() + b"x" * 2_000_000)
    await writer.drain()
    while len(desk.stored()) == 1:
        await asyncio.sleep(0)
    writer.transport.abort()
    while len(desk.stored()) > 1:
        await asyncio.sleep(0)
    assert await desk.call("GET", f"/{prices['id']}") == prices
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


async def test_a_held_version_waits_to_be_published(desk, prices):
    """Complete, but the old one answers; publish switches; a second publish has nothing to do."""
    (held,) = await desk.ended(await put(desk, prices, SECOND, hold="true"))
    assert (held["status"], held["live_version"], held["held_version"]) == ("ready", 1, 2)
    assert await versions(desk, prices) == [(2, "held", None), (1, "live", None)]
    published = await desk.call("POST", f"/{prices['id']}/publish")
    assert (published["live_version"], published["held_version"]) == (2, None)
    problem = await desk.call("POST", f"/{prices['id']}/publish", 409)
    assert problem["detail"] == "No version of the document waits to be published."


async def test_a_held_version_can_be_discarded(desk, prices):
    """The live one stays as it was."""
    await desk.ended(*await desk.upload(("prices.txt", SECOND), hold="1"))
    discarded = await desk.call("POST", f"/{prices['id']}/discard")
    assert (discarded["live_version"], discarded["held_version"]) == (1, None)
    await desk.call("POST", f"/{prices['id']}/discard", 409)


async def test_an_earlier_version_can_be_brought_back(desk, prices):
    """As a new version; its embeddings are not made again. A version that never was is 409."""
    await desk.ended(await put(desk, prices, SECOND))
    embedded = len(desk.embedder.texts)
    coming = await desk.call("POST", f"/{prices['id']}/rollback", 202, json={"version": 1})
    (ready,) = await desk.ended(coming)
    assert (ready["version"], ready["live_version"]) == (3, 3)
    assert (await versions(desk, prices))[0] == (3, "live", 1)
    assert len(desk.embedder.texts) == embedded
    problem = await desk.call("POST", f"/{prices['id']}/rollback", 409, json={"version": 9})
    assert problem["detail"].startswith("There is no version 9 ")


@pytest.mark.parametrize("body", [{}, {"version": 0}, {"version": "1"}, {"version": 1.5}, {"version": 1, "x": 2}])
async def test_a_roll_back_says_what_it_cannot_use(desk, prices, body):
    """422, nothing is done."""
    await desk.call("POST", f"/{prices['id']}/rollback", 422, json=body)
    assert await versions(desk, prices) == [(1, "live", None)]


async def test_a_failed_version_is_tried_again(chat, knowledge, clock, metrics, tmp_path):
    """202, and ready once what kept it is over; 409 for what has not failed, or whose file was not taken."""
    options = IngestionOptions(retries=0)
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "uploads", options=options) as desk:
        desk.embedder.failures = 1
        failed, empty = await desk.ended(*await desk.upload(("prices.txt", FIRST), ("empty.txt", b"")))
        assert failed["status"] == "failed"
        again = await desk.call("POST", f"/{failed['id']}/retry", 202)
        assert again["error_message"] is None
        (ready,) = await desk.ended(again)
        assert (ready["status"], ready["version"]) == ("ready", 1)
        await desk.call("POST", f"/{failed['id']}/retry", 409)
        problem = await desk.call("POST", f"/{empty['id']}/retry", 409)
        assert "Upload it again" in problem["detail"]


async def test_a_version_tells_what_it_is(desk, prices):
    """Bytes, digest, times, chunks: what one needs to know which one to go back to."""
    page = await desk.call("GET", f"/{prices['id']}/versions")
    (version,) = page["versions"]
    assert set(version) == {
        *("number", "state", "bytes", "sha256", "chunks_count", "error_message", "origin", "created_at"),
        *("completed_at", "live_at"),
    }
    assert (version["bytes"], version["chunks_count"], len(version["sha256"])) == (len(FIRST), 1, 64)


async def test_only_uploads_take_a_file(desk):
    """What is made of something else says where to change it: 409, and nothing is stored."""
    for source, word in (("import", "chunk set"), ("answer", "answer"), ("web", "web page")):
        made = await desk.ingestion.accept(desk.business.id, f"{source}.md", pieces(FIRST), source=source)
        problem = await desk.call("PUT", f"/{made.id}/content", 409, data=SECOND)
        assert word in problem["detail"]

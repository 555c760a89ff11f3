"""How `concierge ingest` follows what it handed over: documents that change, end, or are deleted meanwhile."""

import asyncio
from typing import Any

import pytest

from bot.commands.ingest_run import IngestRun, Piece
from bot.commands.knowledge_door import DELETED, DeletedDocument
from bot.commands.upload_bars import UploadBars
from tests.fakes.fake_clock import FakeClock


def shown(document_id, status="parsing", version=1):
    return {"id": document_id, "filename": f"{document_id}.txt", "status": status, "progress": 0.5, "version": version}


class ScriptedDoor:
    """Knowledge whose changes a test tells; `there` are the Documents as a look finds them."""

    def __init__(self):
        self.told: asyncio.Queue[dict[str, Any] | DeletedDocument | None] = asyncio.Queue()
        self.there: dict[str, dict[str, Any]] = {}

    async def document(self, document_id):
        return self.there.get(document_id)

    async def changes(self):
        yield None
        while True:
            yield await self.told.get()


def handed_over(door, document_id, told=()):
    """A piece whose Document is handed over once everything `told` was heard."""

    async def begin(_sent):
        for each in told:
            door.told.put_nowait(each)
        while not door.told.empty():
            await asyncio.sleep(0)
        return shown(document_id)

    return Piece(f"{document_id}.txt", begin)


@pytest.fixture
def door():
    return ScriptedDoor()


async def ends_of(door, pieces, *told):
    """(name, status, error) of each piece, after all were handed over and `told` was heard."""
    with UploadBars([piece.name for piece in pieces], shown=False) as bars:
        run = IngestRun(door, pieces, bars, FakeClock())
        finishing = asyncio.create_task(run.finish())
        while any(each is None for each in run.documents):
            await asyncio.sleep(0)
        for each in told:
            door.told.put_nowait(each)
        async with asyncio.timeout(10):
            found = await finishing
    return [(each["filename"], each["status"], each.get("error_message")) for each in found]


async def test_a_document_that_is_deleted_fails_alone(door):
    """Whoever deletes a document meanwhile does not end the command; the others are followed to their end."""
    pieces = [handed_over(door, "a"), handed_over(door, "b")]
    ends = await ends_of(door, pieces, DeletedDocument("a"), DeletedDocument("x"), shown("b", "ready"))
    assert ends == [("a.txt", "failed", DELETED), ("b.txt", "ready", None)]


async def test_a_look_finds_what_is_deleted(door):
    """Where events are missed, looking finds out."""
    door.there = {"b": shown("b", "ready")}
    ends = await ends_of(door, [handed_over(door, "a"), handed_over(door, "b")], None)
    assert ends == [("a.txt", "failed", DELETED), ("b.txt", "ready", None)]


async def test_a_deletion_that_overtakes_the_answer_counts(door):
    """A document may be gone before its upload was answered."""
    ends = await ends_of(door, [handed_over(door, "a", [DeletedDocument("a")])])
    assert ends == [("a.txt", "failed", DELETED)]


async def test_what_was_ready_stays_ready(door):
    """Its file was read: what becomes of it later is not the command's failure."""
    pieces = [handed_over(door, "a"), handed_over(door, "b")]
    ends = await ends_of(door, pieces, shown("a", "ready"), DeletedDocument("a"), shown("b", "ready"))
    assert ends == [("a.txt", "ready", None), ("b.txt", "ready", None)]


async def test_two_pieces_of_one_document_end_together(door):
    """The same web address named twice is one document."""
    pieces = [handed_over(door, "a"), handed_over(door, "a")]
    assert await ends_of(door, pieces, shown("a", "ready")) == [("a.txt", "ready", None)] * 2

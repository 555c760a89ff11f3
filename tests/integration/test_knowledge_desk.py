"""The desk changes real knowledge: parser, word index, Chroma and embedder together, over repeats and crashes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.admin_ports import Correction, FileFetchError, FileProblem
from agents.ports import Proposal, ProposalState
from database.clock import SystemClock
from database.engine import Database
from database.metrics import Metrics
from database.records import Chunk, Document, DocumentStatus, Passage
from database.transaction import Transaction, Unit
from services.document_files import DocumentFiles
from services.document_parser import DocumentParser, ParserLimits
from services.document_pipeline import Knowledge
from services.ingestion import Ingestion, IngestionOptions
from services.knowledge_desk import KnowledgeDesk
from services.knowledge_news import KnowledgeNews
from services.knowledge_ports import Vectors
from services.whatsapp.media import MediaFile
from tests.fakes.knowledge_base import KnowledgeBase, knowledge_base
from vectorstore.knowledge_index import KnowledgeIndex

PATIENCE = 60.0


@dataclass
class Phone:
    """Files that somebody sent; `fault` is raised instead, `waits` holds the content up."""

    content_of: bytes = b"The tower opens at eight."
    fault: FileProblem | None = None
    fetched: int = 0

    async def look_up(self, media_id: str) -> MediaFile:
        return MediaFile("https://lookaside.fbsbx.com/x", len(self.content_of), "text/plain", None)

    async def content(self, media_id: str, most_bytes: int) -> AsyncIterator[bytes]:
        self.fetched += 1
        yield self.content_of
        if self.fault is not None:
            raise FileFetchError(self.fault)


class Door:
    """Before the real index: holds `add` up until it is opened."""

    def __init__(self, index: KnowledgeIndex) -> None:
        self._index = index
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def add(self, chunks: Sequence[Chunk], vectors: Vectors, *, embedder: str | None = None) -> None:
        self.reached.set()
        await self.opened.wait()
        await self._index.add(chunks, vectors, embedder=embedder)

    async def remove(self, business_id: str, chunk_ids: Sequence[str]) -> None:
        await self._index.remove(business_id, chunk_ids)

    async def scrub(self) -> None:
        await self._index.scrub()

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        return await self._index.search(business_id, query, limit=limit)


@dataclass
class Place:
    """A desk and what stands behind it."""

    desk: KnowledgeDesk
    base: KnowledgeBase
    ingestion: Ingestion
    phone: Phone
    chat: Database

    async def texts(self, query: str) -> list[str]:
        return [each.text for each in await self.base.index.search("b", query, limit=10)]


@pytest.fixture
async def place(chat: Database, metrics: Metrics, tmp_path: Path) -> AsyncIterator[Place]:
    """Wired as in production, but for the embedder and the line to Meta."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(knowledge_base(tmp_path))
        await base.vectors.wait_ready()
        parser = DocumentParser(clock, ParserLimits(children=1))
        parts = Knowledge(base.database, base.index, base.embedder, parser, DocumentFiles(tmp_path / "files"))
        ingestion = Ingestion(parts, clock, metrics, IngestionOptions(workers=1))
        await ingestion.start()
        stack.push_async_callback(ingestion.drain, 5)
        phone = Phone()
        desk = KnowledgeDesk(
            *(chat, base.database, base.index, base.embedder, ingestion, phone, clock),
            most_megabytes=1,
            patience_seconds=PATIENCE,
        )
        yield Place(desk, base, ingestion, phone, chat)


async def test_a_note_is_stored_once_however_often_it_is_asked_for(place: Place):
    """The same yes after a crash, or cut off by a newer message, makes no second document."""
    for _ in range(2):
        await place.desk.add_note("b", "note-1", "Note 2026-11-22: closed.md", "We are closed on 24 December.")
    cut_off = asyncio.create_task(place.desk.add_note("b", "note-2", "Note.md", "The tower is high."))
    await asyncio.sleep(0)
    cut_off.cancel()
    await asyncio.wait({cut_off})
    await place.desk.add_note("b", "note-2", "Note.md", "The tower is high.")
    found = await place.desk.outcome("b", ["note-1", "note-2", "never"])
    assert [(each.id, each.status) for each in found] == [
        ("note-1", DocumentStatus.READY),
        ("note-2", DocumentStatus.READY),
    ]
    assert (await place.texts("closed December"))[0] == "We are closed on 24 December."
    documents, _ = await place.ingestion.list("b", 10, None)
    assert len(documents) == 2


async def test_a_file_that_cannot_be_had_leaves_nothing(place: Place):
    """A download that breaks at its very end is no document; the next try is."""
    place.phone.fault = FileProblem.AWAY
    with pytest.raises(FileFetchError):
        await place.desk.add_file("b", "file-1", "tower.txt", "1")
    assert await place.desk.outcome("b", ["file-1"]) == []
    place.phone.fault = None
    await place.desk.add_file("b", "file-1", "tower.txt", "1")
    await place.desk.add_file("b", "file-1", "tower.txt", "1")
    await place.desk.outcome("b", ["file-1"])
    assert place.phone.fetched == 2
    assert await place.texts("tower opens") == ["The tower opens at eight."]


async def test_a_sentence_is_taken_out_of_its_passage(place: Place):
    """Both legs of the search forget it at once, the rest of the passage stays; repeated, nothing more happens."""
    [chunk] = await place.base.learn("b", ["Parking is free. The garden is open."], filename="faq.md")
    before = await place.base.index.version("b")
    for _ in range(2):
        await place.desk.forget("b", "p", [Correction(chunk.id, ("Parking is free.",))])
    assert await place.texts("garden") == ["The garden is open."]
    assert "Parking is free." not in str(await place.texts("parking free"))
    assert await place.base.index.version("b") == before + 1
    [left] = await place.base.index.search("b", "garden", limit=5)
    assert left.document_id == chunk.document_id
    assert left.cosine is not None


async def test_a_document_goes_with_its_last_sentence(place: Place):
    """What is left empty is deleted, also for its owner's list; other businesses' passages cannot be named."""
    one, other = await place.base.learn("b", ["The lamp is green.", "The door is blue."], filename="colours.md")
    assert not await place.desk.forget("someone-else", "p", [Correction(one.id, ())])
    assert len(await place.texts("lamp door")) == 2
    assert await place.desk.forget("b", "p", [Correction(one.id, ("The lamp is green.",))])
    assert await place.texts("lamp door") == ["The door is blue."]
    assert await place.desk.forget("b", "p", [Correction(other.id, ())])
    assert await place.texts("lamp door") == []
    assert (await place.ingestion.list("b", 10, None))[0] == []


async def test_a_correction_that_was_begun_is_finished(place: Place):
    """Cut off between database and index, the rest of the passage is found all the same; the repetition counts it."""
    await place.chat.write(_proposal("p1", "open"))
    [chunk] = await place.base.learn("b1", ["Parking is free. The garden is open."], filename="faq.md")
    door = Door(place.base.index)
    desk = KnowledgeDesk(
        *(place.chat, place.base.database, door, place.base.embedder, place.ingestion, place.phone, SystemClock()),
        most_megabytes=1,
    )
    correction = Correction(chunk.id, ("Parking is free.",))
    cut_off = asyncio.create_task(desk.forget("b1", "p1", [correction]))
    await door.reached.wait()
    cut_off.cancel()
    await asyncio.sleep(0)
    door.opened.set()
    await asyncio.wait({cut_off})
    assert cut_off.cancelled()
    assert await desk.forget("b1", "p1", [correction]) == 1
    [left] = await place.base.index.search("b1", "garden", limit=5)
    assert left.text == "The garden is open."
    assert left.cosine is not None


async def test_the_first_answer_counts(place: Place):
    """An answer that was begun holds for whoever asks later, unless nothing of it could be done."""
    await place.chat.write(_proposal("p1", "open"))
    assert await place.desk.choose("v", "p1", "add") == "add"
    assert await place.desk.choose("v", "p1", "drop") == "add"
    assert [each.chosen for each in await place.desk.open_proposals("v")] == ["add"]
    assert await place.desk.choose("another", "p1", "drop") is None
    await place.desk.choose_again("v", "p1")
    assert await place.desk.choose("v", "p1", "drop") == "drop"


async def test_the_news_is_told_once(place: Place):
    """An admin who said yes hears of the end of the reading in one message, also when the sweep is cut off."""
    await place.chat.write(_proposal("p1"))
    await place.desk.add_note("b1", "p1", "Note.md", "The tower is high.")
    await place.desk.outcome("b1", ["p1"])
    rung: list[bool] = []

    async def concluded(business_id: str, proposal: Proposal, documents: Sequence[Document]) -> str:
        return f"{business_id} {proposal.id}: {len(documents)} read"

    news = KnowledgeNews(place.chat, place.ingestion, SystemClock(), concluded, lambda: rung.append(True))
    await asyncio.gather(news.sweep(), news.sweep())
    await news.sweep()
    rows = await place.chat.read(_rows("SELECT text, state, turn_id FROM outbox"))
    assert rows == [{"text": "b1 p1: 1 read", "state": "queued", "turn_id": None}]
    assert await place.chat.read(_rows("SELECT state FROM proposals")) == [{"state": ProposalState.DONE}]
    assert rung == [True]


def _rows(sql: str) -> Unit[list[dict[str, object]]]:
    async def unit(transaction: Transaction) -> list[dict[str, object]]:
        return [dict(row) for row in await transaction.all(sql)]

    return unit


def _proposal(proposal_id: str, state: str = "reading") -> Unit[None]:
    async def unit(transaction: Transaction) -> None:
        for sql in (
            "INSERT INTO businesses (id, slug, name, created_at) VALUES ('b1', 'b1', 'B', 0)",
            "INSERT INTO apps (id, business_id, name, created_at) VALUES ('a', 'b1', 'a', 0)",
            "INSERT INTO numbers (id, business_id, app_id, created_at) VALUES ('n', 'b1', 'a', 0)",
            "INSERT INTO contacts (id, business_id, phone, created_at) VALUES ('c', 'b1', '4915100000001', 0)",
            (
                "INSERT INTO conversations (id, business_id, number_id, contact_id, last_message_at, created_at)"
                " VALUES ('v', 'b1', 'n', 'c', 0, 0)"
            ),
            (
                "INSERT INTO proposals (id, business_id, conversation_id, contact_id, kind, details, state, created_at,"
                f" settled_at) VALUES ('{proposal_id}', 'b1', 'v', 'c', 'add',"
                f' \'{{"statement": "x", "language": "en"}}\', \'{state}\', 0, 0)'
            ),
        ):
            await transaction.run(sql)

    return unit

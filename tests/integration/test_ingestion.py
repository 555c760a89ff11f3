"""Documents from upload to knowledge, with faults in between; real files, real parser processes, a real database."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from database.records import DocumentStatus
from database.transaction import Transaction
from services.ingestion import IngestionOptions
from tests.fakes.fake_clock import settle
from tests.fakes.ingestion_desk import GUIDE, pieces
from tests.fakes.memory_knowledge import MemoryEmbedder
from tests.fakes.small_documents import pdf, word_document


async def test_an_upload_becomes_knowledge(opened):
    """A document is stored, read, embedded with its headings, indexed, and live, with its count."""
    desk = await opened()
    accepted = await desk.upload("../guide.md", GUIDE)
    assert (accepted.filename, accepted.status, accepted.bytes) == ("guide.md", DocumentStatus.QUEUED, len(GUIDE))
    (done,) = await desk.finished(accepted)
    assert (done.status, done.progress, done.is_processed, done.chunks_count) == (DocumentStatus.READY, 1, True, 300)
    assert len(desk.index.chunks) == 300
    assert desk.embedder.texts[8] == "Guide > Part 7\nText of part 7."
    chunk = next(chunk for chunk in desk.index.chunks.values() if chunk.ordinal == 7)
    assert (chunk.heading, chunk.text, chunk.document_id) == ("Guide > Part 7", "Text of part 7.", done.id)
    assert await desk.knowledge_version() == 1


async def test_bad_files_fail_alone(opened):
    """Among many uploads at once, each bad one fails with its sentence and every good one is ready."""
    desk = await opened(options=IngestionOptions(max_file_bytes=10_000))
    files = {
        "empty.txt": b"",
        "large.txt": b"x" * 10_001,
        "scan.pdf": pdf(""),
        "noise.pdf": bytes(range(256)) * 10,
        "picture.docx": b"\x89PNG\r\n\x1a\n" + bytes(100),
        **{f"good {n}.txt": b"Text number %d." % n for n in range(6)},
        "good.docx": word_document("Hello"),
    }
    accepted = await asyncio.gather(*(desk.upload(name, content) for name, content in files.items()))
    done = {document.filename: document for document in await desk.finished(*accepted)}
    assert {name for name, document in done.items() if document.status is DocumentStatus.FAILED} == set(list(files)[:5])
    for name in list(files)[:5]:
        assert done[name].error_message
        assert (done[name].is_processed, done[name].chunks_count) == (False, 0)
    assert all(document.is_processed for name, document in done.items() if name.startswith("good"))
    await desk.ingestion.sweep()
    # the files that could be taken are kept, to be tried again
    assert len(list(desk.files.iterdir())) == 10


async def test_nothing_is_half_shown(opened):
    """Until the last commit a document is not processed and has no live version, however much of it is indexed."""
    embedder = MemoryEmbedder()
    embedder.gate.clear()
    desk = await opened(embedder)
    accepted = await desk.upload("guide.md", GUIDE)
    await embedder.called.wait()
    halfway = await desk.ingestion.get("b1", accepted.id)
    assert halfway is not None
    assert (halfway.status, halfway.is_processed) == (DocumentStatus.EMBEDDING, False)
    assert 0 < halfway.progress < 1
    assert await desk.knowledge_version() == 0
    embedder.gate.set()
    assert [document.status for document in await desk.finished(accepted)] == [DocumentStatus.READY]


async def test_a_stop_in_the_middle_goes_on_where_it_was(opened):
    """After a stop while indexing, the next start neither parses nor embeds again what is stored."""
    desk = await opened(first := MemoryEmbedder())
    desk.index.gate.clear()
    accepted = await desk.upload("guide.md", GUIDE)
    await desk.index.called.wait()
    await desk.ingestion.drain(5)
    desk.index.gate.set()
    desk = await opened(second := MemoryEmbedder())
    (done,) = await desk.finished(accepted)
    assert (done.status, done.chunks_count) == (DocumentStatus.READY, 300)
    assert (len(first.texts), len(second.texts)) == (301, 0)


async def test_faults_around_a_document_pass(opened, clock):
    """An embedder and an index that are away for a while cost time, not the document."""
    embedder = MemoryEmbedder()
    embedder.failures = 2
    desk = await opened(embedder)
    desk.index.failures = 1
    accepted = await desk.upload("guide.md", GUIDE)
    done = asyncio.create_task(desk.finished(accepted))
    while not done.done():
        await clock.advance(1)
        await asyncio.sleep(0.005)
    assert [document.status for document in done.result()] == [DocumentStatus.READY]
    assert len(embedder.texts) == 301


async def test_an_index_that_is_away_again_and_again_is_no_fault_of_the_document(opened, clock):
    """However often the index goes away after all is embedded, nothing is held against the document."""
    desk = await opened(options=IngestionOptions(retries=9))
    desk.index.failures = 6
    accepted = await desk.upload("guide.md", GUIDE)
    done = asyncio.create_task(desk.finished(accepted))
    while not done.done():
        await clock.advance(10)
        await asyncio.sleep(0.005)
    assert [document.status for document in done.result()] == [DocumentStatus.READY]


async def test_a_fault_that_stays_ends_a_document(opened, clock):
    """After many tries the owner is told, instead of waiting for ever; its chunks are taken away."""
    embedder = MemoryEmbedder()
    embedder.failures = 100
    desk = await opened(embedder, IngestionOptions(retries=3))
    accepted = await desk.upload("guide.md", GUIDE)
    done = asyncio.create_task(desk.finished(accepted))
    while not done.done():
        await clock.advance(10)
        await asyncio.sleep(0.005)
    (failed,) = done.result()
    assert failed.status is DocumentStatus.FAILED
    assert failed.error_message is not None
    assert "later" in failed.error_message
    await desk.ingestion.sweep()
    assert await desk.count("chunks") == 0


async def test_a_document_that_kills_the_process_is_given_up(opened):
    """After three beginnings that nobody lived to finish, the document fails with a sentence."""
    desk = await opened(options=IngestionOptions(workers=0))
    accepted = await desk.upload("guide.md", GUIDE)

    async def three_deaths(transaction: Transaction) -> None:
        await transaction.run("UPDATE documents SET attempts = 3, status = 'embedding'")

    await desk.database.write(three_deaths)
    desk = await opened()
    (failed,) = await desk.finished(accepted)
    assert failed.status is DocumentStatus.FAILED
    assert failed.error_message is not None
    assert "several times" in failed.error_message


async def test_deleting_hides_at_once_and_clears_everything(opened):
    """A deleted document is gone for its owner at once, and soon its vectors, rows and file are gone too."""
    desk = await opened()
    kept, gone = await desk.finished(await desk.upload("kept.txt", b"Kept."), await desk.upload("guide.md", GUIDE))
    assert not await desk.ingestion.delete("another business", gone.id)
    desk.index.failures = 1
    assert await desk.ingestion.delete("b1", gone.id)
    assert await desk.ingestion.get("b1", gone.id) is None
    assert not await desk.ingestion.delete("b1", gone.id)
    assert [document.id for document in (await desk.ingestion.list("b1", 10, None))[0]] == [kept.id]
    assert await desk.knowledge_version() == 3
    await settle(200)
    while await desk.count("documents") > 1:
        await desk.ingestion.sweep()
    assert (await desk.count("chunks"), await desk.count("embeddings"), await desk.count("versions")) == (1, 1, 1)
    assert len(desk.index.chunks) == 1
    assert len(list(desk.files.iterdir())) == 1


async def test_deleting_in_the_middle_leaves_nothing(opened):
    """A document that is deleted while it is embedded never becomes knowledge."""
    embedder = MemoryEmbedder()
    embedder.gate.clear()
    desk = await opened(embedder)
    accepted = await desk.upload("guide.md", GUIDE)
    await embedder.called.wait()
    assert await desk.ingestion.delete("b1", accepted.id)
    await desk.ingestion.sweep()
    embedder.gate.set()
    await desk.ingestion.wait_until_done([accepted.id])
    while await desk.count("documents"):
        await desk.ingestion.sweep()
        await asyncio.sleep(0.001)
    assert (await desk.count("chunks"), len(desk.index.chunks)) == (0, 0)
    assert list(desk.files.iterdir()) == []
    assert await desk.knowledge_version() == 0


async def test_an_interrupted_sweep_goes_on_after_a_restart(opened):
    """What was deleted before a stop is cleared away after it."""
    desk = await opened()
    (done,) = await desk.finished(await desk.upload("guide.md", GUIDE))
    desk.index.failures = 1000
    await desk.ingestion.delete("b1", done.id)
    await desk.ingestion.sweep()
    assert await desk.count("chunks") == 300
    desk.index.failures = 0
    desk = await opened()
    while await desk.count("documents"):
        await asyncio.sleep(0.001)
    assert len(desk.index.chunks) == 0


async def test_lists_page_through_every_document_once(opened):
    """Pages come newest first, without gaps or repeats, while new documents arrive; other businesses see nothing."""
    desk = await opened(options=IngestionOptions(workers=0))
    uploaded = [(await desk.upload(f"{n}.txt", b"x")).id for n in range(7)]
    await desk.upload("other.txt", b"x", business_id="b2")
    page, cursor = await desk.ingestion.list("b1", 3, None)
    await desk.upload("late.txt", b"x")
    seen = [document.id for document in page]
    while cursor:
        page, cursor = await desk.ingestion.list("b1", 3, cursor)
        seen += [document.id for document in page]
    assert seen == uploaded[::-1]
    for bad in ("x", "1", "1.", ".x", "٣.x", "9" * 30 + ".x"):
        with pytest.raises(ValueError, match="cursor"):
            await desk.ingestion.list("b1", 3, bad)


async def test_an_upload_that_breaks_off_is_not_kept(opened):
    """A client that hangs up leaves neither file nor document."""
    desk = await opened()
    with pytest.raises(ConnectionResetError):
        await desk.ingestion.accept("b1", "a.txt", pieces(b"half", then=ConnectionResetError("gone")))
    assert (await desk.ingestion.list("b1", 10, None))[0] == []
    assert list(desk.files.iterdir()) == []


async def test_a_full_disk_is_said_in_plain_words(opened, tmp_path):
    """Without room for the file its owner is told so; other documents live on."""
    desk = await opened()
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    original = desk.ingestion._files._directory
    desk.ingestion._files._directory = FullDirectory(full)
    failed = await desk.upload("a.txt", b"x" * 3_000_000)
    desk.ingestion._files._directory = original
    assert failed.status is DocumentStatus.FAILED
    assert failed.error_message is not None
    assert "no space" in failed.error_message
    assert (await desk.finished(await desk.upload("b.txt", b"Fine.")))[0].is_processed


class FullDirectory:
    """A folder in which every file is on a full disk."""

    def __init__(self, full: Path) -> None:
        self._full = full

    def __truediv__(self, name: str) -> "FullFile":
        return FullFile(self._full)


class FullFile:
    def __init__(self, full: Path) -> None:
        self._full = full

    def open(self, mode: str) -> object:
        return self._full.open(mode)

    def unlink(self, *, missing_ok: bool) -> None:
        assert missing_ok


async def test_a_database_without_room_keeps_no_file(opened):
    """When not even the row can be stored the upload is refused as a whole, and no file stays behind."""
    desk = await opened()

    async def refuse(transaction: Transaction) -> None:
        await transaction.run("CREATE TRIGGER full BEFORE INSERT ON documents BEGIN SELECT RAISE(ABORT, 'full'); END")

    await desk.database.write(refuse)
    with pytest.raises(sqlite3.IntegrityError):
        await desk.upload("a.txt", b"x")
    assert list(desk.files.iterdir()) == []


async def test_businesses_take_turns(opened):
    """One small file does not wait behind another business's pile."""
    embedder = MemoryEmbedder()
    desk = await opened(embedder, IngestionOptions(workers=0))
    pile = [await desk.upload(f"{n}.txt", b"pile %d" % n) for n in range(8)]
    one = await desk.upload("one.txt", b"one", business_id="b2")
    desk = await opened(embedder, IngestionOptions(workers=1))
    await desk.finished(one, *pile)
    assert embedder.texts.index("one") <= 2


async def test_figures_are_kept(opened, metrics):
    """Stages are timed, and the depth of the queue goes back to nothing."""
    desk = await opened()
    await desk.finished(await desk.upload("a.txt", b"Text."))
    value = metrics.registry.get_sample_value
    for stage in ("parse", "embed", "index"):
        assert value("concierge_document_stage_seconds_count", {"stage": stage}) == 1
    assert value("concierge_queue_depth", {"queue": "documents"}) == 0
    assert value("concierge_uploads_in_progress") == 0

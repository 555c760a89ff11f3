"""Faults around documents: files that are not there, disks that refuse, embeddings of another size, shared blame."""

import asyncio

import numpy as np
import pytest

from database.document_work import count_attempts, open_document, release_all
from database.records import DocumentStatus
from services.chunk_files import SOURCE, KeptChunk, kept_line
from services.document_errors import NOT_STORED
from services.document_parser import DocumentParser, ParserLimits
from services.ingestion import IngestionOptions
from services.version_errors import NO_FILE
from tests.fakes.ingestion_desk import GUIDE, pieces
from tests.fakes.memory_knowledge import MemoryEmbedder


async def test_a_kept_file_that_is_gone_is_said_to_be_gone(opened):
    """Not that it takes too much memory."""
    desk = await opened(options=IngestionOptions(workers=0))
    lost = await desk.upload("a.md", GUIDE)
    await desk.ingestion.drain(1)
    for file in desk.files.iterdir():
        file.unlink()
    desk = await opened()
    (failed,) = await desk.finished(lost)
    assert (failed.status, failed.error_message) == (DocumentStatus.FAILED, NO_FILE)


async def test_a_file_that_cannot_be_opened_is_no_fault_of_the_document(clock, tmp_path):
    """The parser's process tells so and goes on with the next."""
    parser = DocumentParser(clock, ParserLimits(seconds=60))

    async def sink(drafts):
        pass

    with pytest.raises(OSError, match="No such file"):
        await parser.parse(tmp_path / "gone.md", "gone.md", sink)
    (tmp_path / "there.md").write_bytes(b"There.")
    assert (await parser.parse(tmp_path / "there.md", "there.md", sink)).chunks == 1
    await parser.close()


async def test_a_disk_that_refuses_for_another_reason_is_not_called_full(opened):
    """The owner is sent to whoever runs the server, not to delete things."""
    desk = await opened()
    for file in desk.files.iterdir():
        file.unlink()
    desk.files.rmdir()
    failed = await desk.upload("a.txt", b"x")
    desk.files.mkdir()
    assert (failed.status, failed.error_message) == (DocumentStatus.FAILED, NOT_STORED)


async def test_embeddings_of_another_size_are_made_anew(opened):
    """A hand-made line cannot keep its neighbours out of the index."""
    desk = await opened()
    vector = np.full(8, 8**-0.5, "<f4").tobytes()
    texts = {"Good.": vector, "Short.": vector[:12], "Odd.": vector[:7]}
    lines = [kept_line(KeptChunk(text, None, None, MemoryEmbedder.name, made)) for text, made in texts.items()]
    taken = await desk.ingestion.accept("b1", "set", pieces(b"".join(lines)), source=SOURCE)
    (done,) = await desk.finished(taken)
    assert (done.status, done.chunks_count, done.chunks_missing) == (DocumentStatus.READY, 3, 0)
    assert {len(each) for each in desk.index.vectors.values()} == {8}


async def test_beginnings_of_an_overtaken_version_do_not_count_for_the_next(opened):
    """Nor are those of the next given back with it."""
    desk = await opened(options=IngestionOptions(workers=0))
    first = await desk.upload("a.md", GUIDE)
    overtaken = await desk.database.read(open_document(first.id))
    await desk.upload("a.md", b"Other.")
    await desk.database.write(count_attempts([overtaken]))
    newest = await desk.database.read(open_document(first.id))
    assert newest.attempts == 0
    await desk.database.write(count_attempts([newest]))
    await desk.database.write(release_all([overtaken]))
    assert (await desk.database.read(open_document(first.id))).attempts == 1


async def test_faults_of_an_overtaken_version_do_not_count_for_the_next(opened, clock):
    """Each version has all the retries."""
    desk = await opened(options=IngestionOptions(retries=2))
    desk.index.failures = 2
    first = await desk.upload("a.md", b"One.")
    while desk.index.failures:
        await clock.advance(10)
        await asyncio.sleep(0.005)
    desk.index.gate.clear()
    desk.index.failures = 2
    again = await desk.upload("a.md", b"Two.")
    desk.index.gate.set()
    done = asyncio.create_task(desk.finished(again))
    while not done.done():
        await clock.advance(10)
        await asyncio.sleep(0.005)
    assert again.id == first.id
    assert [(each.status, each.live_version) for each in done.result()] == [(DocumentStatus.READY, 2)]


async def test_after_a_switch_the_old_version_is_swept_at_once(opened, clock):
    """Its chunks leave the index without anybody asking and without time passing."""
    desk = await opened()
    await desk.learned("a.md", b"One.")
    began = clock.monotonic()
    await desk.learned("a.md", b"Two.")
    while desk.live_texts() != {"Two."}:
        await asyncio.sleep(0.001)
    assert clock.monotonic() == began


async def test_files_on_their_way_share_what_is_left_of_the_quota(opened):
    """A file is refused as it comes, not after; what was received, taken or forgotten is counted once."""
    desk = await opened(options=IngestionOptions(workers=0, max_storage_bytes=300_000))
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 65_536
            yield b"x" * 65_536

    first = await desk.ingestion.receive("b1", pieces(b"x" * 100_000))
    second = await desk.ingestion.receive("b1", endless())
    assert "kept files" in second.refusal
    assert read <= 300_000
    assert (await desk.ingestion.receive("b2", pieces(b"x" * 250_000))).refusal is None
    await desk.ingestion.forget(first)
    third = await desk.ingestion.receive("b1", pieces(b"y" * 250_000))
    assert third.refusal is None
    assert (await desk.ingestion.take("b1", "third.txt", third)).status is DocumentStatus.QUEUED
    assert (await desk.ingestion.receive("b1", pieces(b"z" * 40_000))).refusal is None

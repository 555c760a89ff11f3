"""Embedding and indexing in slices: shared by small documents, fair between businesses, whole in spite of bad texts."""

import asyncio

import pytest

from database.records import DocumentStatus
from services.document_indexing import SLICE_CHUNKS
from services.ingestion import IngestionOptions
from tests.fakes.ingestion_desk import GUIDE, pieces
from tests.fakes.memory_knowledge import MemoryEmbedder

HUGE = b"".join(b"## %d\n\nPart %d of it.\n\n" % (n, n) for n in range(3_000))


async def through_time(desk, clock, documents, seconds=10):
    """Let time pass until the documents are done."""
    done = asyncio.create_task(desk.finished(*documents))
    while not done.done():
        await clock.advance(seconds)
        await asyncio.sleep(0.005)
    return done.result()


async def statuses(desk, documents):
    return {(await desk.ingestion.get(each.business_id, each.id)).status for each in documents}


async def test_small_documents_share_an_index_write(opened):
    """Documents of one business that wait together are embedded, indexed and made live together."""
    embedder = MemoryEmbedder()
    desk = await opened(embedder)
    embedder.gate.clear()
    blocker = await desk.upload("first.txt", b"First.")
    await embedder.called.wait()
    small = [await desk.upload(f"{n}.txt", b"Text %d." % n) for n in range(30)]
    while await statuses(desk, small) != {DocumentStatus.EMBEDDING}:
        await asyncio.sleep(0.005)
    embedder.gate.set()
    before = await desk.knowledge_version()
    done = await desk.finished(blocker, *small)
    assert all(document.is_processed for document in done)
    # the first one alone, perhaps a second slice that had begun, and the rest in one go
    assert len(desk.index.adds) <= 3
    assert await desk.knowledge_version() - before <= 3


async def at_a_huge_document(opened, embedder):
    """A desk and its huge document, of which the embedder holds the first slice back."""
    desk = await opened(embedder)
    embedder.gate.clear()
    huge = await desk.upload("huge.md", HUGE)
    await embedder.called.wait()
    return desk, huge


async def test_a_huge_document_gives_way_after_each_slice(opened):
    """Another business's small document is live long before a huge one is through."""
    embedder = MemoryEmbedder()
    desk, huge = await at_a_huge_document(opened, embedder)
    small = await desk.ingestion.accept("b2", "small.txt", pieces(b"Small."))
    while (await desk.ingestion.get("b2", small.id)).status is not DocumentStatus.EMBEDDING:
        await asyncio.sleep(0.005)
    embedder.gate.set()
    await desk.finished(small, huge)
    place = [text.endswith("Small.") for text in embedder.texts].index(True)
    assert place <= 4 * SLICE_CHUNKS


async def test_nothing_is_read_far_ahead_of_the_index(opened):
    """While much of a business waits its next large one is not read; small ones and others' are, in the end all."""
    embedder = MemoryEmbedder()
    desk, huge = await at_a_huge_document(opened, embedder)
    large = [await desk.upload(f"{what}.md", HUGE.replace(b"Part", what.encode())) for what in ("Piece", "Bit")]
    small = await desk.upload("small.txt", b"Small.")
    other = await desk.ingestion.accept("b2", "other.md", pieces(HUGE))
    for each in (small, other):
        while await statuses(desk, [each]) != {DocumentStatus.EMBEDDING}:
            await asyncio.sleep(0.005)
    assert await statuses(desk, large) == {DocumentStatus.QUEUED}
    embedder.gate.set()
    assert all(document.is_processed for document in await desk.finished(huge, *large, small, other))


async def test_a_small_document_does_not_wait_for_a_huge_one(opened):
    """A price that is corrected answers long before the manual that was uploaded before it."""
    embedder = MemoryEmbedder()
    desk, huge = await at_a_huge_document(opened, embedder)
    small = await desk.upload("prices.txt", b"A new price.")
    while await statuses(desk, [small]) != {DocumentStatus.EMBEDDING}:
        await asyncio.sleep(0.005)
    embedder.gate.set()
    await desk.finished(small, huge)
    place = [text.endswith("A new price.") for text in embedder.texts].index(True)
    assert place <= 4 * SLICE_CHUNKS


async def test_a_text_is_embedded_once_however_often_it_comes(opened):
    """Also where none of its copies has an embedding yet; each passage has its own in the end."""
    embedder = MemoryEmbedder()
    desk = await opened(embedder)
    done = await desk.learned("again.md", b"".join(b"## Again\n\nThe same.\n\n" for _ in range(3 * SLICE_CHUNKS)))
    assert done.chunks_count == 3 * SLICE_CHUNKS == await desk.count("embeddings")
    assert len(embedder.texts) <= 3


async def test_a_text_that_cannot_be_embedded_is_missing_and_healed_later(opened, clock):
    """The document is ready with a count of what is missing; once the embedder takes it, the count is nothing."""
    embedder = MemoryEmbedder()
    embedder.poison = {"part 77.", "part 250."}
    desk = await opened(embedder)
    done = await desk.learned("guide.md", GUIDE)
    assert (done.status, done.chunks_count, done.chunks_missing) == (DocumentStatus.READY, 300, 2)
    assert len(desk.index.vectors) == 298
    assert await desk.count("embeddings") == 298
    assert await desk.ingestion.heal() == 0
    embedder.poison.clear()
    assert await desk.ingestion.heal() == 2
    healed = await desk.ingestion.get("b1", done.id)
    assert healed.chunks_missing == 0
    assert len(desk.index.vectors) == 300


async def test_an_embedder_that_goes_away_is_waited_for(opened, clock):
    """An outage is no bad text: nothing goes missing, and the document is ready when the embedder is back."""
    embedder = MemoryEmbedder()
    desk = await opened(embedder)
    await desk.learned("warm.txt", b"Warm.")
    embedder.failures = 6
    (done,) = await through_time(desk, clock, [await desk.upload("guide.md", GUIDE)])
    assert (done.status, done.chunks_missing, done.chunks_count) == (DocumentStatus.READY, 0, 300)


async def test_an_embedder_that_refuses_everything_costs_a_bounded_number_of_calls(opened):
    """A slice of bad texts is given up before every text was tried alone."""
    embedder = MemoryEmbedder()
    embedder.poison = {"Text of part"}
    desk = await opened(embedder)
    done = await desk.learned("guide.md", GUIDE)
    assert (done.status, done.chunks_missing) == (DocumentStatus.READY, 300)
    # every failure is followed by one that succeeds, of the text that tells an outage from a bad text
    assert len(embedder.calls) < 300


async def test_who_may_have_killed_the_process_works_alone(opened):
    """After a death its neighbours are not taken into the same slice again, so that only the guilty is blamed."""
    desk = await opened(options=IngestionOptions(workers=0))
    accepted = [await desk.upload(f"{n}.txt", b"Text %d." % n) for n in range(4)]

    async def a_death(transaction):
        await transaction.run("UPDATE documents SET attempts = 1 WHERE filename IN ('1.txt', '2.txt')")

    await desk.database.write(a_death)
    desk = await opened()
    done = await desk.finished(*accepted)
    assert all(document.is_processed for document in done)
    alone = [size for size in desk.embedder.calls if size == 1]
    assert len(alone) >= 2


async def test_deleting_takes_the_texts_out_of_the_files(opened, tmp_path):
    """After the sweep and the scrub no file of the data directory holds a word of the document."""
    desk = await opened()
    secret = b"xylophonequartz"
    await desk.learned("kept.txt", b"Kept words stay.")
    parts = b"".join(b"# Part %d\n\n%s number %d.\n\n" % (n, secret, n) for n in range(50))
    done = await desk.learned("secret.md", parts)
    assert any(secret in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    await desk.ingestion.delete("b1", done.id)
    while await desk.count("documents") > 1:
        await desk.ingestion.sweep()
    await desk.ingestion.upkeep.scrub()
    left = [file.name for file in tmp_path.rglob("*") if file.is_file() and secret in file.read_bytes()]
    assert left == []


@pytest.mark.parametrize("end", ["deleted", "overtaken"])
async def test_what_is_over_in_the_middle_of_an_index_write_leaves_nothing(opened, end):
    """The sweep waits until the index has taken in the rest: nothing is put back behind it."""
    desk = await opened()
    desk.index.slice_size, desk.index.between = 10, asyncio.Semaphore(3)
    guide = await desk.upload("guide.md", GUIDE)
    while len(desk.index.chunks) < 30:
        await asyncio.sleep(0)
    if end == "deleted":
        await desk.ingestion.delete("b1", guide.id)
    else:
        await desk.upload("guide.md", b"One.")
    for _ in range(20):
        await desk.ingestion.sweep()
        await asyncio.sleep(0)
    for _ in GUIDE:
        desk.index.between.release()
    await desk.ingestion.wait_until_done([guide.id])
    while await desk.count("chunks") > (end == "overtaken"):
        await desk.ingestion.sweep()
        await asyncio.sleep(0.001)
    while desk.index.adding:
        await asyncio.sleep(0.001)
    assert desk.live_texts() == ({"One."} if end == "overtaken" else set())


async def test_healing_a_document_that_is_deleted_meanwhile_leaves_nothing(opened):
    """Embeddings that come into the index behind the sweep are taken out again."""
    embedder = MemoryEmbedder()
    embedder.poison = {"Text of"}
    desk = await opened(embedder)
    done = await desk.learned("guide.md", GUIDE)
    embedder.poison.clear()
    desk.index.slice_size, desk.index.between = 10, asyncio.Semaphore(1)
    healing = asyncio.create_task(desk.ingestion.heal())
    while not desk.index.adding:
        await asyncio.sleep(0.001)
    await desk.ingestion.delete("b1", done.id)
    while await desk.count("documents"):
        await desk.ingestion.sweep()
        await asyncio.sleep(0.001)
    for _ in GUIDE:
        desk.index.between.release()
    await healing
    assert desk.live_texts() == set()

"""Versions of a document: the old one answers until the new one is complete, then one unit switches."""

import asyncio

import pytest

from database.records import DocumentStatus, VersionState
from services.ingestion import IngestionOptions
from services.version_errors import NotFailedError, NothingHeldError, VersionGoneError
from tests.fakes.ingestion_desk import GUIDE, pieces
from tests.fakes.memory_knowledge import MemoryEmbedder
from tests.fakes.small_documents import pdf


def numbers(*texts: str) -> bytes:
    """A document whose chunks are these texts, under a heading each."""
    return "".join(f"# {n}\n\n{text}\n\n" for n, text in enumerate(texts)).encode()


async def live_texts(desk, document_id):
    """What a search may find of a document, decided by knowledge.db."""

    async def unit(transaction):
        rows = await transaction.all(
            "SELECT c.text FROM documents d JOIN chunks c ON c.version_id = d.live_version_id "
            "WHERE d.id = :id AND d.deleted_at IS NULL ORDER BY c.ordinal",
            {"id": document_id},
        )
        return [row["text"] for row in rows]

    return await desk.database.read(unit)


async def states(desk, document_id):
    return [(view.number, view.state) for view in await desk.ingestion.versions("b1", document_id)]


async def test_the_same_name_is_a_new_version_and_the_old_one_answers_meanwhile(opened):
    """Until the new version is complete searches find the old one, all of it; then the new one, all of it."""
    desk = await opened()
    first = await desk.learned("prices.md", numbers("Ten euros.", "Open daily."))
    desk.index.gate.clear()
    again = await desk.upload("prices.md", numbers("Twelve euros.", "Open daily."))
    desk.index.called.clear()
    await desk.index.called.wait()
    between = await desk.ingestion.get("b1", first.id)
    assert (again.id, again.version, again.live_version) == (first.id, 2, 1)
    assert between.is_processed
    assert between.status is not DocumentStatus.READY
    assert (between.version, between.live_version, between.chunks_count) == (2, 1, 2)
    assert await live_texts(desk, first.id) == ["Ten euros.", "Open daily."]
    desk.index.gate.set()
    (done,) = await desk.finished(again)
    assert (done.status, done.version, done.live_version) == (DocumentStatus.READY, 2, 2)
    assert await live_texts(desk, first.id) == ["Twelve euros.", "Open daily."]
    await desk.ingestion.sweep()
    assert desk.live_texts() == {"Twelve euros.", "Open daily."}
    assert await states(desk, first.id) == [(2, VersionState.LIVE), (1, VersionState.OLD)]


async def test_unchanged_chunks_keep_their_embedding(opened):
    """A new version embeds what is new in it, and nothing else; another business's texts do not count."""
    desk = await opened()
    await desk.learned("guide.md", GUIDE)
    before = len(desk.embedder.texts)
    await desk.learned("guide.md", GUIDE + b"## Late\n\nA late part.\n\n")
    assert desk.embedder.texts[before:] == ["Guide > Late\nA late part."]
    elsewhere = await desk.ingestion.accept("b2", "guide.md", pieces(GUIDE))
    await desk.finished(elsewhere)
    assert len(desk.embedder.texts) == before + 1 + 300


async def test_the_same_bytes_again_cost_nothing(opened):
    """The document as it is comes back; nothing is stored, parsed or embedded."""
    desk = await opened()
    first = await desk.learned("guide.md", GUIDE)
    version = await desk.knowledge_version()
    again = await desk.upload("guide.md", GUIDE)
    assert again == first
    assert (await desk.count("versions"), len(list(desk.files.iterdir()))) == (1, 1)
    assert await desk.knowledge_version() == version
    note = await desk.ingestion.accept("b1", "guide.md", pieces(GUIDE), document_id="a-note")
    assert note.id == "a-note"


async def test_a_failed_version_leaves_the_old_one_alone(opened):
    """A bad file under the same name says why, and what was live goes on answering; the good one again settles it."""
    desk = await opened()
    good = numbers("Ten euros.")
    first = await desk.learned("prices.md", good)
    for bad in (b"", bytes(range(256)) * 10):
        failed = await desk.learned("prices.md", bad)
        assert (failed.id, failed.status, failed.is_processed) == (first.id, DocumentStatus.FAILED, True)
        assert failed.error_message
    assert (failed.version, failed.live_version) == (3, 1)
    assert await live_texts(desk, first.id) == ["Ten euros."]
    settled = await desk.upload("prices.md", good)
    assert (settled.status, settled.error_message, settled.live_version) == (DocumentStatus.READY, None, 1)


async def test_a_version_that_is_overtaken_stops(opened):
    """A newer file while the last one is still on its way: only the newer becomes live, nothing of the other stays."""
    embedder = MemoryEmbedder()
    desk = await opened(embedder)
    first = await desk.learned("guide.md", numbers("One."))
    embedder.called.clear()
    embedder.gate.clear()
    await desk.upload("guide.md", GUIDE)
    await embedder.called.wait()
    newest = await desk.upload("guide.md", numbers("Three."))
    embedder.gate.set()
    (done,) = await desk.finished(newest)
    assert (done.version, done.live_version, done.chunks_count) == (3, 3, 1)
    await desk.ingestion.sweep()
    assert desk.live_texts() == {"Three."}
    assert await states(desk, first.id) == [(3, VersionState.LIVE), (2, VersionState.OLD), (1, VersionState.OLD)]
    assert await desk.count("chunks") == 2


async def test_a_roll_back_is_a_new_version_of_the_old_content(opened):
    """It goes the usual way, without embedding again, and says where it comes from; an unknown version is refused."""
    desk = await opened()
    first = await desk.learned("prices.md", numbers("Ten euros.", "Open daily."))
    await desk.learned("prices.md", numbers("Twelve euros.", "Open daily."))
    await desk.ingestion.sweep()
    embedded = len(desk.embedder.texts)
    rolled = await desk.ingestion.roll_back("b1", first.id, 1)
    (done,) = await desk.finished(rolled)
    assert (done.version, done.live_version) == (3, 3)
    assert await live_texts(desk, first.id) == ["Ten euros.", "Open daily."]
    assert len(desk.embedder.texts) == embedded
    newest = (await desk.ingestion.versions("b1", first.id))[0]
    assert (newest.origin, newest.state) == (1, VersionState.LIVE)
    with pytest.raises(VersionGoneError, match="version 9"):
        await desk.ingestion.roll_back("b1", first.id, 9)
    assert await desk.ingestion.roll_back("b2", first.id, 1) is None


async def test_only_the_last_versions_are_kept(opened):
    """Older ones go with rows, chunks and file; the live one stays however old it is."""
    desk = await opened(options=IngestionOptions(keep_versions=2))
    for n in range(4):
        done = await desk.learned("n.md", numbers(f"Text {n}."))
    await desk.ingestion.sweep()
    assert await states(desk, done.id) == [(4, VersionState.LIVE), (3, VersionState.OLD)]
    assert (await desk.count("chunks"), len(list(desk.files.iterdir()))) == (2, 2)
    for _ in range(3):
        await desk.learned("n.md", b"")
    await desk.ingestion.sweep()
    assert VersionState.LIVE in {state for _, state in await states(desk, done.id)}
    with pytest.raises(VersionGoneError):
        await desk.ingestion.roll_back("b1", done.id, 3)


async def test_a_held_version_waits_to_be_published(opened):
    """It is complete and in the indexes, and answers nobody until somebody says so; then at once."""
    desk = await opened()
    first = await desk.learned("prices.md", numbers("Ten euros."))
    with pytest.raises(NothingHeldError):
        await desk.ingestion.publish("b1", first.id)
    held = await desk.ingestion.replace("b1", first.id, pieces(numbers("Twelve euros.")), hold=True)
    (held,) = await desk.finished(held)
    assert (held.status, held.live_version, held.held_version) == (DocumentStatus.READY, 1, 2)
    await desk.ingestion.sweep()
    assert desk.live_texts() == {"Ten euros.", "Twelve euros."}
    assert await live_texts(desk, first.id) == ["Ten euros."]
    before = await desk.knowledge_version()
    published = await desk.ingestion.publish("b1", first.id)
    assert (published.live_version, published.held_version) == (2, None)
    assert await live_texts(desk, first.id) == ["Twelve euros."]
    assert await desk.knowledge_version() == before + 1
    assert await desk.ingestion.publish("b2", first.id) is None


async def test_a_held_version_that_is_discarded_never_answers(opened):
    """What was live stays; a document that never was has failed, and can still be tried again."""
    desk = await opened()
    first = await desk.learned("prices.md", numbers("Ten euros."))
    await desk.finished(await desk.ingestion.replace("b1", first.id, pieces(numbers("Twelve.")), hold=True))
    discarded = await desk.ingestion.discard("b1", first.id)
    assert (discarded.status, discarded.live_version, discarded.held_version) == (DocumentStatus.READY, 1, None)
    await desk.ingestion.sweep()
    assert desk.live_texts() == {"Ten euros."}
    new = await desk.ingestion.accept("b1", "new.md", pieces(numbers("New.")), hold=True)
    (new,) = await desk.finished(new)
    assert (new.is_processed, new.held_version) == (False, 1)
    gone = await desk.ingestion.discard("b1", new.id)
    assert (gone.status, gone.is_processed) == (DocumentStatus.FAILED, False)
    await desk.ingestion.sweep()
    assert desk.live_texts() == {"Ten euros."}
    (tried,) = await desk.finished(await desk.ingestion.retry("b1", new.id))
    assert (tried.status, tried.is_processed) == (DocumentStatus.READY, True)


async def test_a_failed_document_is_tried_again(opened, clock):
    """One call puts it back into the queue with the file that was kept; without a failure or a file it is refused."""
    embedder = MemoryEmbedder()
    embedder.failures = 100
    desk = await opened(embedder, IngestionOptions(retries=1))
    waiting = asyncio.create_task(desk.learned("guide.md", GUIDE))
    while not waiting.done():
        await clock.advance(10)
        await asyncio.sleep(0.005)
    failed = waiting.result()
    assert failed.status is DocumentStatus.FAILED
    await desk.ingestion.sweep()
    assert await desk.count("chunks") == 0
    embedder.failures = 0
    (done,) = await desk.finished(await desk.ingestion.retry("b1", failed.id))
    assert (done.status, done.chunks_count, done.version) == (DocumentStatus.READY, 300, 1)
    with pytest.raises(NotFailedError):
        await desk.ingestion.retry("b1", done.id)
    empty = await desk.learned("empty.txt", b"")
    with pytest.raises(VersionGoneError):
        await desk.ingestion.retry("b1", empty.id)
    scan = await desk.learned("scan.pdf", pdf(""))
    (again,) = await desk.finished(await desk.ingestion.retry("b1", scan.id))
    assert again.status is DocumentStatus.FAILED


async def test_quotas_are_said_in_a_sentence(opened):
    """Beyond the documents of a business nothing is kept; beyond its storage the file is not."""
    desk = await opened(options=IngestionOptions(max_documents=2, max_storage_bytes=1_000, max_chunks=2))
    await desk.learned("a.md", numbers("A."))
    large = await desk.learned("b.md", b"x" * 1_010)
    assert large.status is DocumentStatus.FAILED
    assert "MB" in large.error_message
    third = await desk.upload("c.md", numbers("C."))
    assert "as many as there may be" in third.error_message
    assert await desk.ingestion.get("b1", third.id) is None
    long = await desk.learned("a.md", numbers("One.", "Two.", "Three."))
    assert (long.status, long.live_version) == (DocumentStatus.FAILED, 1)
    assert "more text" in long.error_message
    assert len(list(desk.files.iterdir())) == 2


async def test_tags_and_sources_sort_documents(opened):
    """Tags are tidied, kept over versions, and filter lists; too many or too long ones are refused."""
    desk = await opened(options=IngestionOptions(workers=0))
    tagged = await desk.ingestion.accept("b1", "a.md", pieces(b"a"), tags=[" Prices ", "prices", "DE"])
    await desk.ingestion.accept("b1", "b.md", pieces(b"b"), source="answer")
    assert tagged.tags == ("de", "prices")
    assert [each.filename for each in (await desk.ingestion.list("b1", 9, None, tag="de"))[0]] == ["a.md"]
    assert [each.filename for each in (await desk.ingestion.list("b1", 9, None, source="answer"))[0]] == ["b.md"]
    again = await desk.upload("a.md", b"other")
    assert (again.id, again.tags) == (tagged.id, ("de", "prices"))
    assert (await desk.ingestion.set_tags("b1", tagged.id, [])).tags == ()
    assert await desk.ingestion.set_tags("b2", tagged.id, ["x"]) is None
    for bad in (["x" * 65], [" "], [str(n) for n in range(21)]):
        with pytest.raises(ValueError, match="must be"):
            await desk.ingestion.set_tags("b1", tagged.id, bad)


async def test_who_listens_hears_of_every_change(opened):
    """A listener of the business hears ids, each once however often it changed; another business's are not heard."""
    desk = await opened()
    async with desk.ingestion.news.listening("b1") as mine, desk.ingestion.news.listening("b2") as other:
        done = await desk.learned("a.md", numbers("A."))
        assert await mine.changed() == {done.id}
        await desk.ingestion.delete("b1", done.id)
        assert await mine.changed() == {done.id}
        await desk.ingestion.accept("b2", "b.md", pieces(b"b"))
        assert len(await other.changed()) == 1

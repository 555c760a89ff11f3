"""Versions that come in beside others: refused, overtaken, renamed, held, or while their document is deleted."""

import zipfile
from io import BytesIO

import pytest

from database.records import DocumentStatus, VersionState
from services.document_errors import DAMAGED, EMPTY
from services.ingestion import IngestionOptions
from services.version_errors import DELETED
from tests.fakes.ingestion_desk import GUIDE, pieces
from tests.fakes.small_documents import pdf

BROKEN = pdf("Prices")[:200]


def outlined(text: str) -> bytes:
    return f"# Prices\n\n{text}\n".encode()


async def states(desk, document_id):
    return [(view.number, view.state) for view in await desk.ingestion.versions("b1", document_id)]


async def embedding(desk, filename, content, **how):
    """A document that is under way until the embedder's gate opens."""
    desk.embedder.called.clear()
    desk.embedder.gate.clear()
    accepted = await desk.ingestion.accept("b1", filename, pieces(content), **how)
    await desk.embedder.called.wait()
    return accepted


@pytest.mark.parametrize("live", [False, True])
async def test_a_refused_file_leaves_what_is_on_its_way_alone(opened, live):
    """The good version before it becomes live; then the document tells of the file that was refused."""
    desk = await opened()
    if live:
        await desk.learned("prices.md", outlined("Nine."))
    coming = await embedding(desk, "prices.md", outlined("Ten."))
    refused = await desk.upload("prices.md", b"")
    assert (refused.id, refused.status, refused.error_message) == (coming.id, DocumentStatus.FAILED, EMPTY)
    assert refused.version == coming.version + 1
    shown = await desk.ingestion.get("b1", coming.id)
    assert (shown.version, shown.error_message) == (coming.version, None)
    desk.embedder.gate.set()
    (done,) = await desk.finished(coming)
    assert (done.live_version, done.is_processed, done.chunks_count) == (coming.version, True, 1)
    assert (done.version, done.status, done.error_message) == (refused.version, DocumentStatus.FAILED, EMPTY)
    assert (await states(desk, coming.id))[:2] == [
        (refused.version, VersionState.FAILED),
        (coming.version, VersionState.LIVE),
    ]
    again = await desk.upload("prices.md", outlined("Ten."))
    assert (again.status, again.error_message, again.bytes) == (DocumentStatus.READY, None, coming.bytes)


async def test_a_refused_file_leaves_a_held_version_alone(opened):
    """It can be published all the same."""
    desk = await opened()
    first = await desk.learned("prices.md", outlined("Ten."))
    await desk.finished(await desk.ingestion.replace("b1", first.id, pieces(outlined("Twelve.")), hold=True))
    assert (await desk.upload("prices.md", b"")).error_message == EMPTY
    assert (await desk.ingestion.get("b1", first.id)).held_version == 2
    published = await desk.ingestion.publish("b1", first.id)
    assert (published.live_version, published.status) == (2, DocumentStatus.READY)


async def test_a_damaged_file_gives_way_to_the_first_one_that_it_had_overtaken(opened):
    """Nothing was live: the version before is worked on again, answers, and the document tells of the damaged one."""
    desk = await opened()
    first = await embedding(desk, "guide.pdf", pdf("Prices of this year are ten euros"), hold=False)
    second = await desk.upload("guide.pdf", BROKEN)
    desk.embedder.gate.set()
    (done,) = await desk.finished(second)
    assert (done.id, done.live_version, done.version) == (first.id, 1, 2)
    assert (done.status, done.error_message) == (DocumentStatus.FAILED, DAMAGED)
    assert await states(desk, first.id) == [(2, VersionState.FAILED), (1, VersionState.LIVE)]
    third = await desk.learned("guide.pdf", pdf("Prices of next year are twelve euros"))
    assert (third.version, third.live_version) == (3, 3)


async def test_when_both_are_damaged_the_newest_is_told_of(opened):
    """Both are tried, each once, and no more."""
    desk = await opened()
    blocker = await embedding(desk, "blocker.md", GUIDE)
    bad = "embedder never reached"
    first = await desk.upload("guide.pdf", BROKEN + bad.encode())
    second = await desk.upload("guide.pdf", BROKEN)
    desk.embedder.gate.set()
    _, done = await desk.finished(blocker, second)
    assert (done.id, done.version, done.status, done.live_version) == (first.id, 2, DocumentStatus.FAILED, None)
    assert {state for _, state in await states(desk, first.id)} == {VersionState.FAILED}


async def test_an_overtaken_version_that_was_to_be_held_is_held(opened):
    """Also when it is taken up again."""
    desk = await opened()
    await embedding(desk, "guide.pdf", pdf("Prices of this year are ten euros"), hold=True)
    second = await desk.upload("guide.pdf", BROKEN)
    desk.embedder.gate.set()
    (done,) = await desk.finished(second)
    assert (done.live_version, done.held_version) == (None, 1)


@pytest.mark.parametrize("swept", [False, True])
async def test_a_damaged_file_gives_way_to_the_first_one_that_was_held(opened, swept):
    """Nothing was live: what waited for its owner's look waits again, also when the sweep had taken it out already."""
    desk = await opened()
    content = pdf("Prices of this year are ten euros")
    (first,) = await desk.finished(await desk.ingestion.accept("b1", "guide.pdf", pieces(content), hold=True))
    desk = await opened(options=IngestionOptions(workers=0))
    second = await desk.upload("guide.pdf", BROKEN)
    if swept:
        assert await desk.ingestion.sweep() == 1
    desk = await opened()
    (done,) = await desk.finished(second)
    assert (done.id, done.live_version, done.held_version) == (first.id, None, 1)
    published = await desk.ingestion.publish("b1", done.id)
    assert (published.live_version, published.chunks_count) == (1, 1)
    assert await desk.ingestion.sweep() == 0
    assert len([chunk for chunk in desk.index.chunks.values() if chunk.document_id == done.id]) == 1


async def test_a_roll_back_is_no_second_file(opened):
    """Its file is that of the version it repeats: it counts once, and the quota refuses no roll-back."""
    content = outlined("price of tea " * 46)
    desk = await opened(options=IngestionOptions(max_storage_bytes=2 * len(content) + 100))
    first = await desk.learned("prices.md", content)
    await desk.learned("prices.md", outlined("cost of milk " * 46))
    back = await desk.ingestion.roll_back("b1", first.id, 1)
    (done,) = await desk.finished(back)
    assert (done.status, done.live_version) == (DocumentStatus.READY, 3)
    more = await desk.finished(await desk.upload("more.md", b"# More\n\nA few words."))
    assert more[0].status is DocumentStatus.READY


async def test_a_document_that_is_deleted_while_its_new_version_comes_stays_deleted(opened):
    """Neither a new version nor a roll-back brings it back, and their files go."""
    desk = await opened()
    first = await desk.learned("prices.md", outlined("Ten."))
    intake = desk.ingestion._intake
    received = await desk.ingestion.receive("b1", pieces(outlined("Twelve.")))
    known = desk.ingestion.get

    async def known_and_then_deleted(business_id, document_id):
        found = await known(business_id, document_id)
        await desk.ingestion.delete(business_id, document_id)
        return found

    desk.ingestion.get = known_and_then_deleted
    assert await desk.ingestion.take_version("b1", first.id, received) is None
    desk.ingestion.get = known
    other = await desk.learned("other.md", outlined("Other."))
    taking = intake.take_again

    async def deleted_first(arrival, number):
        await desk.ingestion.delete("b1", other.id)
        return await taking(arrival, number)

    intake.take_again = deleted_first
    with pytest.raises(Exception, match="version 1"):
        await desk.ingestion.roll_back("b1", other.id, 1)
    while await desk.count("documents"):
        await desk.ingestion.sweep()
    assert list(desk.files.iterdir()) == []


async def test_the_id_of_a_deleted_document_is_not_taken_before_it_is_swept(opened):
    """Whoever repeats an upload after the deletion is told so in a sentence, and nothing is stored."""
    desk = await opened()
    await desk.finished(await desk.ingestion.accept("b1", "q.md", pieces(b"Ten."), document_id="note"))
    desk.index.failures = 1_000
    await desk.ingestion.delete("b1", "note")
    refused = await desk.ingestion.accept("b1", "q.md", pieces(b"Eleven."), document_id="note")
    assert (refused.status, refused.error_message) == (DocumentStatus.FAILED, DELETED)
    assert await desk.ingestion.get("b1", "note") is None


async def test_a_new_name_comes_with_its_version(opened):
    """Until the version answers the document keeps its name; a refused or discarded one leaves it alone."""
    desk = await opened()
    first = await desk.learned("prices.md", outlined("Ten."))

    async def replaced(content, filename, **how):
        (done,) = await desk.finished(
            await desk.ingestion.replace("b1", first.id, pieces(content), filename=filename, **how)
        )
        return done.filename

    assert await replaced(b"", "empty.md") == "prices.md"
    assert await replaced(outlined("Eleven."), "held.md", hold=True) == "prices.md"
    assert (await desk.ingestion.discard("b1", first.id)).filename == "prices.md"
    assert await replaced(pdf("Prices of 2027 are twelve euros"), "prices.pdf") == "prices.pdf"
    (back,) = await desk.finished(await desk.ingestion.roll_back("b1", first.id, 1))
    assert (back.filename, back.status) == ("prices.md", DocumentStatus.READY)


async def test_the_same_bytes_under_a_new_name_rename_the_document(opened):
    """Nothing is stored or embedded for it, and searches show the new name."""
    desk = await opened()
    first = await desk.learned("prices.md", outlined("Ten."))
    before = await desk.knowledge_version()
    renamed = await desk.ingestion.replace("b1", first.id, pieces(outlined("Ten.")), filename="new.md")
    assert (renamed.filename, renamed.version, renamed.status) == ("new.md", 1, DocumentStatus.READY)
    assert await desk.knowledge_version() == before + 1


async def test_holding_the_same_bytes_holds_the_version_on_its_way(opened):
    """Who asks to look first looks first, also when somebody else sent the file without asking."""
    desk = await opened()
    await desk.learned("prices.md", outlined("Ten."))
    coming = await embedding(desk, "prices.md", outlined("Twelve."))
    again = await desk.ingestion.accept("b1", "prices.md", pieces(outlined("Twelve.")), hold=True)
    assert again.version == coming.version
    desk.embedder.gate.set()
    (done,) = await desk.finished(coming)
    assert (done.live_version, done.held_version) == (1, 2)


def archive(**files: str) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, text in files.items():
            file.writestr(name.replace("_", "."), text)
    return packed.getvalue()


async def test_size_and_warning_are_those_of_the_version_that_answers(opened):
    """After a discarded version, and after a failed one when the good file is sent again."""
    desk = await opened()
    content = archive(prices_md="# Prices\n\nTen euros.\n", broken_pdf="%PDF-1.4 nothing")
    first = await desk.learned("all.zip", content)
    assert first.warning is not None
    spoken = (first.bytes, first.warning, first.chunks_dropped)
    await desk.finished(
        await desk.ingestion.replace("b1", first.id, pieces(archive(prices_md="# Prices\n\nTwelve.\n")), hold=True)
    )
    back = await desk.ingestion.discard("b1", first.id)
    assert (back.bytes, back.warning, back.chunks_dropped) == spoken
    await desk.learned("all.zip", b"")
    again = await desk.upload("all.zip", content)
    assert (again.bytes, again.warning, again.chunks_dropped) == spoken

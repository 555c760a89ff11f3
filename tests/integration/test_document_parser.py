"""The parser's real child processes, with real, broken and hostile files."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from database.clock import SystemClock
from services.chunker import ChunkDraft
from services.document_errors import DAMAGED, ENCRYPTED, NO_TEXT, SCANNED, TOO_MUCH_MEMORY, UnreadableDocumentError
from services.document_parser import DocumentParser, ParserLimits
from tests.fakes.fake_clock import FakeClock
from tests.fakes.small_documents import pdf, word_document
from tests.shared import shared


@pytest.fixture
async def parser() -> AsyncIterator[DocumentParser]:
    parser = DocumentParser(SystemClock(), ParserLimits(seconds=60, memory_mb=800))
    yield parser
    await parser.close()


async def read(parser: DocumentParser, path: Path, filename: str | None = None) -> list[ChunkDraft]:
    chunks: list[ChunkDraft] = []

    async def sink(drafts: list[ChunkDraft]) -> None:
        chunks.extend(drafts)

    parsed = await parser.parse(path, filename or path.name, sink)
    assert parsed.chunks == len(chunks)
    return chunks


def written(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def squeezed(text: str) -> str:
    return re.sub(r"[\W_]", "", text)


async def test_small_documents_of_every_kind(parser, tmp_path):
    """Text, Markdown, HTML, PDF and Word give their text, with headings and pages where they have them."""
    page = b"<!doctype html><h1>Shop</h1><nav>Menu</nav><details><summary>Parking?</summary>Yes.</details>"
    samples = {
        "a.txt": b"We open at nine.",
        "a.md": b"# Shop\n\nWe open at nine.",
        "a.html": page,
        "a.pdf": pdf("We open at nine.", "And close at six, every day of the week."),
        "a.docx": word_document("We open at nine.", "Second."),
    }
    read_out = {name: await read(parser, written(tmp_path, name, content)) for name, content in samples.items()}
    assert read_out["a.txt"] == [ChunkDraft("We open at nine.")]
    assert read_out["a.md"] == [ChunkDraft("We open at nine.", "Shop")]
    assert [chunk.text.split() for chunk in read_out["a.html"]] == [["Parking?", "Yes."]]
    assert [chunk.page for chunk in read_out["a.pdf"]] == [1]
    assert "close at six" in read_out["a.pdf"][0].text
    assert read_out["a.docx"] == [ChunkDraft("We open at nine.\n\nSecond.")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
async def test_encodings_are_found_out(parser, tmp_path, encoding):
    """A text keeps its letters, whatever program wrote it."""
    text = "Das Café öffnet um neun Uhr und schließt um sechs."
    assert await read(parser, written(tmp_path, "a.txt", text.encode(encoding))) == [ChunkDraft(text)]


async def test_a_page_in_the_encoding_that_it_names(parser, tmp_path):
    """A web page is read as its own meta element says."""
    page = "<html><head><meta charset='iso-8859-1'></head><p>Geöffnet ab neun</p>".encode("latin-1")
    assert await read(parser, written(tmp_path, "a.html", page)) == [ChunkDraft("Geöffnet ab neun")]


async def test_real_documents_give_their_text(parser):
    """What the evaluation data say must be in a document is in its chunks."""
    folder = shared("evaldata/docs_markitdown")
    for line in (folder / "must_include.jsonl").read_text("utf-8").splitlines():
        wanted = json.loads(line)
        if not wanted["file"].endswith((".pdf", ".docx", ".html")):
            continue
        chunks = await read(parser, folder / wanted["file"])
        everything = squeezed("".join((chunk.heading or "") + chunk.text for chunk in chunks))
        for text in wanted["must_include"]:
            # Pictures inside a document are not text, and links lose their Markdown.
            if not text.startswith("data:image") and "](" not in text:
                assert squeezed(text) in everything, (wanted["file"], text)


async def test_real_pdfs_from_many_producers(parser):
    """Each of the sample PDFs is read or refused for its own reason; no chunk is too long; pages are kept."""
    folder = shared("evaldata/docs_pypdf_samples")
    outcomes: dict[str, set[str]] = {}
    for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines():
        known = json.loads(line)
        try:
            chunks = await read(parser, folder / known["file"])
        except UnreadableDocumentError as refused:
            outcomes.setdefault(str(refused), set()).add(known["file"].split("__")[0].removeprefix("files/"))
            continue
        assert all(0 < len(chunk.text) <= 1200 and chunk.page for chunk in chunks)
        pages = known["traits"].get("pages")
        assert pages is None or max(chunk.page or 0 for chunk in chunks) <= pages
    assert set(outcomes) == {ENCRYPTED, SCANNED}
    assert outcomes[ENCRYPTED] == {"005-libreoffice-writer-password"}


async def test_bad_files_are_refused_and_the_next_is_read(parser, tmp_path):
    """Scans, empty pages and broken files get a sentence each, and spoil nothing for the file behind them."""
    whole = pdf("Hello")
    for content, name, sentence in (
        (pdf("", ""), "scan.pdf", SCANNED),
        (b"   \n\n ", "blank.txt", NO_TEXT),
        (b"<html><body><img src=x.png></body></html>", "picture.html", NO_TEXT),
        (b"%PDF-1.7\nthat was all", "cut.pdf", DAMAGED),
    ):
        with pytest.raises(UnreadableDocumentError) as refused:
            await read(parser, written(tmp_path, name, content))
        assert str(refused.value) == sentence
    assert await read(parser, written(tmp_path, "good.pdf", whole))


async def test_random_bytes_are_refused(parser):
    """Bytes that are no document do not become knowledge."""
    with pytest.raises(UnreadableDocumentError, match="neither text nor"):
        await read(parser, shared("evaldata/docs_markitdown/files/random.bin"))


async def test_a_zip_bomb_is_refused(parser, tmp_path):
    """A small file that unpacks to hundreds of megabytes is stopped by size, not by the machine's memory."""
    bomb = written(tmp_path, "bomb.docx", word_document("aaaaaaaa bbbbbbbb", times=3_000_000))
    with pytest.raises(UnreadableDocumentError, match="more text than"):
        await read(parser, bomb)


async def test_a_file_that_needs_too_much_memory_is_refused(tmp_path):
    """The child's memory limit ends the child, not the server, and the owner is told why."""
    parser = DocumentParser(SystemClock(), ParserLimits(memory_mb=300))
    page = written(tmp_path, "large.html", b"<html>" + b"<p>The shop opens at nine.</p>" * 1_500_000)
    with pytest.raises(UnreadableDocumentError) as refused:
        await read(parser, page)
    assert str(refused.value) == TOO_MUCH_MEMORY
    await parser.close()


async def test_a_file_that_takes_too_long_is_refused(tmp_path):
    """The child is killed at the time limit."""
    parser = DocumentParser(SystemClock(), ParserLimits(seconds=0.5))
    text = written(tmp_path, "large.md", b"- * _a_ `b` [c](d) ![e](f)\n" * 2_000_000)
    with pytest.raises(UnreadableDocumentError, match="took longer than"):
        await read(parser, text)
    await parser.close()
    assert psutil.Process().children() == []


async def test_a_cancelled_reading_ends_its_child(tmp_path):
    """Who stops waiting leaves no process behind."""
    parser = DocumentParser(SystemClock(), ParserLimits())
    text = written(tmp_path, "large.md", b"- * _a_ `b` [c](d) ![e](f)\n" * 2_000_000)
    reading = asyncio.create_task(read(parser, text))
    while not psutil.Process().children():
        await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert psutil.Process().children() == []
    await parser.close()


async def test_a_child_is_kept_while_there_is_work_and_ends_when_idle(tmp_path):
    """Small files do not pay for a process each, and an idle server has no parser in memory."""
    clock = FakeClock()
    parser = DocumentParser(clock, ParserLimits(idle_seconds=10))
    path = written(tmp_path, "a.txt", b"Hello there.")
    await read(parser, path)
    first = parser.pids
    await clock.advance(9)
    await read(parser, path)
    assert parser.pids == first
    await clock.advance(11)
    while psutil.Process().children():
        await asyncio.sleep(0.01)
    assert parser.pids == []
    await parser.close()


async def test_a_child_that_died_while_idle_is_replaced(parser, tmp_path):
    """A killed parser costs nobody's document."""
    path = written(tmp_path, "a.txt", b"Hello there.")
    await read(parser, path)
    os.kill(parser.pids[0], signal.SIGKILL)
    assert await read(parser, path) == [ChunkDraft("Hello there.")]


async def test_children_know_no_secrets(parser, tmp_path, monkeypatch):
    """A process that reads strangers' files has none of the server's environment."""
    monkeypatch.setenv("WHATSAPP_ACCESS_TOKEN", "secret")
    await read(parser, written(tmp_path, "a.txt", b"Hello there."))
    environment = psutil.Process(parser.pids[0]).environ()
    assert "WHATSAPP_ACCESS_TOKEN" not in environment
    assert "secret" not in environment.values()

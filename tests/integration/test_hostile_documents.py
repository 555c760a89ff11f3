"""Files that mean harm, or were made by accident: each gets a sentence, the child is bounded, and the next is read."""

import asyncio
import io
import os
import signal
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from database.clock import SystemClock
from services.chunker import ChunkDraft
from services.document_errors import (
    DAMAGED,
    ENCRYPTED,
    NO_TEXT,
    TOO_MANY_CELLS,
    TOO_MUCH_TEXT,
    TOO_NESTED,
    UnreadableDocumentError,
)
from services.document_parser import DocumentParser, ParsedDocument, ParserLimits
from services.reading.archives import ArchiveLimits
from tests.fakes.office_documents import SHEET, ebook, open_document, slides, workbook, zipped
from tests.fakes.small_documents import ole_container, word_document

MEGABYTE = 1024 * 1024
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
    + "]>"
)


@pytest.fixture
async def parser() -> AsyncIterator[DocumentParser]:
    parser = DocumentParser(SystemClock(), ParserLimits(seconds=30))
    yield parser
    await parser.close()


async def read(parser: DocumentParser, path: Path, content: bytes) -> tuple[ParsedDocument, list[ChunkDraft]]:
    chunks: list[ChunkDraft] = []

    async def sink(drafts: list[ChunkDraft]) -> None:
        chunks.extend(drafts)

    path.write_bytes(content)
    return await parser.parse(path, path.name, sink), chunks


async def refusal(parser: DocumentParser, path: Path, content: bytes) -> str:
    with pytest.raises(UnreadableDocumentError) as refused:
        await read(parser, path, content)
    return str(refused.value)


def text_bomb(megabytes: int) -> bytes:
    """A zip of about a thousandth of what it holds."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.txt", "w") as member:
        for _ in range(megabytes):
            member.write(b"bomb " * (MEGABYTE // 5))
    return content.getvalue()


def nested(depth: int) -> bytes:
    content = zipped({"a.txt": "We open at nine."})
    for _ in range(depth):
        content = zipped({"inner.zip": content})
    return content


def many_cells(rows: int) -> bytes:
    """A workbook of a thousand columns."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook({"S": [["x"]]}))) as small, zipfile.ZipFile(content, "w") as archive:
        for name in small.namelist():
            if name != SHEET.format(1):
                archive.writestr(name, small.read(name))
        start, end = small.read(SHEET.format(1)).split(b"<row>", 1)[0], b"</sheetData></worksheet>"
        with archive.open(zipfile.ZipInfo(SHEET.format(1)), "w") as sheet:
            sheet.write(start)
            for _ in range(rows):
                sheet.write(b"<row>" + b"<c><v>1</v></c>" * 1_000 + b"</row>")
            sheet.write(end)
    return content.getvalue()


def locked_zip() -> bytes:
    """The flag that says "encrypted", at both places where a zip keeps it."""
    content = bytearray(zipped({"a.txt": "secret"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


ROW = (
    '<table:table table:name="S"><table:table-row table:number-rows-repeated="1048576"><table:table-cell '
    'table:number-columns-repeated="16384" office:value-type="string"><text:p>x</text:p></table:table-cell>'
    "</table:table-row></table:table>"
)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb.zip": (lambda: text_bomb(310), "The archive unpacks to more than 300 MB"),
    "many.zip": (lambda: zipped({f"{number}.txt": "x" for number in range(1_001)}), "holds more than 1000 files"),
    "nested.zip": (lambda: nested(6), "Not read: inner.zip (nested too deep)."),
    "locked.zip": (locked_zip, "Not read: a.txt (protected by a password)."),
    "empty.zip": (lambda: b"PK\x05\x06" + bytes(18), NO_TEXT),
    "cells.xlsx": (lambda: many_cells(1_100), TOO_MANY_CELLS),
    "laughs.xlsx": (lambda: workbook({"S": [["&l9;"]]}, declaration=LAUGHS), NO_TEXT),
    "repeated.ods": (lambda: open_document("spreadsheet", ROW), TOO_MUCH_TEXT),
    "cells.csv": (lambda: b"1," * 3_000_000, TOO_MANY_CELLS),
    "deep.json": (lambda: b"[" * 100_000, TOO_NESTED),
    "cut.docx": (lambda: word_document("We open at nine.")[:400], DAMAGED),
    "cut.xlsx": (lambda: workbook({"S": [["a"]]})[:700], DAMAGED),
    "cut.pptx": (lambda: slides(("a", "b"))[:700], DAMAGED),
    "cut.odt": (lambda: open_document("text", "<text:p>a</text:p>")[:400], DAMAGED),
    "cut.epub": (lambda: ebook("<p>a</p>")[:400], DAMAGED),
    "hollow.doc": (lambda: ole_container("WordDocument"), DAMAGED),
    "hollow.xls": (lambda: ole_container("Workbook"), NO_TEXT),
    "locked.xlsx": (lambda: ole_container("EncryptionInfo", "EncryptedPackage"), ENCRYPTED),
    "odd.eml": (lambda: b"no header\n\nand no mail\n", DAMAGED),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_is_refused_with_a_sentence(parser, tmp_path, name):
    """Bombs, endless tables, deep nesting, cut and hollow files: what is wrong is said, and the next file is read."""
    make, sentence = HOSTILE[name]
    said = await refusal(parser, tmp_path / name, make())
    assert sentence in said
    assert len(said) <= 300
    _, chunks = await read(parser, tmp_path / "good.txt", b"We open at nine.")
    assert chunks == [ChunkDraft("We open at nine.")]


async def test_entities_never_reach_the_disk_or_grow(parser, tmp_path):
    """A document that names a file of the server gets nothing of it, and laughs stay short."""
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret", encoding="utf-8")
    declaration = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY s SYSTEM "file://{secret}">]>'
    body = "<text:p>We open &s; at nine.</text:p>"
    said = await refusal(parser, tmp_path / "a.odt", open_document("text", body, declaration=declaration))
    assert said == DAMAGED
    _, chunks = await read(parser, tmp_path / "a.xml", f"{declaration}<a>We open &s; at nine.</a>".encode())
    assert chunks == [ChunkDraft("We open &s; at nine.")]
    _, chunks = await read(parser, tmp_path / "b.xml", f"{LAUGHS}<a>We open &l9; at nine.</a>".encode())
    assert sum(len(chunk.text) for chunk in chunks) < 1_000


async def test_a_good_file_beside_bad_ones_in_an_archive(parser, tmp_path):
    """Broken, locked and foreign members are named in the warning; paths out of the archive lead nowhere."""
    content = zipped(
        {
            "../../etc/hours.txt": "We open at nine.",
            "cut.docx": word_document("x")[:300],
            "table.xls": ole_container("EncryptedPackage"),
            "nothing.md": "   ",
        }
    )
    parsed, chunks = await read(parser, tmp_path / "a.zip", content)
    assert chunks == [ChunkDraft("We open at nine.", "etc/hours.txt")]
    assert parsed.warning is not None
    for words in ("cut.docx (damaged)", "table.xls (protected by a password)", "nothing.md (no text)"):
        assert words in parsed.warning


async def test_an_archive_is_bounded_as_its_owner_says(tmp_path):
    """How many files, how large and how deep: what is within is read, what is beyond is refused with the limit."""
    limits = ParserLimits(seconds=30, archives=ArchiveLimits(members=2, unpacked_bytes=2 * MEGABYTE, depth=1))
    parser = DocumentParser(SystemClock(), limits)
    two: dict[str, str | bytes] = {"a.txt": "We open at nine.", "b.txt": "We close at six."}
    parsed, chunks = await read(parser, tmp_path / "two.zip", zipped(two))
    assert (len(chunks), parsed.warning) == (2, None)
    assert "holds more than 2 files" in await refusal(parser, tmp_path / "three.zip", zipped({**two, "c.txt": "x"}))
    assert "unpacks to more than 2 MB" in await refusal(parser, tmp_path / "bomb.zip", text_bomb(3))
    assert "nested too deep" in await refusal(parser, tmp_path / "nested.zip", nested(1))
    await parser.close()


async def test_nothing_stays_on_the_disk(tmp_path, monkeypatch):
    """A child's folder goes with it: after refusals, when it is killed, when its reader is cancelled, at the close."""
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "temporary" / "concierge-parser-999999999-left").mkdir()
    parser = DocumentParser(SystemClock(), ParserLimits(seconds=30))
    await refusal(parser, tmp_path / "a.zip", nested(6))
    folders = list((tmp_path / "temporary").iterdir())
    assert [folder.name.split("-")[2] for folder in folders] == [str(os.getpid())]
    os.kill(parser.pids[0], signal.SIGKILL)
    await read(parser, tmp_path / "b.txt", b"Hello there.")
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    reading = asyncio.create_task(read(parser, tmp_path / "c.md", b"- * _a_ `b` [c](d)\n" * 2_000_000))
    while parser.pids:  # until the child has the document
        await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await parser.close()
    assert list((tmp_path / "temporary").iterdir()) == []
    assert psutil.Process().children() == []


async def test_a_child_that_took_much_memory_reads_no_other_document(tmp_path):
    """The next document begins in a fresh process, so that one large file does not narrow the room of all others."""
    parser = DocumentParser(SystemClock(), ParserLimits(memory_mb=300))
    await read(parser, tmp_path / "small.txt", b"Hello there.")
    kept = parser.pids
    await read(parser, tmp_path / "small.txt", b"Hello again.")
    assert parser.pids == kept
    await read(parser, tmp_path / "large.txt", b" " * (60 * MEGABYTE) + b"We open at nine.")
    assert parser.pids == []
    await parser.close()

"""Every kind of document gives its text, with headings, pages and tables, through the parser's real child processes."""

import email.message
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from database.clock import SystemClock
from services.chunker import ChunkDraft
from services.document_errors import SCANNED, UnreadableDocumentError
from services.document_parser import DocumentParser, ParsedDocument, ParserLimits
from services.reading.text_recognition import text_recognition
from tests.bench.documents import FOLDERS, must_be_read, squeezed
from tests.fakes.office_documents import ebook, open_document, slides, workbook, zipped
from tests.fakes.small_documents import pdf, pdf_with_picture, word_document
from tests.shared import shared

OCR = text_recognition(("eng",), 1) or os.environ.get("CONCIERGE_REQUIRE_OCR")
DATA = Path(__file__).resolve().parent.parent / "data" / "documents"
pytestmark = pytest.mark.asyncio(loop_scope="module")
ROWS: list[list[str | float]] = [["Tea", "Size", "Price"], ["Assam", "", 4.5], ["Sencha", "100 g", 7]]


# Its children are for one document after another, whatever came before.
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parser() -> AsyncIterator[DocumentParser]:
    parser = DocumentParser(SystemClock(), ParserLimits(seconds=60))
    yield parser
    await parser.close()


async def read(
    parser: DocumentParser, path: Path, content: bytes | None = None, **options: int
) -> tuple[ParsedDocument, list[ChunkDraft]]:
    chunks: list[ChunkDraft] = []

    async def sink(drafts: list[ChunkDraft]) -> None:
        chunks.extend(drafts)

    if content is not None:
        path.write_bytes(content)
    return await parser.parse(path, path.name, sink, **options), chunks


async def test_a_workbook_keeps_sheets_headers_and_empty_cells(parser, tmp_path):
    """A sheet's name is the heading and its number the page; an empty cell does not shift the others."""
    content = workbook({"Prices": ROWS, "Hours": [["Opening hours"], [], ["Day", "From"], ["Monday", "nine"]]})
    _, chunks = await read(parser, tmp_path / "a.xlsx", content)
    assert chunks == [
        ChunkDraft("Tea | Size | Price\nAssam | – | 4.5\nSencha | 100 g | 7", "Prices", 1),  # noqa: RUF001 - the dash
        ChunkDraft("Opening hours\n\nDay | From\nMonday | nine", "Hours", 2),
    ]


@pytest.mark.parametrize("name", ["long.xlsx", "long.csv"])
async def test_a_long_table_repeats_its_header(parser, tmp_path, name):
    """Whichever chunk of a price list is found, it says what its columns are."""
    rows = [["Article", "Price"]] + [[f"Thing number {number}", str(number)] for number in range(300)]
    csv = "\n".join(";".join(row) for row in rows).encode()
    _, chunks = await read(parser, tmp_path / name, workbook({"S": rows}) if name.endswith("xlsx") else csv)
    assert len(chunks) > 5
    assert all(chunk.text.startswith("Article | Price\n") for chunk in chunks)
    assert "Thing number 299 | 299" in chunks[-1].text


async def test_rows_of_prose_say_what_each_cell_is(parser, tmp_path):
    """Questions and answers in a table stay together, each behind the name of its column."""
    answer = "We deliver on weekdays, and on Saturdays in December. " * 10
    content = f'question,answer\n"When do you deliver?","{answer}"\n'.encode()
    _, chunks = await read(parser, tmp_path / "faq.csv", content)
    assert chunks[-1].text == f"question: When do you deliver?\nanswer: {answer.strip()}"


async def test_csv_in_other_encodings_and_with_other_delimiters(parser, tmp_path):
    """A table is read as the program wrote it: Shift-JIS, semicolons, tabs."""
    table = "名前,年齢\n佐藤太郎,30\n三木英子,25\n髙橋淳,35\n"
    _, japanese = await read(parser, tmp_path / "a.csv", table.encode("cp932"))
    assert "佐藤太郎 | 30" in japanese[0].text
    _, tabs = await read(parser, tmp_path / "b.tsv", b"Tea\tPrice\nAssam\t4,50\n")
    assert tabs[0].text == "Tea | Price\nAssam | 4,50"


async def test_old_office_files(parser):
    """Word and Excel files of before 2007 give headings, lists and tables."""
    parsed, chunks = await read(parser, DATA / "handbook.doc")
    assert parsed.mime == "application/msword"
    assert ChunkDraft("Bring it back within 30 days.", "Returns") in chunks
    assert any("Green | 2.50" in chunk.text for chunk in chunks)
    _, chunks = await read(parser, DATA / "prices.xls")
    assert chunks == [ChunkDraft("Name | Day | Price\nTea | 2026-11-02 | 2.5\nCoffee | – | 3", "p", 1)]  # noqa: RUF001


async def test_slides_keep_titles_and_numbers(parser, tmp_path):
    """A slide's title is the heading of its text, its number the page."""
    content = slides(("Delivery", "Parcels leave on weekdays."), ("Opening hours", "We open at nine."))
    _, chunks = await read(parser, tmp_path / "a.pptx", content)
    assert chunks == [
        ChunkDraft("Parcels leave on weekdays.", "Delivery", 1),
        ChunkDraft("We open at nine.", "Opening hours", 2),
    ]


async def test_open_document_files(parser, tmp_path):
    """Texts, tables and presentations of LibreOffice are read like Microsoft's."""
    text = '<text:h text:outline-level="1">Returns</text:h><text:p>Within 30 days.</text:p>'
    _, chunks = await read(parser, tmp_path / "a.odt", open_document("text", text))
    assert chunks == [ChunkDraft("Within 30 days.", "Returns")]
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    cells = cell.format("Tea") + cell.format("cheap")
    table = f'<table:table table:name="Prices"><table:table-row>{cells}</table:table-row></table:table>'
    _, chunks = await read(parser, tmp_path / "a.ods", open_document("spreadsheet", table))
    assert chunks == [ChunkDraft("Tea | cheap", "Prices", 1)]
    page = '<draw:page draw:name="Delivery"><draw:frame><draw:text-box><text:p>On weekdays.</text:p></draw:text-box>'
    _, chunks = await read(
        parser, tmp_path / "a.odp", open_document("presentation", f"{page}</draw:frame></draw:page>")
    )
    assert chunks == [ChunkDraft("On weekdays.", "Delivery", 1)]


async def test_rich_text_and_books(parser, tmp_path):
    """RTF keeps its letters and tables, an e-book its chapters and its title."""
    rtf = rb"{\rtf1\ansi The caf\'e9 opens at nine.\par \trowd\cellx1000\cellx2000 Tea\cell 2 \u8364?\cell\row}"
    _, chunks = await read(parser, tmp_path / "a.rtf", rtf)
    assert chunks == [ChunkDraft("The café opens at nine.\n\nTea | 2 €")]
    _, chunks = await read(parser, tmp_path / "a.epub", ebook("<h1>Green</h1><p>Steep it for two minutes.</p>"))
    assert ChunkDraft("Steep it for two minutes.", "Green") in chunks
    assert "The tea book" in chunks[0].text


async def test_an_email_with_what_is_attached(parser, tmp_path):
    """Subject as heading, who and when, the text rather than the page, and each attachment under its name."""
    mail = email.message.EmailMessage()
    mail["Subject"], mail["From"] = "Prices for Köln", "Ann <ann@example.com>"
    mail["Date"] = "Mon, 02 Nov 2026 10:00:00 +0000"
    mail.set_content("Dear Bob,\n\nthe new prices are attached.\n")
    mail.add_alternative("<p>The page says it otherwise.</p>", subtype="html")
    mail.add_attachment(b"Tea,Price\nAssam,4\n", maintype="text", subtype="csv", filename="prices.csv")
    mail.add_attachment(bytes(99), maintype="application", subtype="x-unknown", filename="odd.bin")
    parsed, chunks = await read(parser, tmp_path / "a.eml", bytes(mail))
    assert [chunk.heading for chunk in chunks] == ["Prices for Köln", "Prices for Köln > prices.csv"]
    assert "From: Ann <ann@example.com>" in chunks[0].text
    assert "the new prices are attached." in chunks[0].text
    assert "otherwise" not in chunks[0].text
    assert chunks[1].text == "Tea | Price\nAssam | 4"
    assert parsed.warning == "Not read: odd.bin (not readable)."


async def test_json_is_read_as_lines(parser, tmp_path):
    """Records become "key: value" lines, nested parts stand under their keys, and so does one object a line."""
    shop = {"name": "Tea & Co", "open": True, "phones": ["1", "2"]}
    value = {"shop": shop, "faq": [{"q": "Open?", "a": {"de": "Ja"}}]}
    _, chunks = await read(parser, tmp_path / "a.json", json.dumps(value).encode())
    assert chunks == [
        ChunkDraft("name: Tea & Co\nopen: yes\nphones: 1, 2", "shop"),
        ChunkDraft("q: Open?\na.de: Ja", "faq"),
    ]
    _, chunks = await read(parser, tmp_path / "a.jsonl", b'{"name": "Assam"}\n{"name": "Sencha"}\n')
    assert chunks == [ChunkDraft("name: Assam\n\nname: Sencha")]
    with pytest.raises(UnreadableDocumentError, match="broken in line 2"):
        await read(parser, tmp_path / "b.json", b'{"name":\n oops}')


async def test_a_page_without_its_menu_but_with_its_tables(parser, tmp_path):
    """Navigation and long lists of links are left out; the title stands above a page that has no main heading."""
    menu = "".join(f"<li><a href='/{number}'>Elsewhere {number}</a></li>" for number in range(40))
    page = f"<html><head><title>Tea shop</title></head><body><nav>Home</nav><ul>{menu}</ul><p>We sell tea.</p>"
    page += "<table><tr><th>Tea</th><th>Price</th></tr><tr><td>Assam</td><td>4</td></tr></table></body></html>"
    _, chunks = await read(parser, tmp_path / "a.html", page.encode())
    assert chunks == [ChunkDraft("We sell tea.\n\nTea | Price\nAssam | 4", "Tea shop")]


async def test_a_title_is_no_passage_where_nobody_wrote_a_head(parser, tmp_path):
    """HTML lets <head> be left out: the title is still the title."""
    page = "<html><title>Harbour Shop</title><body><h1>Ferry</h1><p>It leaves at eight.</p></body></html>"
    _, chunks = await read(parser, tmp_path / "a.html", page.encode())
    assert chunks == [ChunkDraft("It leaves at eight.", "Ferry")]
    _, chunks = await read(parser, tmp_path / "b.html", page.replace("h1>", "h2>").encode())
    assert chunks == [ChunkDraft("It leaves at eight.", "Harbour Shop > Ferry")]


async def test_an_archive_is_one_document(parser, tmp_path):
    """Each file in a zip is read under its path, archives in it too; what cannot be read is named."""
    inner = zipped({"deep/notes.md": "# Hours\n\nWe open at nine."})
    content = zipped(
        {
            "docs/letter.docx": word_document("Dear customer."),
            "__MACOSX/._letter": "noise",
            "more.zip": inner,
            "scan.pdf": pdf(""),
            "odd.bin": bytes(range(256)),
        }
    )
    parsed, chunks = await read(parser, tmp_path / "all.zip", content)
    assert chunks == [
        ChunkDraft("Dear customer.", "docs/letter.docx"),
        ChunkDraft("We open at nine.", "more.zip > deep/notes.md > Hours"),
    ]
    assert parsed.warning == "Not read: scan.pdf (pictures of pages), odd.bin (not readable)."


async def test_running_lines_of_pages_are_left_out(parser, tmp_path):
    """What stands at the edge of every page is neither knowledge nor a reason to cut a sentence."""
    down = ") Tj 0 -300 Td ("
    pages = [
        f"Handbook of the shop{down}Thing {number} is on shelf {number}.{down}Page {number} of 9"
        for number in range(1, 10)
    ]
    _, chunks = await read(parser, tmp_path / "a.pdf", pdf(*pages))
    text = "\n".join(chunk.text for chunk in chunks)
    assert text.count("Handbook of the shop") == 1
    assert "of 9" not in text
    assert "Thing 9 is on shelf 9." in text


async def test_debris_is_dropped_and_counted(parser, tmp_path):
    """Chunks that nobody could read an answer out of do not become knowledge."""
    dump = bytes(range(200, 250)).hex(" ")
    content = f"# Hours\n\nWe open at nine.\n\n# Dump\n\n{dump}\n\n# Dots\n\n.........\n".encode()
    parsed, chunks = await read(parser, tmp_path / "a.md", content)
    assert chunks == [ChunkDraft("We open at nine.", "Hours")]
    assert (parsed.chunks, parsed.dropped) == (1, 2)
    with pytest.raises(UnreadableDocumentError, match="holds no words"):
        await read(parser, tmp_path / "b.txt", dump.encode())


async def test_a_business_may_want_smaller_chunks(parser, tmp_path):
    """The size that is asked for is kept."""
    content = ("We open at nine on every day of the week. " * 100).encode()
    _, chunks = await read(parser, tmp_path / "a.txt", content, chunk_characters=300)
    assert 200 < max(len(chunk.text) for chunk in chunks) <= 300


@pytest.mark.skipif(not OCR, reason="Tesseract's data for English are not here (Debian: tesseract-ocr-eng)")
async def test_scans_and_pictures_are_recognised(tmp_path):
    """With Tesseract's data, pages that are pictures are read; a page of text beside them stays as it is."""
    scan = shared("evaldata/docs_markitdown/files/ocr__pdf_scanned_invoice.pdf")
    parser = DocumentParser(SystemClock(), ParserLimits(seconds=100, ocr_languages=("eng", "tlh")))
    _, chunks = await read(parser, scan)
    picture = shared("evaldata/docs_markitdown/files/test_llm.jpg").read_bytes()
    parsed, mixed = await read(parser, tmp_path / "mixed.pdf", pdf_with_picture("We open at nine.", picture))
    await parser.close()
    assert mixed[0].text.startswith("We open at nine.")
    assert "mention the string" in " ".join(chunk.text for chunk in mixed)
    assert parsed.warning is None
    assert "INV-2024-001" in chunks[0].text
    assert chunks[0].page == 1


async def test_pictures_of_pages_are_named_where_nobody_recognises_them(parser, tmp_path):
    """Without text recognition a scan is refused, and what a document lacks is said."""
    with pytest.raises(UnreadableDocumentError) as refused:
        await read(parser, shared("evaldata/docs_markitdown/files/ocr__pdf_scanned_invoice.pdf"))
    assert str(refused.value) == SCANNED
    picture = shared("evaldata/docs_markitdown/files/test_llm.jpg").read_bytes()
    parsed, chunks = await read(parser, tmp_path / "mixed.pdf", pdf_with_picture("We open at nine.", picture))
    assert chunks == [ChunkDraft("We open at nine.", None, 1)]
    assert parsed.warning == "Not read: page 2 (pictures)."


async def outcome(parser: DocumentParser, path: Path) -> list[ChunkDraft] | str:
    try:
        return (await read(parser, path))[1]
    except UnreadableDocumentError as refused:
        return str(refused)


async def test_real_documents(parser):
    """Every real document is read, or refused with a sentence; what must be in it is there."""
    texts: dict[str, str] = {}
    refused: dict[str, str] = {}
    for folder in FOLDERS:
        for path in sorted(shared(f"evaldata/{folder}/files").iterdir()):
            found = await outcome(parser, path)
            if isinstance(found, str):
                refused[path.name] = found
            else:
                assert all(0 < len(chunk.text) <= 1200 for chunk in found)
                texts[path.name] = squeezed("".join(f"{chunk.heading}{chunk.text}" for chunk in found))
    assert all(15 <= len(sentence) <= 300 for sentence in refused.values())
    assert len(texts) >= 74
    for line in shared("evaldata/docs_markitdown/must_include.jsonl").read_text("utf-8").splitlines():
        wanted = json.loads(line)
        for string in filter(must_be_read, wanted["must_include"]):
            assert squeezed(string) in texts[Path(wanted["file"]).name], (wanted["file"], string)

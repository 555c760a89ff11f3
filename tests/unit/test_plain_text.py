"""Plain text becomes paragraphs: wrapped sentences are joined, lists are not, and length costs time in proportion."""

from services.document_kinds import DocumentKind
from services.reading.document_reader import DocumentReader

LONG = "We deliver on every working day of the week from nine to five"


def paragraphs(tmp_path, text: str) -> list[str]:
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    return [block.text for block in DocumentReader(None).blocks(path, DocumentKind.TEXT) if block.text]


def test_a_sentence_that_an_editor_wrapped_is_joined(tmp_path):
    """A long line that goes on with a small letter is one with the next; empty lines part paragraphs."""
    assert paragraphs(tmp_path, f"{LONG},\nwithout a charge\n\nNext") == [f"{LONG}, without a charge", "Next"]


def test_a_list_behind_a_long_line_keeps_its_lines(tmp_path):
    """What counts is the line itself that came before, not all that was joined to it."""
    text = f"{LONG}\nand on Saturdays\nbread\nbutter\nmilk"
    assert paragraphs(tmp_path, text) == [f"{LONG} and on Saturdays\nbread\nbutter\nmilk"]


def test_a_text_without_empty_lines_is_read_in_pieces(tmp_path):
    """Megabytes of log in one paragraph: bounded pieces, each line once, in time that grows with the length alone."""
    lines = [f"{LONG} {number} and so forth" for number in range(60_000)]
    found = paragraphs(tmp_path, "\n".join(line.lower() for line in lines))
    assert max(map(len, found)) < 40_000
    assert " ".join(found).split() == " ".join(lines).lower().split()


def test_markup_that_never_ends_costs_no_time(tmp_path):
    """Thousands of beginnings of a document type, none of them closed, are looked at once."""
    path = tmp_path / "a.xml"
    path.write_text("<?xml version='1.0'?>" + "<!DOCTYPE a [ " * 40_000 + "<a>nine</a>")
    list(DocumentReader(None).blocks(path, DocumentKind.XML))
    path.write_text("<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'> ]><a>nine</a>")
    assert [block.text for block in DocumentReader(None).blocks(path, DocumentKind.XML)][-1] == "nine"

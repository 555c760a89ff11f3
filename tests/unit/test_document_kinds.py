"""What a file is comes from its content; a name that says otherwise is refused with a sentence."""

from pathlib import Path

import pytest

from services.document_errors import DAMAGED, EMPTY, ENCRYPTED, NOT_TEXT, OLD_OFFICE, UnreadableDocumentError
from services.document_kinds import DocumentKind, kind_of
from tests.fakes.small_documents import archive, ole_container, pdf, word_document

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def kind(tmp_path: Path, content: bytes, filename: str) -> DocumentKind:
    path = tmp_path / "file"
    path.write_bytes(content)
    return kind_of(path, filename)


@pytest.mark.parametrize(
    ("content", "filename", "expected"),
    [
        (pdf("Hello"), "a.pdf", DocumentKind.PDF),
        (pdf("Hello"), "A.PDF", DocumentKind.PDF),
        (b"junk before\n" + pdf("Hello"), "noname", DocumentKind.PDF),
        (word_document("Hello"), "a.docx", DocumentKind.WORD),
        (b"<!DOCTYPE html><html><p>Hi", "a.html", DocumentKind.HTML),
        (b"<p>Only a part of a page", "a.htm", DocumentKind.HTML),
        (b"  <!-- x -->\n<html><p>Hi", "a.txt", DocumentKind.HTML),
        (b"\xef\xbb\xbf<!DOCTYPE html><p>Hi", "no name", DocumentKind.HTML),
        (b'<?xml version="1.0"?>\n<!-- x --><!-- y -->\n<html><p>Hi', "a.txt", DocumentKind.HTML),
        (b'<!-- x --><?xml version="1.0"?><html><p>Hi', "no name", DocumentKind.HTML),
        (b"<!-- x --><table><tr><td>Hi", "a.xls", DocumentKind.HTML),
        # one by one, each looked at once: a pattern for them took time that doubled with each
        (b"<!---->\n" * 8_000 + b"Hello", "a.md", DocumentKind.MARKDOWN),
        (b"<!-- " * 12_000 + b"Hello", "a.txt", DocumentKind.TEXT),
        (b"# Hello", "a.md", DocumentKind.MARKDOWN),
        (b"Hello", "a.txt", DocumentKind.TEXT),
        (b"a,b\n1,2", "a.csv", DocumentKind.CSV),
        (b"Hello", "no name", DocumentKind.TEXT),
        ("Käse".encode("utf-16"), "a.txt", DocumentKind.TEXT),
        ("Käse and more".encode("utf-16-le"), "a.txt", DocumentKind.TEXT),
        ("営業時間は午前九時から".encode("cp932"), "a.txt", DocumentKind.TEXT),
    ],
)
def test_documents_are_told_by_their_content(tmp_path, content, filename, expected):
    """Every kind that we read is found, whatever its name leaves open."""
    assert kind(tmp_path, content, filename) is expected


@pytest.mark.parametrize(
    ("content", "filename", "sentence"),
    [
        (b"", "a.txt", EMPTY),
        (OLE, "a.doc", DAMAGED),
        (ole_container("Contents"), "a.pub", OLD_OFFICE),
        (ole_container("EncryptedPackage"), "a.docx", ENCRYPTED),
        (b"PK\x03\x04 and then nothing of an archive", "a.docx", DAMAGED),
        (bytes(range(256)) * 20, "a.bin", NOT_TEXT),
        (bytes(range(256)) * 20, "a.pdf", "The name ends in .pdf, but the content is"),
        (PNG, "a.png", "The content is a PNG picture, which we cannot read."),
        (PNG, "a.pdf", "The name ends in .pdf, but the content is a PNG picture."),
        (b"Just text", "a.pdf", "The name ends in .pdf, but the content is text."),
        (b"Just text", "a.xlsx", "The name ends in .xlsx, but the content is text."),
        (pdf("Hello"), "a.docx", "The name ends in .docx, but the content is a PDF."),
        (pdf("Hello"), "a.txt", "The name ends in .txt, but the content is a PDF."),
        (word_document("Hello"), "a.pdf", "The name ends in .pdf, but the content is a Word document (.docx)."),
        (archive({"a.txt": "x"}), "a.docx", "The name ends in .docx, but the content is an archive (zip)."),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(tmp_path, content, filename, sentence):
    """An owner learns what is wrong with the file, in at most 300 characters."""
    with pytest.raises(UnreadableDocumentError) as refused:
        kind(tmp_path, content, filename)
    assert str(refused.value).startswith(sentence)
    assert len(str(refused.value)) <= 300

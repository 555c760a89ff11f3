"""Which kind of document a file is: told from its content, compared with its name."""

import re
import zipfile
from enum import StrEnum
from pathlib import Path

from services.document_errors import (
    DAMAGED,
    EMPTY,
    ENCRYPTED,
    NOT_TEXT,
    OLD_OFFICE,
    UnreadableDocumentError,
    mislabelled,
    unsupported,
)


class DocumentKind(StrEnum):
    """The kinds that we read; the value is the MIME type."""

    PDF = "application/pdf"
    WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    HTML = "text/html"
    MARKDOWN = "text/markdown"
    TEXT = "text/plain"


_NAMES = {
    DocumentKind.PDF: "a PDF",
    DocumentKind.WORD: "a Word document (.docx)",
    DocumentKind.HTML: "a web page (HTML)",
    DocumentKind.MARKDOWN: "text",
    DocumentKind.TEXT: "text",
}
_BY_SUFFIX = {
    ".pdf": DocumentKind.PDF,
    ".docx": DocumentKind.WORD,
    ".html": DocumentKind.HTML,
    ".htm": DocumentKind.HTML,
    ".xhtml": DocumentKind.HTML,
    ".md": DocumentKind.MARKDOWN,
    ".markdown": DocumentKind.MARKDOWN,
    ".txt": DocumentKind.TEXT,
    ".text": DocumentKind.TEXT,
}
# Names that promise a document that we read: what a folder is searched for.
DOCUMENT_SUFFIXES = frozenset(_BY_SUFFIX)
_TEXTS = frozenset({DocumentKind.HTML, DocumentKind.MARKDOWN, DocumentKind.TEXT})
# Names that promise something which is not text: text behind them is a mistake, not a document.
_NEVER_TEXT = frozenset(
    {
        ".doc",
        ".xls",
        ".xlsx",
        ".ppt",
        ".pptx",
        ".odt",
        ".ods",
        ".odp",
        ".epub",
        ".rtf",
        ".zip",
        ".gz",
        ".7z",
        ".rar",
        ".exe",
        ".dll",
        ".iso",
        ".msg",
        ".png",
        ".jpg",
        ".jpeg",
        ".gif",
        ".bmp",
        ".webp",
        ".tif",
        ".tiff",
        ".heic",
        ".mp3",
        ".mp4",
        ".m4a",
        ".mov",
        ".avi",
        ".wav",
        ".ogg",
        ".webm",
    }
)
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"BM", "a picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"RIFF", "a sound, a film or a picture"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound or a film"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed archive"),
    (b"Rar!", "a compressed archive"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "a database"),
)
_ZIP_CONTENTS = (
    ("xl/workbook.xml", "an Excel workbook"),
    ("ppt/presentation.xml", "a PowerPoint presentation"),
    ("META-INF/container.xml", "an e-book (EPUB)"),
    ("content.xml", "an OpenDocument file"),
)
_SAMPLE_BYTES = 64 * 1024
_PDF_WITHIN = 1024
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_CONTROL_SHARE = 0.005
_HTML_START = re.compile(
    rb"\s*(<!--.*?-->\s*)*(<\?xml[^>]*>\s*)?<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)


def kind_of(path: Path, filename: str) -> DocumentKind:
    """The kind of the file at `path` that its owner calls `filename`.

    Raises UnreadableDocumentError for what is empty, locked, not readable by us, or not what its name says.
    """
    with path.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    if not sample:
        raise UnreadableDocumentError(EMPTY)
    suffix = Path(filename).suffix.lower()
    kind = _binary_kind(path, sample, suffix)
    if kind is None:
        return _text_kind(sample, suffix)
    if suffix in _BY_SUFFIX and _BY_SUFFIX[suffix] is not kind:
        raise UnreadableDocumentError(mislabelled(suffix, _NAMES[kind]))
    return kind


def _binary_kind(path: Path, sample: bytes, suffix: str) -> DocumentKind | None:
    """PDF or Word; None for text. Raises for every other binary content."""
    if b"%PDF-" in sample[:_PDF_WITHIN]:
        return DocumentKind.PDF
    if sample.startswith(b"PK\x03\x04"):
        return _zip_kind(path, suffix)
    if sample.startswith(_OLE):
        raise UnreadableDocumentError(ENCRYPTED if _holds_encrypted_package(path) else OLD_OFFICE)
    if _looks_like_text(sample):
        return None
    for magic, name in _MAGIC:
        if sample.startswith(magic):
            raise _refused(suffix, name)
    raise UnreadableDocumentError(mislabelled(suffix, "not of that kind") if suffix in _BY_SUFFIX else NOT_TEXT)


def _zip_kind(path: Path, suffix: str) -> DocumentKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableDocumentError(DAMAGED) from error
    if "word/document.xml" in names:
        return DocumentKind.WORD
    for name, content in _ZIP_CONTENTS:
        if name in names:
            raise _refused(suffix, content)
    raise _refused(suffix, "an archive (zip)")


def _refused(suffix: str, content: str) -> UnreadableDocumentError:
    if suffix in _BY_SUFFIX:
        return UnreadableDocumentError(mislabelled(suffix, content))
    return UnreadableDocumentError(unsupported(content))


def _holds_encrypted_package(path: Path) -> bool:
    """Office keeps a document with a password as a stream of this name in an OLE container (MS-OFFCRYPTO 2.3.4.4)."""
    return "EncryptedPackage".encode("utf-16-le") in path.read_bytes()


def _text_kind(sample: bytes, suffix: str) -> DocumentKind:
    kind = _BY_SUFFIX.get(suffix)
    if kind in _TEXTS:
        return DocumentKind.HTML if _HTML_START.match(sample) else kind
    if kind is not None or suffix in _NEVER_TEXT:
        raise UnreadableDocumentError(mislabelled(suffix, "text"))
    return DocumentKind.HTML if _HTML_START.match(sample) else DocumentKind.TEXT


def _looks_like_text(sample: bytes) -> bool:
    if sample.startswith(_BOMS) or looks_like_utf16(sample):
        return True
    controls = sum(sample.count(byte) for byte in range(0x20) if byte not in b"\t\n\r\f\x1b")
    return controls <= len(sample) * _CONTROL_SHARE and b"\x00" not in sample


def looks_like_utf16(sample: bytes) -> str | None:
    """The encoding when every other byte of a text without byte order mark is nearly always zero."""
    pairs = len(sample) // 2
    if pairs < 2:  # noqa: PLR2004 - two characters are the least that show a pattern
        return None
    even, odd = sample[0 : pairs * 2 : 2].count(0), sample[1 : pairs * 2 : 2].count(0)
    if odd > pairs * 0.7 and even < pairs * 0.05:
        return "utf-16-le"
    if even > pairs * 0.7 and odd < pairs * 0.05:
        return "utf-16-be"
    return None

"""Which kind of document a file is: told from its content, compared with its name."""

import re
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

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
from services.file_signatures import (
    MAGIC,
    OLE,
    behind_remarks,
    is_pdf,
    looks_like_text,
    ole_names,
    zip_mimetype,
    zip_names,
)


class DocumentKind(StrEnum):
    """The kinds that we read; the value is the MIME type."""

    PDF = "application/pdf"
    WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    OLD_WORD = "application/msword"
    OLD_SLIDES = "application/vnd.ms-powerpoint"
    OLD_WORKBOOK = "application/vnd.ms-excel"
    OUTLOOK = "application/vnd.ms-outlook"
    OPEN_TEXT = "application/vnd.oasis.opendocument.text"
    OPEN_WORKBOOK = "application/vnd.oasis.opendocument.spreadsheet"
    OPEN_SLIDES = "application/vnd.oasis.opendocument.presentation"
    EBOOK = "application/epub+zip"
    RICH_TEXT = "application/rtf"
    ZIP = "application/zip"
    MAIL = "message/rfc822"
    CSV = "text/csv"
    JSON = "application/json"
    NOTEBOOK = "application/x-ipynb+json"
    XML = "application/xml"
    HTML = "text/html"
    MARKDOWN = "text/markdown"
    TEXT = "text/plain"
    PNG = "image/png"
    JPEG = "image/jpeg"
    TIFF = "image/tiff"


PICTURES = frozenset({DocumentKind.PNG, DocumentKind.JPEG, DocumentKind.TIFF})
WORKBOOKS = frozenset({DocumentKind.WORKBOOK, DocumentKind.OLD_WORKBOOK, DocumentKind.OPEN_WORKBOOK})

_NAMES = {
    DocumentKind.PDF: "a PDF",
    DocumentKind.WORD: "a Word document (.docx)",
    DocumentKind.SLIDES: "a PowerPoint presentation (.pptx)",
    DocumentKind.WORKBOOK: "an Excel workbook (.xlsx)",
    DocumentKind.OLD_WORD: "a Word document (.doc)",
    DocumentKind.OLD_SLIDES: "a PowerPoint presentation (.ppt)",
    DocumentKind.OLD_WORKBOOK: "an Excel workbook (.xls)",
    DocumentKind.OUTLOOK: "an Outlook message (.msg)",
    DocumentKind.OPEN_TEXT: "an OpenDocument text (.odt)",
    DocumentKind.OPEN_WORKBOOK: "an OpenDocument table (.ods)",
    DocumentKind.OPEN_SLIDES: "an OpenDocument presentation (.odp)",
    DocumentKind.EBOOK: "an e-book (EPUB)",
    DocumentKind.RICH_TEXT: "rich text (.rtf)",
    DocumentKind.ZIP: "an archive (zip)",
    DocumentKind.HTML: "a web page (HTML)",
    DocumentKind.PNG: "a PNG picture",
    DocumentKind.JPEG: "a JPEG picture",
    DocumentKind.TIFF: "a TIFF picture",
}
_BY_SUFFIX = {
    ".pdf": DocumentKind.PDF,
    ".docx": DocumentKind.WORD,
    ".docm": DocumentKind.WORD,
    ".dotx": DocumentKind.WORD,
    ".doc": DocumentKind.OLD_WORD,
    ".dot": DocumentKind.OLD_WORD,
    ".odt": DocumentKind.OPEN_TEXT,
    ".rtf": DocumentKind.RICH_TEXT,
    ".pptx": DocumentKind.SLIDES,
    ".pptm": DocumentKind.SLIDES,
    ".ppsx": DocumentKind.SLIDES,
    ".ppt": DocumentKind.OLD_SLIDES,
    ".pps": DocumentKind.OLD_SLIDES,
    ".odp": DocumentKind.OPEN_SLIDES,
    ".xlsx": DocumentKind.WORKBOOK,
    ".xlsm": DocumentKind.WORKBOOK,
    ".xls": DocumentKind.OLD_WORKBOOK,
    ".ods": DocumentKind.OPEN_WORKBOOK,
    ".msg": DocumentKind.OUTLOOK,
    ".epub": DocumentKind.EBOOK,
    ".zip": DocumentKind.ZIP,
    ".png": DocumentKind.PNG,
    ".jpg": DocumentKind.JPEG,
    ".jpeg": DocumentKind.JPEG,
    ".tif": DocumentKind.TIFF,
    ".tiff": DocumentKind.TIFF,
    ".eml": DocumentKind.MAIL,
    ".csv": DocumentKind.CSV,
    ".tsv": DocumentKind.CSV,
    ".json": DocumentKind.JSON,
    ".jsonl": DocumentKind.JSON,
    ".ndjson": DocumentKind.JSON,
    ".ipynb": DocumentKind.NOTEBOOK,
    ".xml": DocumentKind.XML,
    ".rss": DocumentKind.XML,
    ".atom": DocumentKind.XML,
    ".html": DocumentKind.HTML,
    ".htm": DocumentKind.HTML,
    ".xhtml": DocumentKind.HTML,
    ".md": DocumentKind.MARKDOWN,
    ".markdown": DocumentKind.MARKDOWN,
    ".txt": DocumentKind.TEXT,
    ".text": DocumentKind.TEXT,
}
# Names that promise a document that we read: what a folder is searched for. Its pictures are seldom documents.
DOCUMENT_SUFFIXES = frozenset(suffix for suffix, kind in _BY_SUFFIX.items() if kind not in PICTURES)
_TEXTS = frozenset(
    {
        DocumentKind.MAIL,
        DocumentKind.CSV,
        DocumentKind.JSON,
        DocumentKind.NOTEBOOK,
        DocumentKind.XML,
        DocumentKind.HTML,
        DocumentKind.MARKDOWN,
        DocumentKind.TEXT,
    }
)
# Programs save one under the other's name, and the office programs open either: no reason to refuse a file.
_FAMILIES = (
    frozenset({DocumentKind.WORD, DocumentKind.OLD_WORD, DocumentKind.OPEN_TEXT, DocumentKind.RICH_TEXT}),
    WORKBOOKS,
    frozenset({DocumentKind.SLIDES, DocumentKind.OLD_SLIDES, DocumentKind.OPEN_SLIDES}),
    PICTURES,
)
# Names that promise something which is neither text nor any kind of ours: text behind them is a mistake.
_NEVER_TEXT = frozenset(
    {".gz", ".7z", ".rar", ".exe", ".dll", ".iso", ".gif", ".bmp", ".webp", ".heic"}
    | {".mp3", ".mp4", ".m4a", ".mov", ".avi", ".wav", ".ogg", ".webm"}
)
_PICTURE_KINDS = {f"a {kind.name} picture": kind for kind in PICTURES}
_ZIP_MEMBERS = (
    ("word/document.xml", DocumentKind.WORD),
    ("xl/workbook.xml", DocumentKind.WORKBOOK),
    ("ppt/presentation.xml", DocumentKind.SLIDES),
    ("META-INF/container.xml", DocumentKind.EBOOK),
)
_OLE_STREAMS = (
    ("WordDocument", DocumentKind.OLD_WORD),
    ("Workbook", DocumentKind.OLD_WORKBOOK),
    ("Book", DocumentKind.OLD_WORKBOOK),
    ("PowerPoint Document", DocumentKind.OLD_SLIDES),
    ("__properties_version1.0", DocumentKind.OUTLOOK),
)
_SAMPLE_BYTES = 64 * 1024
_RICH_TEXT = b"{\\rtf"
_HTML_START = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_HTML_TABLE = re.compile(rb"<(table|meta|style)\b", re.IGNORECASE)
# RFC 5322 asks for a sender and a date; what a mail server wrote comes before them.
_MAIL_HEADER = re.compile(rb"(?im)^(from|date|subject|received|message-id|mime-version|return-path):")
_MAIL_HEADERS = 3
_XML_START = re.compile(rb"\s*<\?xml\b")
_JSON_START = re.compile(rb"\s*[\[{]\s*[\"\[{]")


def kind_of(path: Path, filename: str, *, pictures: bool = False) -> DocumentKind:
    """The kind of the file at `path` that its owner calls `filename`; pictures are a kind only where we read them.

    Raises UnreadableDocumentError for what is empty, locked, not readable by us, or not what its name says.
    """
    with path.open("rb") as file:
        return kind_of_file(file, filename, pictures=pictures)


def kind_of_file(file: BinaryIO, filename: str, *, pictures: bool = False) -> DocumentKind:
    """As `kind_of`, of an open file."""
    file.seek(0)
    sample = file.read(_SAMPLE_BYTES)
    if not sample:
        raise UnreadableDocumentError(EMPTY)
    suffix = Path(filename).suffix.lower()
    kind = _binary_kind(file, sample, suffix)
    if kind is None:
        return _text_kind(sample, suffix)
    promised = _BY_SUFFIX.get(suffix, kind)
    if promised is not kind and not any({promised, kind} <= family for family in _FAMILIES):
        raise UnreadableDocumentError(mislabelled(suffix, _NAMES[kind]))
    if kind in PICTURES and not pictures:
        raise UnreadableDocumentError(unsupported(_NAMES[kind]))
    return kind


def _binary_kind(file: BinaryIO, sample: bytes, suffix: str) -> DocumentKind | None:
    """A kind that its bytes betray; None for text. Raises for every other binary content."""
    if sample.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(file)
    if is_pdf(sample):
        return DocumentKind.PDF
    if sample.startswith(_RICH_TEXT):
        return DocumentKind.RICH_TEXT
    if sample.startswith(OLE):
        return _ole_kind(file)
    if looks_like_text(sample):
        return None
    for magic, name in MAGIC:
        if sample.startswith(magic):
            if name in _PICTURE_KINDS:
                return _PICTURE_KINDS[name]
            raise UnreadableDocumentError(mislabelled(suffix, name) if suffix in _BY_SUFFIX else unsupported(name))
    raise UnreadableDocumentError(mislabelled(suffix, "not of that kind") if suffix in _BY_SUFFIX else NOT_TEXT)


def _zip_kind(file: BinaryIO) -> DocumentKind:
    try:
        names = zip_names(file)
    except ValueError as error:
        raise UnreadableDocumentError(DAMAGED) from error
    mimetype = zip_mimetype(file)
    for kind in (DocumentKind.OPEN_TEXT, DocumentKind.OPEN_WORKBOOK, DocumentKind.OPEN_SLIDES, DocumentKind.EBOOK):
        if mimetype.removesuffix("-template") == kind:
            return kind
    for name, kind in _ZIP_MEMBERS:
        if name in names:
            return kind
    return DocumentKind.ZIP


def _ole_kind(file: BinaryIO) -> DocumentKind:
    names = ole_names(file)
    if not names:
        raise UnreadableDocumentError(DAMAGED)
    # Office keeps a document with a password as a stream of this name (MS-OFFCRYPTO 2.3.4.4).
    if "EncryptedPackage" in names:
        raise UnreadableDocumentError(ENCRYPTED)
    for name, kind in _OLE_STREAMS:
        if name in names:
            return kind
    raise UnreadableDocumentError(OLD_OFFICE)


def _text_kind(sample: bytes, suffix: str) -> DocumentKind:
    promised = _BY_SUFFIX.get(suffix)
    first_tag = behind_remarks(sample)
    page = bool(_HTML_START.match(sample, first_tag))
    table = page or bool(_HTML_TABLE.match(sample, first_tag))
    if promised in {DocumentKind.OLD_WORKBOOK, DocumentKind.OLD_WORD} and table:
        return DocumentKind.HTML  # what shops and banks offer as "Excel": a page with a table
    if promised is DocumentKind.OLD_WORKBOOK and b"\t" in sample.split(b"\n", 1)[0]:
        return DocumentKind.CSV
    if suffix in _NEVER_TEXT or (promised is not None and promised not in _TEXTS):
        raise UnreadableDocumentError(mislabelled(suffix, "a web page (HTML)" if page else "text"))
    if promised in {DocumentKind.MAIL, DocumentKind.CSV, DocumentKind.JSON, DocumentKind.NOTEBOOK}:
        return promised
    if page:
        return DocumentKind.HTML
    return promised or _guessed(sample)


def _guessed(sample: bytes) -> DocumentKind:
    """The kind of a text whose name says nothing."""
    head = sample.split(b"\r\n\r\n", 1)[0].split(b"\n\n", 1)[0]
    if len({found.lower() for found in _MAIL_HEADER.findall(head)}) >= _MAIL_HEADERS:
        return DocumentKind.MAIL
    if _XML_START.match(sample):
        return DocumentKind.XML
    return DocumentKind.JSON if _JSON_START.match(sample) else DocumentKind.TEXT

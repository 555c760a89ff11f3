"""What an address holds, made ready for the document parser: a name, UTF-8 for pages, and what a reader sees of it."""

import codecs
import hashlib
import html
import re
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from services.document_files import safe_filename
from services.document_kinds import DOCUMENT_SUFFIXES
from services.file_signatures import behind_remarks
from services.web_fetch import Fetched
from services.web_words import digest_of_words

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_HEAD_BYTES = 64 * 1024
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,1000})", re.IGNORECASE)
_BEGINNING = re.compile(rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_LONGEST_NAME = 120
# The encodings of the web, by Python's names for them, and what pages say of themselves when they mean another
# (WHATWG Encoding Standard, 4.2).
_ENCODINGS = frozenset(
    (
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp866", "cp874", "koi8-r", "koi8-u", "mac-roman"),
        *("mac-cyrillic", "gb18030", "big5hkscs", "euc_jp", "iso2022_jp", "cp932", "cp949"),
        *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
        *(f"cp{page}" for page in range(1250, 1259)),
    )
)
_MEANT = {
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "shift_jis": "cp932",
    "tis-620": "cp874",
}


@dataclass(frozen=True, slots=True)
class WebPage:
    """A document to be. `digest` is the SHA-256 of what a reader sees: it stays when only scripts and tags change."""

    filename: str
    content: bytes
    digest: str


def page_of(fetched: Fetched) -> WebPage:
    """Slow for large pages: call it in a thread. `fetched` must have content."""
    content = fetched.content or b""
    if not _is_page(fetched, content):
        return WebPage(_file_name(fetched), content, hashlib.sha256(content).hexdigest())
    text = _decoded(content, fetched.charset)
    digest = digest_of_words(text)
    marked = text if _begins_as_page(content) else f"<!DOCTYPE html>\n{text}"
    # with its mark of UTF-8: what the page says of its encoding was for the bytes that came
    return WebPage(
        _page_name(fetched.address, _title(text)), codecs.BOM_UTF8 + marked.encode("utf-8", "replace"), digest
    )


def unpacked(content: bytes, most: int) -> bytes:
    """The content of a gzip file, at most `most` bytes of it; other content as it is. Raises zlib.error."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    return zlib.decompressobj(wbits=31).decompress(content, most)


def document_name(words: str) -> str:
    """Words as a filename that promises no kind of document: "Our menu.pdf" ends in an ellipsis."""
    tidy = safe_filename(re.sub(r"[/\\]+", " ", words))
    if len(tidy) > _LONGEST_NAME:
        tidy = f"{tidy[: _LONGEST_NAME - 1].rstrip()}…"
    return f"{tidy} …" if PurePosixPath(tidy).suffix.lower() in DOCUMENT_SUFFIXES else tidy


def _is_page(fetched: Fetched, content: bytes) -> bool:
    return fetched.content_type in _PAGE_TYPES or _begins_as_page(content)


def _begins_as_page(content: bytes) -> bool:
    head = content[:_HEAD_BYTES]
    return _BEGINNING.match(head, behind_remarks(head)) is not None


def _decoded(content: bytes, charset: str | None) -> str:
    """Characters, by byte order mark, by the header, by the page itself, else UTF-8 (HTML Living Standard, 13.2.3)."""
    for mark, marked in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(marked, "replace")
    said = _CHARSET.search(content[:_HEAD_BYTES])
    for name in (charset, said.group(1).decode("ascii") if said else None, "utf-8"):
        try:
            if name and (encoding := _encoding(name)):
                return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("utf-8", "replace")


def _encoding(name: str) -> str | None:
    """Of the names of encodings those of the web: Python knows others, some of them no encodings, one endless."""
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    meant = _MEANT.get(known, known)
    return meant if meant in _ENCODINGS else None


def _title(text: str) -> str:
    found = _TITLE.search(text[:_HEAD_BYTES])
    return " ".join(html.unescape(found.group(1)).split()) if found else ""


def _page_name(address: str, title: str) -> str:
    parts = urlsplit(address)
    path = unquote(parts.path).strip("/")
    return document_name(title or f"{parts.netloc} {path}".strip())


def _file_name(fetched: Fetched) -> str:
    """Of a file that is no page: its own name, which tells the kind where the content alone does not."""
    parts = urlsplit(fetched.address)
    return safe_filename(fetched.filename or unquote(parts.path).rstrip("/").rsplit("/", 1)[-1] or parts.netloc)

"""What the first bytes, or the table of contents, of a binary file say that it is."""

import re
import struct
import zipfile
from typing import BinaryIO, NamedTuple

MAGIC = (
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
    (b"BZh", "a compressed archive"),
    (b"\xfd7zXZ\x00", "a compressed archive"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed archive"),
    (b"Rar!", "a compressed archive"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "a database"),
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_CONTROL_SHARE = 0.005
_XML_DECLARATION = re.compile(rb"\s*(?:<\?xml[^>]{0,200}>\s*)?")
_PDF_WITHIN = 1024
_PDF = re.compile(rb"(?:\A|[\s\x00])%PDF-\d")
# MS-CFB 2.1, 2.2 and 2.6: sector numbers from here on mean "none"; the lengths of a header and of an entry.
_FREE = 0xFFFFFFFA
_ENTRY_BYTES = 128
_OLE_HEADER_BYTES = 512
_MOST_SECTORS = 4_096


class _OleEntry(NamedTuple):
    """An entry of an OLE directory; its neighbours and its first child are numbers of entries."""

    name: str
    left: int
    right: int
    child: int


def is_pdf(sample: bytes) -> bool:
    """The mark may stand behind junk (PDF 1.7, annex H), but not in the middle of a text that speaks of PDFs."""
    return sample.startswith(b"%PDF-") or (bool(_PDF.search(sample[:_PDF_WITHIN])) and b" obj" in sample)


def behind_remarks(sample: bytes) -> int:
    """Where a page's first tag stands, if this is one: behind the byte order mark, the XML declaration and remarks.

    Remarks are stepped over one by one, each looked at once: a pattern for them may take time without end.
    """
    at = 3 if sample.startswith(_BOMS[0]) else 0
    at = _past(_XML_DECLARATION, sample, at)
    while sample.startswith(b"<!--", at):
        end = sample.find(b"-->", at + len(b"<!--"))
        if end < 0:
            return len(sample)
        at = _past(_XML_DECLARATION, sample, end + len(b"-->"))
    return at


def _past(pattern: re.Pattern[bytes], sample: bytes, at: int) -> int:
    """Behind a pattern that matches anything, also nothing."""
    found = pattern.match(sample, at)
    return found.end() if found else at


def looks_like_text(sample: bytes) -> bool:
    """Whether nearly all of it is what people type."""
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


def zip_names(file: BinaryIO) -> set[str]:
    """The members' names of a zip archive. Raises ValueError when it is none."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            return set(archive.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError, EOFError, struct.error) as error:
        raise ValueError("not a zip archive") from error


def zip_mimetype(file: BinaryIO) -> str:
    """What an OpenDocument file or an e-book says of itself (OpenDocument 1.3 part 2, 3.3; EPUB OCF 4.3), else ""."""
    file.seek(0)
    head = file.read(200)
    if head[30:38] != b"mimetype":
        return ""
    return head[38:].split(b"PK", 1)[0].decode("ascii", "replace").strip()


def ole_names(file: BinaryIO) -> set[str]:
    """The names at the top of an OLE container (MS-CFB 2.6), without those of objects inside the document."""
    entries = _ole_directory(file)
    names: set[str] = set()
    waiting = [entries[0].child] if entries else []
    seen: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number < len(entries) and number not in seen:
            seen.add(number)
            names.add(entries[number].name)
            waiting += [entries[number].left, entries[number].right]
    return names


def _ole_directory(file: BinaryIO) -> list[_OleEntry]:
    """Its entries; cut short where the container is damaged."""
    file.seek(0)
    header = file.read(_OLE_HEADER_BYTES)
    if len(header) < _OLE_HEADER_BYTES:
        return []
    size = 1 << min(max(struct.unpack_from("<H", header, 30)[0], 7), 12)
    table = [sector for sector in struct.unpack_from("<109I", header, 76) if sector < _FREE]
    entries: list[_OleEntry] = []
    sector = struct.unpack_from("<I", header, 48)[0]
    for _ in range(_MOST_SECTORS):
        if sector >= _FREE:
            break
        content = _sector(file, sector, size)
        entries += [_ole_entry(content, start) for start in range(0, len(content) - _ENTRY_BYTES + 1, _ENTRY_BYTES)]
        sector = _next_sector(file, sector, table, size)
    return entries


def _ole_entry(content: bytes, start: int) -> _OleEntry:
    length = struct.unpack_from("<H", content, start + 64)[0]
    name = content[start : start + min(max(length - 2, 0), 62)].decode("utf-16-le", "replace")
    return _OleEntry(name, *struct.unpack_from("<3I", content, start + 68))


def _sector(file: BinaryIO, number: int, size: int) -> bytes:
    file.seek((number + 1) * size)
    return file.read(size)


def _next_sector(file: BinaryIO, sector: int, table: list[int], size: int) -> int:
    page, place = divmod(sector, size // 4)
    if page >= len(table):
        return _FREE
    entries = _sector(file, table[page], size)
    return int(struct.unpack_from("<I", entries, place * 4)[0]) if len(entries) == size else _FREE

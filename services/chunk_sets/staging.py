"""Between the files of a chunk set and its documents: checked rows on disk, found again by document. Blocking."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.chunk_files import kept_line
from services.chunk_sets.errors import BrokenFileError
from services.chunk_sets.reading import raw_rows
from services.chunk_sets.rows import OurEmbedder, RowCheck, SetRow
from services.snapshots.places import Sign, StoppedError

PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a chunk of a document lies: in which file of the set, and where in its staged form.

    `embedded`: with an embedding of our embedder.
    """

    ordinal: int
    file: int
    offset: int
    length: int
    id: bytes | None
    text: bytes
    embedded: bool


@dataclass(slots=True)
class StagedDocument:
    """A document of the set. `of` is how many chunks it has, if that is said."""

    key: str
    filename: str
    tags: tuple[str, ...]
    of: int | None
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file of the set of which every row is good."""

    documents: dict[str, StagedDocument]


def stage(
    source: Path,
    name: str,
    number: int,
    target: Path,
    ours: OurEmbedder,
    embedder: str | None,
    stopped: Sign = lambda: False,
) -> StagedFile:
    """Check a file and write its rows as they will be kept. Raises BrokenFileError, OSError, StoppedError."""
    check = RowCheck(Path(name).name, ours, embedder)
    documents: dict[str, StagedDocument] = {}
    with target.open("xb") as file:
        for raw in raw_rows(source, name):
            if stopped():
                raise StoppedError
            row = check.row(raw)
            line = kept_line(row.chunk)
            found = documents.get(row.document)
            if found is None:
                found = documents[row.document] = StagedDocument(row.document, row.filename, row.tags, row.of)
            found.entries.append(_entry(row, number, file.tell(), len(line), ours.name))
            file.write(line)
    if not documents:
        raise BrokenFileError("there is no chunk in it")
    return StagedFile(documents)


def _entry(row: SetRow, file: int, offset: int, length: int, ours: str) -> Entry:
    key = hashlib.sha256(row.id.encode()).digest()[:8] if row.id is not None else None
    text = hashlib.sha256(f"{row.chunk.heading}\n{row.chunk.text}".encode()).digest()[:8]
    embedded = row.chunk.vector is not None and row.chunk.embedder == ours
    return Entry(row.ordinal, file, offset, length, key, text, embedded)


def merged(files: list[StagedFile | None]) -> list[StagedDocument]:
    """The documents of all good files, each whole, in the order in which a reader meets them; each name once."""
    documents: dict[str, StagedDocument] = {}
    for staged in files:
        for key, part in (staged.documents if staged else {}).items():
            known = documents.setdefault(key, StagedDocument(key, part.filename, part.tags, part.of))
            known.entries += part.entries
    names: set[str] = set()
    for document in documents.values():
        document.filename = _free_name(document.filename, names)
        names.add(document.filename)
        document.entries.sort(key=lambda entry: (entry.ordinal, entry.file, entry.offset))
    return list(documents.values())


def _free_name(filename: str, taken: set[str]) -> str:
    """Two documents of one name stay two: `prices.pdf` and `prices (2).pdf`."""
    path, number, name = Path(filename), 2, filename
    while name in taken:
        name = f"{path.stem} ({number}){path.suffix}"
        number += 1
    return name


def without_repeats(document: StagedDocument) -> int:
    """Drop rows that several files have; how many. Raises BrokenFileError for an id with two texts."""
    texts: dict[bytes, bytes] = {}
    kept = []
    for entry in document.entries:
        if entry.id is not None:
            if entry.id in texts:
                if texts[entry.id] != entry.text:
                    raise BrokenFileError("two of its files have the same chunk id with different texts")
                continue
            texts[entry.id] = entry.text
        kept.append(entry)
    dropped = len(document.entries) - len(kept)
    document.entries = kept
    return dropped


def pieces(document: StagedDocument, staged: Callable[[int], Path]) -> Iterator[bytes]:
    """The file that the document is kept as. Raises OSError."""
    opened: dict[int, int] = {}
    try:
        piece = bytearray()
        for entry in document.entries:
            if entry.file not in opened:
                for handle in opened.values():
                    os.close(handle)
                opened = {entry.file: os.open(staged(entry.file), os.O_RDONLY)}
            piece += os.pread(opened[entry.file], entry.length, entry.offset)
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)
    finally:
        for handle in opened.values():
            os.close(handle)

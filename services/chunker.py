"""Cuts a document's blocks into chunks that answer a question by themselves: whole paragraphs under one heading.

A chunk ends where a heading begins, where a page ends, or when it has reached its aim. Only a paragraph that is
longer than a chunk may be is cut: between sentences, else between words, and inside a "word" only when it alone
is too long or its script has no spaces.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.document_blocks import Block, BlockKind, clean

CHUNKER = "structure-1"
MAX_CHARACTERS = 1_200
AIM_CHARACTERS = 800
# A page that has less than this is not worth a chunk of its own.
_PAGE_CHARACTERS = 200
_HEADING_CHARACTERS = 300
_HEADING_PART_CHARACTERS = 120
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|(?<=[।؟۔])\s*|\n+")  # noqa: RUF001 - other scripts' ends
_ENDS_SENTENCE = re.compile(r"[.!?…:;。！？।؟۔][\"'”’»)\]]*$")  # noqa: RUF001 - the same


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A chunk that has no id yet. `heading` is the path of headings above it, joined by " > "."""

    text: str
    heading: str | None = None
    page: int | None = None


def chunks_of(blocks: Iterable[Block]) -> Iterator[ChunkDraft]:
    """The chunks of a document, in its order. Nothing of the text is lost: a heading over nothing becomes text."""
    cutter = _Cutter()
    for block in blocks:
        text = clean(block.text)
        if text:
            yield from cutter.take(Block(block.kind, text, block.level, block.page))
    yield from cutter.end()


class _Cutter:
    """Where we are in a document: the headings above, and the parts of the chunk that is being filled."""

    def __init__(self) -> None:
        self._headings: list[tuple[int, str]] = []
        self._pending: Block | None = None
        self._parts: list[Block] = []
        self._length = 0
        self._header_row: Block | None = None

    def take(self, block: Block) -> Iterator[ChunkDraft]:
        if block.kind is BlockKind.HEADING:
            yield from self._take_heading(block)
            return
        if self._pending is not None:
            yield from self._flush()
            self._headings.append((self._pending.level, self._pending.text))
            self._pending = None
        yield from self._take_text(block)

    def end(self) -> Iterator[ChunkDraft]:
        if self._pending is not None:
            yield from self._take_text(_as_paragraph(self._pending))
        yield from self._flush()

    def _take_heading(self, block: Block) -> Iterator[ChunkDraft]:
        if self._pending is not None:
            if block.level > self._pending.level:
                yield from self._flush()
                self._headings.append((self._pending.level, self._pending.text))
            else:
                yield from self._take_text(_as_paragraph(self._pending))
            self._pending = None
        if any(level >= block.level for level, _ in self._headings):
            yield from self._flush()
        self._headings = [(level, text) for level, text in self._headings if level < block.level]
        self._pending = block

    def _take_text(self, block: Block) -> Iterator[ChunkDraft]:
        if block.kind is BlockKind.HEADER_ROW:
            self._header_row = block
        elif block.kind is not BlockKind.ROW:
            self._header_row = None
        if self._page_ends(block):
            yield from self._flush()
        for piece in _pieces(block):
            if self._length and self._length + len(piece.text) + 2 > _room_for(piece):
                yield from self._turn_over(piece)
            self._add(piece)

    def _turn_over(self, piece: Block) -> Iterator[ChunkDraft]:
        """Close the chunk; a line that introduces what follows goes with it, and so does a table's first row."""
        last = self._parts[-1]
        introduces = last.text.endswith((":", "：")) and len(self._parts) > 1  # noqa: RUF001 - the colon of Chinese
        if introduces and len(last.text) + len(piece.text) + 2 <= MAX_CHARACTERS:
            self._parts.pop()
            yield from self._flush()
            self._add(last)
            return
        header = self._header_row
        yield from self._flush()
        if header is not None and piece.kind is BlockKind.ROW and len(header.text) + len(piece.text) < MAX_CHARACTERS:
            self._add(header)

    def _page_ends(self, block: Block) -> bool:
        if not self._parts or block.page is None or block.page == self._parts[-1].page:
            return False
        continues = not _ENDS_SENTENCE.search(self._parts[-1].text) and block.text[:1].islower()
        return self._length >= _PAGE_CHARACTERS and not continues

    def _add(self, block: Block) -> None:
        self._length += len(block.text) + (2 if self._parts else 0)
        self._parts.append(block)

    def _flush(self) -> Iterator[ChunkDraft]:
        if self._parts:
            yield ChunkDraft(_joined(self._parts), self._path(), self._parts[0].page)
        self._parts = []
        self._length = 0

    def _path(self) -> str | None:
        path = " > ".join(text.replace("\n", " ")[:_HEADING_PART_CHARACTERS] for _, text in self._headings)
        return path[-_HEADING_CHARACTERS:] or None


def _room_for(piece: Block) -> int:
    # Rows and items stay with what introduces them as long as they may; paragraphs stop at the aim.
    return MAX_CHARACTERS if piece.kind in {BlockKind.ROW, BlockKind.ITEM} else AIM_CHARACTERS


def _as_paragraph(block: Block) -> Block:
    return Block(BlockKind.PARAGRAPH, block.text, 0, block.page)


def _joined(parts: list[Block]) -> str:
    text = parts[0].text
    for before, part in itertools.pairwise(parts):
        text += _between(before, part) + part.text
    return text


def _between(before: Block, part: Block) -> str:
    rows = (BlockKind.ROW, BlockKind.HEADER_ROW)
    if part.kind is BlockKind.ROW and before.kind in rows:
        return "\n"
    if part.kind is BlockKind.ITEM:
        return "\n"
    over_page = part.page != before.page and part.kind is before.kind is BlockKind.PARAGRAPH
    if over_page and part.text[:1].islower() and not _ENDS_SENTENCE.search(before.text):
        return " "
    return "\n\n"


def _pieces(block: Block) -> list[Block]:
    """The block itself, or its sentences gathered into pieces of about equal length that fit."""
    if len(block.text) <= MAX_CHARACTERS:
        return [block]
    count = -(-len(block.text) // AIM_CHARACTERS)
    texts = _gathered(_sentences(block.text), len(block.text) / count)
    return [Block(block.kind, text, block.level, block.page) for text in texts]


def _sentences(text: str) -> Iterator[str]:
    """Sentences with the white space after them, none longer than a chunk may be."""
    start = 0
    for found in _SENTENCE_END.finditer(text):
        if found.end() > start:
            yield from _fitting(text[start : found.end()])
            start = found.end()
    if start < len(text):
        yield from _fitting(text[start:])


def _gathered(sentences: Iterator[str], aim: float) -> Iterator[str]:
    """Sentences put together, each piece ending as near as can be to a multiple of `aim`."""
    gathered = ""
    given = 0
    border = aim
    for sentence in sentences:
        over = given + len(gathered) + len(sentence) / 2 > border
        if gathered and (over or len(gathered) + len(sentence) > MAX_CHARACTERS):
            if gathered.strip():
                yield gathered.strip()
            given += len(gathered)
            border = max(border + aim, given + aim / 2)
            gathered = ""
        gathered += sentence
    if gathered.strip():
        yield gathered.strip()


def _fitting(sentence: str) -> Iterator[str]:
    """The sentence, cut at spaces when it is too long, and between characters when a word alone is."""
    start = 0
    while len(sentence) - start > MAX_CHARACTERS:
        limit = start + AIM_CHARACTERS
        end = max(sentence.rfind(" ", start + 1, limit), sentence.rfind("\n", start + 1, limit)) + 1
        if not end:
            end = limit
            while end > start + 1 and (unicodedata.combining(sentence[end]) or sentence[end] in "\u200d\ufe0f"):
                end -= 1
        yield sentence[start:end]
        start = end
    yield sentence[start:]

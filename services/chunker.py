"""Cuts a document's blocks into chunks that answer a question by themselves: whole paragraphs under one heading.

A chunk ends where a heading begins, where a page ends, or when it has reached its aim. Only a paragraph that is
longer than a chunk may be is cut: between sentences, else between words, and inside a "word" only when it alone
is too long or its script has no spaces.

Sizes are in characters, where one of a dense script (Chinese, Japanese, Korean, Thai, …) counts twice: it says more,
and is a token or two to an embedder, while four Latin letters are one.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.document_blocks import Block, BlockKind, clean

CHUNKER = "structure-2"
MAX_CHARACTERS = 1_200
MIN_CHARACTERS = 200
# Of the most that a chunk may hold: where it ends when nothing else ends it.
AIM_SHARE = 2 / 3
# A page that has less than this share is not worth a chunk of its own.
_PAGE_SHARE = 1 / 6
_HEADING_CHARACTERS = 300
_HEADING_PART_CHARACTERS = 120
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|(?<=[।؟۔])\s*|\n+")  # noqa: RUF001 - other scripts' ends
_DENSE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u303f\u3040-\u30ff\u3130-\u318f"
    "\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]"
)
_ENDS_SENTENCE = re.compile(r"[.!?…:;。！？।؟۔][\"'”’»)\]]*$")  # noqa: RUF001 - the same


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A chunk that has no id yet. `heading` is the path of headings above it, joined by " > "."""

    text: str
    heading: str | None = None
    page: int | None = None


def chunks_of(blocks: Iterable[Block], most: int = MAX_CHARACTERS) -> Iterator[ChunkDraft]:
    """The chunks of a document, in its order, none larger than `most` (at most MAX_CHARACTERS).

    Nothing of the text is lost: a heading over nothing becomes text.
    """
    cutter = _Cutter(_Sizes(min(max(most, MIN_CHARACTERS), MAX_CHARACTERS)))
    for block in blocks:
        text = clean(block.text)
        if text:
            yield from cutter.take(Block(block.kind, text, block.level, block.page))
    yield from cutter.end()


def size_of(text: str) -> int:
    """In characters; those of dense scripts count twice."""
    return len(text) if text.isascii() else len(text) + len(_DENSE.findall(text))


@dataclass(frozen=True, slots=True)
class _Sizes:
    """What a chunk may hold, and what follows from it."""

    most: int

    @property
    def aim(self) -> int:
        return int(self.most * AIM_SHARE)

    @property
    def page(self) -> int:
        return int(self.most * _PAGE_SHARE)

    def room_for(self, piece: Block) -> int:
        # Rows and items stay with what introduces them as long as they may; paragraphs stop at the aim.
        return self.most if piece.kind in {BlockKind.ROW, BlockKind.ITEM} else self.aim


class _Cutter:
    """Where we are in a document: the headings above, and the parts of the chunk that is being filled."""

    def __init__(self, sizes: _Sizes) -> None:
        self._sizes = sizes
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
        for piece in _pieces(block, self._sizes):
            if self._length and self._length + size_of(piece.text) + 2 > self._sizes.room_for(piece):
                yield from self._turn_over(piece)
            self._add(piece)

    def _turn_over(self, piece: Block) -> Iterator[ChunkDraft]:
        """Close the chunk; a line that introduces what follows goes with it, and so does a table's first row."""
        last = self._parts[-1]
        introduces = last.text.endswith((":", "：")) and len(self._parts) > 1  # noqa: RUF001 - the colon of Chinese
        if introduces and size_of(last.text) + size_of(piece.text) + 2 <= self._sizes.most:
            self._parts.pop()
            yield from self._flush()
            self._add(last)
            return
        header = self._header_row
        yield from self._flush()
        if header is not None and piece.kind is BlockKind.ROW and self._fit_together(header, piece):
            self._add(header)

    def _fit_together(self, header: Block, row: Block) -> bool:
        return size_of(header.text) + size_of(row.text) < self._sizes.most

    def _page_ends(self, block: Block) -> bool:
        if not self._parts or block.page is None or block.page == self._parts[-1].page:
            return False
        continues = not _ENDS_SENTENCE.search(self._parts[-1].text) and block.text[:1].islower()
        return self._length >= self._sizes.page and not continues

    def _add(self, block: Block) -> None:
        self._length += size_of(block.text) + (2 if self._parts else 0)
        self._parts.append(block)

    def _flush(self) -> Iterator[ChunkDraft]:
        if self._parts:
            yield ChunkDraft(_joined(self._parts), self._path(), self._parts[0].page)
        self._parts = []
        self._length = 0

    def _path(self) -> str | None:
        path = " > ".join(text.replace("\n", " ")[:_HEADING_PART_CHARACTERS] for _, text in self._headings)
        return path[-_HEADING_CHARACTERS:] or None


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


def _pieces(block: Block, sizes: _Sizes) -> list[Block]:
    """The block itself, or its sentences gathered into pieces of about equal size that fit."""
    size = size_of(block.text)
    if size <= sizes.most:
        return [block]
    count = -(-size // sizes.aim)
    texts = _gathered(_sentences(block.text, sizes), size / count, sizes.most)
    return [Block(block.kind, text, block.level, block.page) for text in texts]


def _sentences(text: str, sizes: _Sizes) -> Iterator[str]:
    """Sentences with the white space after them, none larger than a chunk may be."""
    start = 0
    for found in _SENTENCE_END.finditer(text):
        if found.end() > start:
            yield from _fitting(text[start : found.end()], sizes)
            start = found.end()
    if start < len(text):
        yield from _fitting(text[start:], sizes)


def _gathered(sentences: Iterator[str], aim: float, most: int) -> Iterator[str]:
    """Sentences put together, each piece ending as near as can be to a multiple of `aim`."""
    gathered = ""
    length = given = 0
    border = aim
    for sentence in sentences:
        size = size_of(sentence)
        over = given + length + size / 2 > border
        if gathered and (over or length + size > most):
            if gathered.strip():
                yield gathered.strip()
            given += length
            border = max(border + aim, given + aim / 2)
            gathered, length = "", 0
        gathered += sentence
        length += size
    if gathered.strip():
        yield gathered.strip()


def _fitting(sentence: str, sizes: _Sizes) -> Iterator[str]:
    """The sentence, cut at spaces when it is too long, and between characters when a word alone is."""
    # One dense character makes all count twice: simple, and never too large.
    dense = size_of(sentence) > len(sentence)
    most, step = (sizes.most // 2, sizes.aim // 2) if dense else (sizes.most, sizes.aim)
    if size_of(sentence) <= sizes.most:
        yield sentence
        return
    start = 0
    while len(sentence) - start > most:
        limit = start + step
        end = max(sentence.rfind(" ", start + 1, limit), sentence.rfind("\n", start + 1, limit)) + 1
        if not end:
            end = limit
            while end > start + 1 and (unicodedata.combining(sentence[end]) or sentence[end] in "\u200d\ufe0f"):
                end -= 1
        yield sentence[start:end]
        start = end
    yield sentence[start:]

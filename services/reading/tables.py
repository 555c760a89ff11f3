"""Tables as lines that a person reads on a phone: "Tea | 2 €"."""

import re
from collections.abc import Iterable, Iterator, Sequence

from services.document_blocks import Block, BlockKind, clean

# Cells longer than this hold prose: a page laid out as a table, not a table.
_CELL_CHARACTERS = 300
# A longer row says what each cell is, so that it can stand and be cut without its header.
_ROW_CHARACTERS = 500
_MISSING = "–"  # noqa: RUF001 - a dash for a cell that is empty between others
_NUMBER = re.compile(r"[\s\d.,:/%€$£+()-]+")  # no letters: a figure, a date, a price


def table_blocks(rows: Sequence[Sequence[str]], page: int | None = None) -> Iterator[Block]:
    """One block a row of a table in a text; the first is a header row, repeated where a table is cut.

    A table of single cells or of prose is layout, and gives paragraphs. Empty rows are left out.
    """
    lines = [line for line in map(_cells, rows) if line]
    filled = [[text for text in line if text] for line in lines]
    if all(len(line) == 1 for line in filled) or any(len(text) > _CELL_CHARACTERS for line in filled for text in line):
        for line in filled:
            yield from (Block(BlockKind.PARAGRAPH, text, 0, page) for text in line)
        return
    # With two columns nobody mistakes which one is missing.
    shown = lines if max(map(len, lines)) > 2 else filled  # noqa: PLR2004
    for index, line in enumerate(shown):
        yield Block(BlockKind.ROW if index else BlockKind.HEADER_ROW, _joined(line), 0, page)


def sheet_blocks(rows: Iterable[Sequence[str]], page: int | None = None) -> Iterator[Block]:
    """The rows of a sheet, one at a time, however many: titles as paragraphs, the header, then data.

    A row that is too long to be read beside its header says "Price: 2 €" for each cell.
    """
    sheet = _Sheet(page)
    for row in rows:
        yield from sheet.take(_cells(row))
    yield from sheet.end()


class _Sheet:
    """Where we are in a sheet: the header of the table, and whether it was shown since the last title or prose."""

    def __init__(self, page: int | None) -> None:
        self._page = page
        self._header: list[str] | None = None
        self._shown = False
        self._has_rows = False
        self._gap = False

    def take(self, line: list[str]) -> Iterator[Block]:
        gap, self._gap = self._gap, not line
        if not line:
            return
        if len(line) == 1 and (self._header is None or gap):
            yield from self.end()
            self._header = None  # a title, and a table of its own behind it
            yield self._block(BlockKind.PARAGRAPH, line[0])
        elif self._header is None and _is_header(line):
            self._header, self._shown, self._has_rows = line, False, False
        elif self._header and len(line) > 1 and len(_joined(line)) + len(_joined(self._header)) > _ROW_CHARACTERS:
            yield self._block(BlockKind.PARAGRAPH, _named(self._header, line))
            self._shown, self._has_rows = False, True
        else:
            yield from self._row(line)

    def end(self) -> Iterator[Block]:
        """The header, when it is all that there is of a table."""
        if self._header and not self._has_rows:
            yield self._block(BlockKind.HEADER_ROW, _joined(self._header))

    def _row(self, line: list[str]) -> Iterator[Block]:
        self._header = self._header or []
        if self._header and not self._shown:
            yield self._block(BlockKind.HEADER_ROW, _joined(self._header))
        yield self._block(BlockKind.ROW, _joined(line))
        self._shown = self._has_rows = True

    def _block(self, kind: BlockKind, text: str) -> Block:
        return Block(kind, text, 0, self._page)


def _is_header(line: list[str]) -> bool:
    return not any(text and _NUMBER.fullmatch(text) for text in line)


def _named(header: list[str], line: list[str]) -> str:
    """Each cell behind its column's name."""
    lines = []
    for index, text in enumerate(line):
        if text:
            name = header[index] if index < len(header) else ""
            lines.append(f"{name}: {text}" if name else text)
    return "\n".join(lines)


def _joined(line: list[str]) -> str:
    return " | ".join(text.replace("\n", " ") or _MISSING for text in line)


def _cells(row: Sequence[str]) -> list[str]:
    """The cells without what is empty at the end; [] for an empty row."""
    line = [clean(text.replace("<br>", "\n")) for text in row]
    while line and not line[-1]:
        line.pop()
    return line

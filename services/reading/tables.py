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
    header: list[str] | None = None
    gap = False
    for row in rows:
        line = _cells(row)
        if not line:
            gap = True
            continue
        if len(line) == 1 and (header is None or gap):
            header = None  # a title, and a table of its own behind it
            yield Block(BlockKind.PARAGRAPH, line[0], 0, page)
        elif header is None:
            header = line if _is_header(line) else []
            yield Block(BlockKind.HEADER_ROW if header else BlockKind.ROW, _joined(line), 0, page)
        elif header and len(line) > 1 and len(_joined(line)) + len(_joined(header)) > _ROW_CHARACTERS:
            yield Block(BlockKind.PARAGRAPH, _named(header, line), 0, page)
        else:
            yield Block(BlockKind.ROW, _joined(line), 0, page)
        gap = False


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

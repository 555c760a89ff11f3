"""Reads workbooks (xlsx, xls, ods) and comma-separated tables: a heading a sheet, a block a row."""

import csv
import itertools
import re
from collections.abc import Iterator
from typing import Any

from services.document_blocks import Block, BlockKind
from services.document_errors import DAMAGED, TOO_MANY_CELLS, UnreadableDocumentError
from services.reading.extraction import MOST_CELLS
from services.reading.tables import sheet_blocks

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 30
_FIELD_CHARACTERS = 10_000_000
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SHEET_HEADING = "## "


def workbook_blocks(document: Any) -> Iterator[Block]:
    """The blocks of an `xberg.ExtractedDocument` of a workbook; `page` is the number of the sheet."""
    names = _sheet_names(document)
    for number, table in enumerate(document.tables, 1):
        page = table.page_number or number
        if page in names:
            yield Block(BlockKind.HEADING, names[page], 1, page)
        yield from sheet_blocks(table.cells, page)


def csv_blocks(text: str) -> Iterator[Block]:
    """The rows of a table whose cells are divided by comma, semicolon, tab or bar, whichever it is."""
    csv.field_size_limit(_FIELD_CHARACTERS)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    rows = csv.reader(_lines(text), delimiter=_delimiter(text))
    yield from sheet_blocks(_counted(rows))


def _sheet_names(document: Any) -> dict[int, str]:
    """By page. Each page's content begins with its sheet's name as a heading."""
    names = {}
    for number, page in enumerate(document.pages or [], 1):
        first = page.content.lstrip().split("\n", 1)[0]
        if first.startswith(_SHEET_HEADING):
            names[page.page_number or number] = first.removeprefix(_SHEET_HEADING).strip()
    return names


def _lines(text: str) -> Iterator[str]:
    # io.StringIO would take four times the memory of the text.
    return (found.group() for found in _LINE.finditer(text))


def _counted(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    cells = 0
    try:
        for row in rows:
            cells += len(row)
            if cells > MOST_CELLS:
                raise UnreadableDocumentError(TOO_MANY_CELLS)
            yield row
    except csv.Error as error:
        raise UnreadableDocumentError(DAMAGED) from error


def _delimiter(text: str) -> str:
    """The one that cuts the first lines into the same number of cells, the most cells winning."""
    lines = list(itertools.islice((line for line in _lines(text) if line.strip()), _SAMPLE_LINES))

    def fit(delimiter: str) -> tuple[float, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        usual = max(counts, key=counts.count, default=1)
        return (counts.count(usual) / len(counts) if usual > 1 else 0.0, usual)

    try:
        return max(_DELIMITERS, key=fit)
    except csv.Error:
        return ","

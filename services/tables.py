"""Tables as lines that a person reads on a phone: "Tea | 2 €"."""

from collections.abc import Iterator, Sequence

from services.document_blocks import Block, BlockKind, clean

# Cells longer than this hold prose: a page laid out as a table, not a table.
_CELL_CHARACTERS = 300


def table_blocks(rows: Sequence[Sequence[str]], page: int | None = None) -> Iterator[Block]:
    """One block a row; the first is a header row, repeated where a table is cut. Empty cells and rows are left out."""
    lines = [[text for text in map(_cell, row) if text] for row in rows]
    lines = [line for line in lines if line]
    if all(len(line) == 1 for line in lines) or any(len(text) > _CELL_CHARACTERS for line in lines for text in line):
        for line in lines:
            yield from (Block(BlockKind.PARAGRAPH, text, 0, page) for text in line)
        return
    for index, line in enumerate(lines):
        kind = BlockKind.ROW if index else BlockKind.HEADER_ROW
        yield Block(kind, " | ".join(text.replace("\n", " ") for text in line), 0, page)


def _cell(text: str) -> str:
    return clean(text.replace("<br>", "\n"))

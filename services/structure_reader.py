"""Turns the structure that xberg finds in a PDF or a Word file into blocks."""

import json
from collections.abc import Iterator
from typing import Any

from services.document_blocks import Block, BlockKind
from services.tables import table_blocks

# Comments are remarks among those who wrote the document, not for those who ask about it.
_LEFT_OUT = frozenset({"image", "metadata_block", "page_break", "group", "list", "quote", "comment", "definition_list"})


def structure_blocks(extracted: Any, *, paged: bool) -> Iterator[Block]:
    """The blocks of an `xberg.ExtractedDocument` that was made with `include_document_structure`.

    Not `paged`: the page numbers are guesses (Word decides on pages when it prints) and are left out.
    """
    if extracted.document is None:
        return
    contents: list[dict[str, Any]] = []
    numbers: dict[int, int] = {}
    for node in extracted.document.nodes:
        content = json.loads(str(node.content))
        page = node.page if paged else None
        contents.append(content)
        if content["node_type"] == "list_item":
            text = f"{_mark(node, contents, numbers)} {content.get('text') or ''}"
            yield Block(BlockKind.ITEM, text, 0, page)
        else:
            yield from _blocks(content, page)


def _blocks(content: dict[str, Any], page: int | None) -> Iterator[Block]:
    kind = content["node_type"]
    if kind in _LEFT_OUT:
        return
    if kind in {"heading", "title"}:
        level = min(max(int(content.get("level") or 1), 1), 6)
        yield Block(BlockKind.HEADING, content.get("text") or "", level, page)
    elif kind == "table":
        yield from table_blocks(_rows(content.get("grid") or {}), page)
    elif kind == "definition_item":
        yield Block(BlockKind.PARAGRAPH, f"{content.get('term')}: {content.get('definition')}", 0, page)
    else:
        text = content.get("text") or content.get("content") or content.get("title") or ""
        yield Block(BlockKind.PARAGRAPH, text, 0, page)


def _mark(node: Any, contents: list[dict[str, Any]], numbers: dict[int, int]) -> str:
    """The number of an ordered list's item, else a dash."""
    if node.parent is None or not contents[node.parent].get("ordered"):
        return "-"
    numbers[node.parent] = numbers.get(node.parent, 0) + 1
    marker = (node.attributes or {}).get("list_marker")
    return str(marker) if marker else f"{numbers[node.parent]}."


def _rows(grid: dict[str, Any]) -> list[list[str]]:
    rows = [[""] * int(grid.get("cols", 0)) for _ in range(int(grid.get("rows", 0)))]
    for cell in grid.get("cells", []):
        if cell["row"] < len(rows) and cell["col"] < len(rows[cell["row"]]):
            rows[cell["row"]][cell["col"]] = cell.get("content") or ""
    return rows

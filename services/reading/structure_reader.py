"""Turns the structure that xberg finds in a PDF, a text, slides or a message into blocks."""

import json
import re
from collections.abc import Iterator
from typing import Any

from services.document_blocks import Block, BlockKind, clean
from services.document_kinds import PICTURES, DocumentKind
from services.reading.tables import table_blocks

# Comments are remarks among those who wrote the document, not for those who ask about it; raw blocks are markup, such
# as the texts of a presentation's master pages.
_LEFT_OUT = frozenset(
    {"image", "page_break", "group", "list", "quote", "comment", "definition_list", "raw_block"},
)
_SLIDES = frozenset({DocumentKind.SLIDES, DocumentKind.OLD_SLIDES, DocumentKind.OPEN_SLIDES})
# Page numbers elsewhere are guesses: Word decides on pages when it prints.
_PAGED = frozenset({DocumentKind.PDF, *_SLIDES})
# xberg writes some formats' pictures and bold text as Markdown.
_PICTURE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_BOLD = re.compile(r"\*\*")
_MARKED_UP = frozenset({DocumentKind.SLIDES, *PICTURES})
_RECOGNISED_HEADING = re.compile(r"\A#{1,6} ")
# xberg cuts slides' titles at 64 characters.
_TITLE_CUT = 60
# What programs call a slide that nobody named.
_DEFAULT_NAME = re.compile(r"[^\W\d_]{1,10} ?\d+")
_MESSAGE_LINES = ("From", "To", "Date")


def structure_blocks(extracted: Any, kind: DocumentKind) -> Iterator[Block]:
    """The blocks of an `xberg.ExtractedDocument` that was made with `include_document_structure`."""
    if extracted.document is None:
        return
    reader = _Structure(kind)
    for node in extracted.document.nodes:
        yield from reader.take(node)


class _Structure:
    """A walk over the nodes; children come after their parents."""

    def __init__(self, kind: DocumentKind) -> None:
        self._kind = kind
        self._contents: list[dict[str, Any]] = []
        self._numbers: dict[int, int] = {}
        self._slide: int | None = None
        self._title = ""

    def take(self, node: Any) -> Iterator[Block]:
        content = json.loads(str(node.content))
        self._contents.append(content)
        kind = content["node_type"]
        page = (self._slide or node.page) if self._kind in _PAGED else None
        if kind in _LEFT_OUT:
            return
        if kind == "slide":
            yield from self._begin_slide(content)
        elif kind == "table":
            yield from table_blocks(_rows(content.get("grid") or {}), page)
        elif kind == "metadata_block":
            yield from _message_blocks(content.get("entries") or [])
        elif kind in {"heading", "title"}:
            level = min(max(int(content.get("level") or 1), 1), 6)
            yield Block(BlockKind.HEADING, content.get("text") or "", level, page)
        else:
            yield from self._text(node, content, page)

    def _begin_slide(self, content: dict[str, Any]) -> Iterator[Block]:
        if self._kind is DocumentKind.SLIDES:
            return  # these say themselves which slide they are on
        self._slide = content.get("number")
        self._title = clean(content.get("title") or "")
        if self._title and not _DEFAULT_NAME.fullmatch(self._title):
            yield Block(BlockKind.HEADING, self._title, 1, self._slide)

    def _text(self, node: Any, content: dict[str, Any], page: int | None) -> Iterator[Block]:
        text = self._readable(_text_of(content))
        if self._title and (text == self._title or (len(self._title) >= _TITLE_CUT and text.startswith(self._title))):
            self._title = ""  # some formats repeat a slide's title as its first line
            return
        if content["node_type"] == "list_item":
            if text:
                yield Block(BlockKind.ITEM, f"{self._mark(node)} {text}", 0, page)
        else:
            yield Block(BlockKind.PARAGRAPH, text, 0, page)

    def _readable(self, text: str) -> str:
        if self._kind in _MARKED_UP:
            text = clean(_BOLD.sub("", _PICTURE.sub(r"\1", text)))
            return "" if text == "-" else _RECOGNISED_HEADING.sub("", text)
        if self._kind is DocumentKind.OLD_WORD:
            # Tables are runs of tabs there: one after a cell, two after a row.
            return text.replace("\t\t", "\n").replace("\t", " | ")
        return text

    def _mark(self, node: Any) -> str:
        """The number of an ordered list's item, else a dash."""
        if node.parent is None or not self._contents[node.parent].get("ordered"):
            return "-"
        self._numbers[node.parent] = self._numbers.get(node.parent, 0) + 1
        marker = (node.attributes or {}).get("list_marker")
        return str(marker) if marker else f"{self._numbers[node.parent]}."


def _text_of(content: dict[str, Any]) -> str:
    if content["node_type"] == "definition_item":
        return f"{content.get('term')}: {content.get('definition')}"
    return content.get("text") or content.get("content") or content.get("title") or ""


def _message_blocks(entries: list[Any]) -> Iterator[Block]:
    """Subject, sender and date of an Outlook message."""
    known = {entry["key"]: entry["value"] for entry in entries if isinstance(entry, dict)}
    if "Subject" in known:
        yield Block(BlockKind.HEADING, known["Subject"], 1)
        yield Block(BlockKind.PARAGRAPH, "\n".join(f"{key}: {known[key]}" for key in _MESSAGE_LINES if key in known))


def _rows(grid: dict[str, Any]) -> list[list[str]]:
    rows = [[""] * int(grid.get("cols", 0)) for _ in range(int(grid.get("rows", 0)))]
    for cell in grid.get("cells", []):
        if cell["row"] < len(rows) and cell["col"] < len(rows[cell["row"]]):
            rows[cell["row"]][cell["col"]] = cell.get("content") or ""
    return rows

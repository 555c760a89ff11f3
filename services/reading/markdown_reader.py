"""Reads Markdown (CommonMark with tables) into blocks of plain text."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from services.document_blocks import Block, BlockKind
from services.reading.markup_text import without_tags
from services.reading.tables import table_blocks

_PIECE_CHARACTERS = 500_000
_FENCE = re.compile(r" {0,3}(```|~~~)")
_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n.*?\r?\n(---|\.\.\.)[ \t]*\r?\n", re.DOTALL)

# So many items of a list that are nothing but links are a page's menu.
_MENU_ITEMS = 20
_LONG_ADDRESS = re.compile(r"https?://\S{100,}")


def markdown_blocks(text: str, *, keep_links: bool) -> Iterator[Block]:
    """The blocks of a Markdown text. With `keep_links` an address stands in brackets behind the words that carry it.

    Without, the text was a web page: its long addresses and menus are left out.
    """
    blocks = _linked_blocks(_FRONT_MATTER.sub("", text, count=1), keep_links=keep_links)
    if keep_links:
        yield from (block for block, _ in blocks)
        return
    for menu, group in itertools.groupby(blocks, key=lambda pair: pair[1]):
        kept = [block for block, _ in group]
        if not menu or len(kept) < _MENU_ITEMS:
            yield from (replace(block, text=_LONG_ADDRESS.sub("", block.text)) for block in kept)


def _linked_blocks(text: str, *, keep_links: bool) -> Iterator[tuple[Block, bool]]:
    """Each block, and whether it is an item of a list that is nothing but a link."""
    for piece in _parts(text):
        yield from _Tokens(piece, keep_links=keep_links).blocks()


def _parts(text: str) -> Iterator[str]:
    """The text cut before headings into parts of a bounded size: the parser's memory is many times its input."""
    lines: list[str] = []
    size = 0
    fenced = False
    for line in text.splitlines(keepends=True):
        if _FENCE.match(line):
            fenced = not fenced
        if size > _PIECE_CHARACTERS and not fenced and (_HEADING.match(line) or not line.strip()):
            yield "".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    yield "".join(lines)


class _Tokens:
    """A walk over the tokens of one part."""

    def __init__(self, text: str, *, keep_links: bool) -> None:
        from markdown_it import MarkdownIt  # noqa: PLC0415 - only the child process reads Markdown

        self._tokens = MarkdownIt("commonmark").enable("table").parse(text)
        self._keep_links = keep_links
        self._lists: list[int | None] = []
        self._mark: str | None = None
        self._rows: list[list[str]] | None = None

    def blocks(self) -> Iterator[tuple[Block, bool]]:
        level = 0
        for token in self._tokens:
            if token.type == "heading_open":
                level = int(token.tag[1:])
            elif token.type == "heading_close":
                level = 0
            elif token.type == "inline":
                text = _inline_text(token.children or [], keep_links=self._keep_links)
                link = _is_link(token.children or [])
                yield from ((block, link and block.kind is BlockKind.ITEM) for block in self._inline(text, level))
            elif token.type in {"fence", "code_block"}:
                yield Block(BlockKind.PARAGRAPH, token.content), False
            elif token.type == "html_block":
                yield Block(BlockKind.PARAGRAPH, without_tags(token.content)), False
            elif token.type == "table_close":
                yield from ((block, False) for block in table_blocks(self._rows or []))
                self._rows = None
            else:
                self._structure(token.type, token.attrs.get("start"))

    def _structure(self, kind: str, start: object) -> None:
        if kind == "bullet_list_open":
            self._lists.append(None)
        elif kind == "ordered_list_open":
            self._lists.append(int(str(start)) if start is not None else 1)
        elif kind in {"bullet_list_close", "ordered_list_close"}:
            self._lists.pop()
        elif kind == "list_item_open":
            self._mark = self._next_mark()
        elif kind == "table_open":
            self._rows = []
        elif kind == "tr_open" and self._rows is not None:
            self._rows.append([])

    def _next_mark(self) -> str:
        number = self._lists[-1]
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _inline(self, text: str, level: int) -> Iterator[Block]:
        if self._rows is not None:
            if self._rows:
                self._rows[-1].append(text)
        elif level:
            yield Block(BlockKind.HEADING, text.replace("\n", " "), level)
        elif self._lists:
            yield Block(BlockKind.ITEM, (self._mark or "  ") + text)
            self._mark = None
        else:
            yield Block(BlockKind.PARAGRAPH, text)


def _is_link(children: list[Any]) -> bool:
    return len(children) > 1 and children[0].type == "link_open" and children[-1].type == "link_close"


def _inline_text(children: list[Any], *, keep_links: bool) -> str:
    parts: list[str] = []
    address: str | None = None
    start = 0
    for child in children:
        if child.type in {"text", "code_inline", "text_special"}:
            parts.append(child.content)
        elif child.type == "softbreak":
            parts.append(" ")
        elif child.type == "hardbreak":
            parts.append("\n")
        elif child.type == "link_open":
            address = str(child.attrs.get("href", ""))
            start = len(parts)
        elif child.type == "link_close":
            if keep_links and address and address.startswith(("http:", "https:")) and address not in "".join(parts):
                parts.append(f" ({address})")
            if not keep_links and "".join(parts[start:]) == address and not address.startswith(("http:", "https:")):
                del parts[start:]  # what a page says of a picture without a text
            address = None
    return "".join(parts)

"""Turns Markdown into what WhatsApp shows (WHATSAPP.md 7), by way of a Markdown parser."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.tree import SyntaxTreeNode

from services.whatsapp.text_splitting import TEXT_LIMIT, split_text

__all__ = ["TEXT_LIMIT", "split_text", "to_whatsapp"]

_DEEPEST: Final = 60
_MOST_BRACKETS: Final = 64
"""A text with more "[" has no links: the parser looks for each one's end, which takes 0.6 s for 4,096 of them."""
_MARKS: Final = {"strong": "*", "em": "_", "s": "~"}
_FENCE: Final = "```"
_URL_TAIL: Final = re.compile(r"://[^\s<>\[\]()\"`]*[^\s<>\[\]()\"`*_~.,;:!?]")
_TAG: Final = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)")
_NEW_LINE_TAGS: Final = frozenset(
    {"br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol"}
)  # fmt: skip
_SILENT_TAGS: Final = frozenset(
    {"a", "abbr", "b", "blockquote", "body", "code", "del", "em", "font", "hr", "html", "i", "img", "ins", "kbd",
     "mark", "pre", "s", "section", "small", "span", "strong", "sub", "sup", "tbody", "td", "th", "thead", "u"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Style:
    """One stretch of bold, italic or struck text; `source` is how the Markdown marked it."""

    mark: str
    source: str


@dataclass(frozen=True, slots=True)
class _Run:
    """Text with its styles, the outermost first."""

    text: str
    styles: tuple[_Style, ...] = ()


def to_whatsapp(markdown: str) -> str:
    """The text with WhatsApp's marks. No word is lost; rules go, images leave their description, tables are lists.

    What cannot be shown (marks within a word, across lines) becomes plain text. Never empty unless `markdown` is.
    """
    try:
        tree = SyntaxTreeNode(_parser(links=markdown.count("[") <= _MOST_BRACKETS).parse(markdown))
        text = "\n\n".join(_blocks(tree.children))
    except RecursionError:
        text = ""
    return text or markdown.strip()


class _Parser(MarkdownIt):
    """Leaves addresses as they are written."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the parser's own name
        return url


@cache
def _parser(*, links: bool) -> MarkdownIt:
    """CommonMark with tables and strikethrough, without the rules that would swallow or change plain text."""
    parser = _Parser("commonmark", {"maxNesting": _DEEPEST}).enable(["table", "strikethrough"])
    parser.disable(["code", "reference", "html_block"])
    if not links:
        parser.disable(["link", "image"])
    parser.inline.ruler.before("escape", "bare_url", _bare_url)
    return parser


def _bare_url(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - the parser's own signature
    """Takes the rest of an http address as plain text, so that * and _ in it mark nothing."""
    if state.src[state.pos] != ":" or not state.src.endswith(("http", "https"), 0, state.pos):
        return False
    tail = _URL_TAIL.match(state.src, state.pos)
    if tail is None:
        return False
    if not silent:
        state.pending += tail[0]
    state.pos = tail.end()
    return True


def _blocks(nodes: Iterable[SyntaxTreeNode]) -> list[str]:
    """Each block as text; those that show nothing are left out."""
    return [text for node in nodes if (text := _block(node))]


def _block(node: SyntaxTreeNode) -> str:
    if node.type in {"paragraph", "heading"}:
        outer = (_Style("*", ""),) if node.type == "heading" else ()
        return _inline(node, outer)
    if node.type == "fence":
        return _code_block(node.content)
    if node.type == "blockquote":
        lines = "\n".join(_blocks(node.children)).split("\n")
        return "\n".join(f"> {line.removeprefix('> ')}" for line in lines if line)
    if node.type in {"bullet_list", "ordered_list"}:
        return "\n".join(_items(node))
    if node.type == "table":
        return "\n".join(_table(node))
    return ""


def _code_block(code: str) -> str:
    code = code.strip("\n")
    if not code.strip() or _FENCE in code:
        return code
    return f"{_FENCE}\n{code}\n{_FENCE}"


def _items(node: SyntaxTreeNode) -> Iterator[str]:
    """A list's items, one a line; lists within it follow on the same level."""
    for marker, item in zip(_markers(node), node.children, strict=True):
        first, *others = _blocks(item.children) or [""]
        if item.children and item.children[0].type in {"bullet_list", "ordered_list"}:
            yield first
        else:
            gap = "\n" if first.startswith(_FENCE) else " "
            yield f"{marker}{gap}{first}".strip()
        yield from others


def _markers(node: SyntaxTreeNode) -> list[str]:
    """Bullets, or the numbers as written; numbers that are all the same were meant to count."""
    if node.type == "bullet_list":
        return ["-"] * len(node.children)
    written = [item.info for item in node.children]
    if len(set(written)) == 1:
        written = [str(int(written[0]) + place) for place in range(len(written))]
    return [f"{number}{item.markup}" for number, item in zip(written, node.children, strict=True)]


def _table(node: SyntaxTreeNode) -> Iterator[str]:
    """The head in bold, then a row a bullet; from three columns on, cells carry their column's name."""
    rows = [
        [_inline(cell, ()).replace("\n", " ") for cell in row.children]
        for part in node.children
        for row in part.children
    ]
    head, body = [cell.strip("*_~") for cell in rows[0]], rows[1:]
    wide = len(head) > 2 and bool(body)  # noqa: PLR2004 - more than a name and its value
    title = head[0] if wide else ": ".join(filter(None, head))
    if title:
        yield f"*{title}*"
    for row in body:
        cells = [row[0], "; ".join(_named(head[1:], row[1:]))] if wide else row
        if any(cells):
            yield f"- {': '.join(filter(None, cells))}"


def _named(names: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    for name, cell in zip(names, cells, strict=True):
        if cell:
            yield f"{name} {cell}" if name else cell


def _inline(node: SyntaxTreeNode, outer: tuple[_Style, ...]) -> str:
    """A paragraph's, heading's or cell's text with its marks, which never span lines."""
    lines: list[list[_Run]] = [[]]
    for run in _runs(node.children, outer):
        first, *others = run.text.split("\n")
        lines[-1].append(_Run(first, run.styles))
        lines.extend([_Run(text, run.styles)] for text in others)
    texts = (_marked(line, 0, "", "").strip() for line in lines)
    return "\n".join(text for text in texts if text)


def _runs(nodes: Iterable[SyntaxTreeNode], styles: tuple[_Style, ...]) -> Iterator[_Run]:
    for node in nodes:
        if node.type in _MARKS:
            mark = _MARKS[node.type]
            again = any(style.mark == mark for style in styles)
            inner = styles if again else (*styles, _Style(mark, node.markup))
            yield from _runs(node.children, inner)
        elif node.type == "inline":
            yield from _runs(node.children, styles)
        elif node.type == "link":
            yield from _link_runs(node, styles)
        else:
            yield _Run(_leaf(node), styles)


def _link_runs(node: SyntaxTreeNode, styles: tuple[_Style, ...]) -> Iterator[_Run]:
    """`text: address`; the address stays outside of all marks, or it would not be recognised."""
    address = str(node.attrs.get("href", ""))
    runs = list(_runs(node.children, styles))
    text = "".join(run.text for run in runs).strip()
    bare = address.removeprefix("mailto:").removeprefix("tel:")
    if text in {bare, address, ""}:
        yield _Run(bare)
        return
    yield from runs
    if address:
        yield _Run(f": {bare}")


def _leaf(node: SyntaxTreeNode) -> str:
    if node.type in {"softbreak", "hardbreak"}:
        return "\n"
    if node.type == "code_inline":
        return node.content if "`" in node.content else f"`{node.content}`"
    if node.type == "image":
        source = str(node.attrs.get("src", ""))
        return node.content or (source if source.startswith("http") else "")
    if node.type == "html_inline":
        return _html(node.content)
    return node.content


def _html(markup: str) -> str:
    """What stays of a tag: line breaks, and what only looks like one, such as `<your name>`."""
    tag = _TAG.match(markup)
    if tag is None:
        return ""
    name = tag[2].lower()
    if name in _NEW_LINE_TAGS:
        return "\n"
    return "" if name in _SILENT_TAGS else markup


def _marked(runs: Sequence[_Run], depth: int, before: str, after: str) -> str:
    """One line with its marks; `before` and `after` are the characters around these runs."""
    groups = [
        (style, list(group))
        for style, group in groupby(runs, lambda run: run.styles[depth] if len(run.styles) > depth else None)
    ]
    plain = ["".join(run.text for run in group) for _, group in groups]
    rights = _characters_after(plain, after)
    left, texts = before, []
    for (style, group), text, right in zip(groups, plain, rights, strict=True):
        texts.append(text if style is None else _wrapped(style, group, depth, left, right))
        left = text[-1:] or left
    return "".join(texts)


def _characters_after(texts: Sequence[str], after: str) -> list[str]:
    """For each text the character that follows it."""
    following = []
    for text in reversed(texts):
        following.append(after)
        after = text[:1] or after
    return following[::-1]


def _wrapped(style: _Style, runs: Sequence[_Run], depth: int, left: str, right: str) -> str:
    """Runs of one style: in WhatsApp's marks at word edges, else plain, or as written where they were no style."""
    plain = "".join(run.text for run in runs)
    core = plain.strip()
    if not core:
        return plain
    at_edges = (plain[0].isspace() or not left.isalnum()) and (plain[-1].isspace() or not right.isalnum())
    if at_edges and style.mark not in core:
        inner = _marked(runs, depth + 1, "", "")
        stripped = inner.strip()
        return inner.replace(stripped, f"{style.mark}{stripped}{style.mark}", 1)
    inner = _marked(runs, depth + 1, left, right)
    sides = [side.isalnum() and side.isascii() for side in (left, right)]
    as_written = any(sides) if style.mark == "_" else all(sides)
    return f"{style.source}{inner}{style.source}" if as_written else inner

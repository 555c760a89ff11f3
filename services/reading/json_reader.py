"""Reads JSON and JSON lines as text: "key: value" lines, with the way to them as headings."""

import json
from collections.abc import Iterator
from typing import Any

from services.document_blocks import Block, BlockKind
from services.document_errors import TOO_NESTED, UnreadableDocumentError, broken_json

_MOST_LEVELS = 6
# An object that takes no more than this is read as one piece, whatever is inside it.
_PIECE_CHARACTERS = 1_000
# What an object is called, if it says so.
_NAMES = ("name", "title", "question", "label", "heading", "id", "key")
_NAME_CHARACTERS = 120


def json_blocks(text: str) -> Iterator[Block]:
    """The blocks of a JSON value, or of one a line. Raises UnreadableDocumentError with the line that is broken."""
    try:
        yield from _blocks(_loaded(text), 1)
    except RecursionError as error:
        raise UnreadableDocumentError(TOO_NESTED) from error


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if len(lines) < 2 or not _is_json(lines[0][1]):  # noqa: PLR2004 - one line is no list of lines
            raise UnreadableDocumentError(broken_json(getattr(error, "lineno", 1))) from error
    values = []
    for number, line in lines:
        try:
            values.append(json.loads(line))
        except ValueError as error:
            raise UnreadableDocumentError(broken_json(number)) from error
    return values


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _blocks(value: Any, level: int) -> Iterator[Block]:
    if isinstance(value, dict):
        yield from _object_blocks(value, level)
    elif isinstance(value, list):
        for each in value:
            yield from _member_blocks(each, level)
    elif value is not None and value != "":
        yield Block(BlockKind.PARAGRAPH, _scalar(value))


def _object_blocks(value: dict[str, Any], level: int) -> Iterator[Block]:
    """Its plain values together, then what is nested, each part under its key."""
    lines = [line for key, each in value.items() if _is_plain(each) for line in _lines(key, each)]
    if lines:
        yield Block(BlockKind.PARAGRAPH, "\n".join(lines))
    for key, each in value.items():
        if not _is_plain(each) and each:
            yield Block(BlockKind.HEADING, _words(key), min(level, _MOST_LEVELS))
            yield from _blocks(each, level + 1)


def _member_blocks(value: Any, level: int) -> Iterator[Block]:
    """One of a list: as one piece where it is small, else under its own name."""
    if not isinstance(value, dict):
        if isinstance(value, list):
            yield from _blocks(value, level)
        elif value is not None and value != "":
            yield Block(BlockKind.ITEM, f"- {_scalar(value)}")
        return
    if piece := _piece(value):
        yield Block(BlockKind.PARAGRAPH, piece)
        return
    name = next((str(value[key]) for key in _NAMES if isinstance(value.get(key), str | int)), "")
    if name:
        yield Block(BlockKind.HEADING, name[:_NAME_CHARACTERS], min(level, _MOST_LEVELS))
    yield from _object_blocks(value, level + bool(name))


def _piece(value: dict[str, Any]) -> str | None:
    """All of an object in lines, "address.city: Köln"; None when that is too much for one piece."""
    lines: list[str] = []
    size = 0
    waiting: list[tuple[str, Any]] = list(reversed(value.items()))
    while waiting:
        key, each = waiting.pop()
        if _is_plain(each):
            added = _lines(key, each)
        elif isinstance(each, dict):
            waiting += [(f"{key}.{inner}", nested) for inner, nested in reversed(each.items())]
            continue
        else:
            waiting += [(key, nested) for nested in reversed(each)]
            continue
        lines += added
        size += sum(map(len, added))
        if size > _PIECE_CHARACTERS or len(waiting) > _PIECE_CHARACTERS:
            return None
    return "\n".join(lines)


def _is_plain(value: Any) -> bool:
    """Whether it fits in one line: a value, or a list of values."""
    if isinstance(value, list):
        return all(not isinstance(each, dict | list) for each in value)
    return not isinstance(value, dict)


def _lines(key: str, value: Any) -> list[str]:
    if isinstance(value, list):
        value = ", ".join(_scalar(each) for each in value if each is not None)
    return [] if value is None or value == "" else [f"{_words(key)}: {_scalar(value)}"]


def _words(key: str) -> str:
    return key.replace("_", " ").strip() or "value"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)

"""Cuts a text that is too long for one WhatsApp message into parts that read well."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TEXT_LIMIT: Final = 4096
"""The longest text body (WHATSAPP.md 4.2)."""
SMALLEST_LIMIT: Final = 16

_FENCE: Final = "```"
# Western, Arabic and Hindi ends want white space behind them, Chinese and Japanese ones do not; quotes may follow.
_SENTENCE_END: Final = re.compile(
    r"[.!?\u2026\u061f\u0964][\"'\u201d\u2019\xbb)\]*_~]*(?=\s)|[\u3002\uff01\uff1f]+[\u201d\u2019\u300d\u300f\uff09]*"
)
_WORD_END: Final = re.compile(r"(?<=\S)(?=\s)")
_JOINERS: Final = {"\u200d", "\ufe0e", "\ufe0f"}


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch between marks, marks included, in which no cut should fall."""

    start: int
    end: int
    mark: str


def split_text(text: str, limit: int = TEXT_LIMIT) -> list[str]:
    """The text in parts of at most `limit` UTF-16 units, which is at least what WhatsApp counts; [] for nothing.

    Cut at paragraph ends, else at line ends, sentence ends, words; within a mark or a code block only when that
    alone is too long, and then it is closed and opened again. Only white space is lost.
    """
    if limit < SMALLEST_LIMIT:
        raise ValueError(f"a part needs at least {SMALLEST_LIMIT} units")
    parts = []
    rest = text.strip()
    while _units(rest) > limit:
        part, rest = _cut(rest, limit)
        parts.append(part)
    return [*parts, rest] if rest else parts


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _fitting(text: str, limit: int) -> int:
    """How many characters from the start fit into `limit` units."""
    end = min(limit, len(text))
    while (excess := _units(text[:end]) - limit) > 0:
        end -= (excess + 1) // 2
    return end


def _cut(text: str, limit: int) -> tuple[str, str]:
    """The first part, and what remains; `text` is too long and begins with no white space."""
    most = _fitting(text, limit)
    spans = list(_spans(text, most))
    for least in (most // 4, 1):
        for places in (_paragraph_ends, _line_ends, _sentence_ends, _word_ends):
            for place in places(text, most):
                if place < least:
                    break
                if not any(span.start < place < span.end for span in spans):
                    return text[:place].rstrip(), text[place:].lstrip()
    around = next((span for span in spans if span.start < most < span.end), None)
    if around is None:
        return _hard_cut(text, most)
    if around.start > 0:
        return _hard_cut(text, around.start)
    return _cut_inside(text, limit, around.mark)


def _cut_inside(text: str, limit: int, mark: str) -> tuple[str, str]:
    """Cut a mark or code block that begins the text: close it here, open it again there."""
    opening, closing = (f"{mark}\n", f"\n{mark}") if mark == _FENCE else (mark, mark)
    most = _fitting(text, limit - len(closing))
    separator = "\n" if mark == _FENCE else " "
    place = text.rfind(separator, len(opening) + 1, most + 1)
    if place > 0:
        return text[:place].rstrip() + closing, opening + text[place:].lstrip(separator)
    before, after = _hard_cut(text, most)
    return before + closing, opening + after


def _hard_cut(text: str, place: int) -> tuple[str, str]:
    """Cut between two characters, before what a reader sees as one."""
    earlier = place
    while earlier > 1 and _hangs_on(text[earlier - 1], text[earlier]):
        earlier -= 1
    if earlier > 1:
        place = earlier
    return text[:place].rstrip(), text[place:].lstrip()


def _hangs_on(before: str, after: str) -> bool:
    skin_tone = "\U0001f3fb" <= after <= "\U0001f3ff"
    return unicodedata.combining(after) > 0 or after in _JOINERS or before == "\u200d" or skin_tone


def _backwards(text: str, separator: str, most: int) -> Iterator[int]:
    place = text.rfind(separator, 1, most + len(separator))
    while place > 0:
        yield place
        place = text.rfind(separator, 1, place)


def _paragraph_ends(text: str, most: int) -> Iterator[int]:
    return _backwards(text, "\n\n", most)


def _line_ends(text: str, most: int) -> Iterator[int]:
    return _backwards(text, "\n", most)


def _sentence_ends(text: str, most: int) -> Iterator[int]:
    ends = [found.end() for found in _SENTENCE_END.finditer(text, 0, most + 1)]
    return (end for end in reversed(ends) if end <= most)


def _word_ends(text: str, most: int) -> Iterator[int]:
    return reversed([found.start() for found in _WORD_END.finditer(text, 0, most + 1) if found.start() > 0])


def _spans(text: str, most: int) -> Iterator[_Span]:
    """The outermost marks and code blocks that begin before `most`; marks end on their own line."""
    place = 0
    unclosed: dict[str, int] = {}
    while place < most:
        mark = _FENCE if text.startswith(_FENCE, place) else text[place]
        end = -1
        if mark == _FENCE:
            end = text.find(_FENCE, place + 3) + 2
            end = end if end > place else -1
        elif mark in "*_~`" and place >= unclosed.get(mark, 0) and _opens(text, place):
            line_end = text.find("\n", place)
            line_end = len(text) if line_end < 0 else line_end
            end = _closing(text, place, line_end)
            if end < 0:
                unclosed[mark] = line_end
        if end < 0:
            place += len(mark)
        else:
            yield _Span(place, end + 1, mark)
            place = end + 1


def _opens(text: str, place: int) -> bool:
    at_edge = place == 0 or not text[place - 1].isalnum()
    return at_edge and place + 1 < len(text) and not text[place + 1].isspace() and text[place + 1] != text[place]


def _closing(text: str, place: int, line_end: int) -> int:
    """Where the mark at `place` closes on its line; -1 when it does not."""
    mark = text[place]
    end = text.find(mark, place + 2, line_end)
    while end > 0:
        if not text[end - 1].isspace() and (end + 1 >= len(text) or not text[end + 1].isalnum()):
            return end
        end = text.find(mark, end + 1, line_end)
    return -1

"""Reads the chats that WhatsApp exports: the forms of Android and iOS, of many countries, in their .txt or .zip.

No source documents these forms; they are read tolerantly: a line that begins with a date, a time and " - ", or with
both in brackets, begins a message, and every other line goes on with the message before.
"""

import itertools
import lzma
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, NamedTuple

_MOST_MESSAGES = 200_000
_LONGEST_NAME = 80
_LONGEST_TEXT = 4096
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u3000]")
_DATE = r"(?P<first>\d{1,4})[./-] ?(?P<second>\d{1,2})[./-] ?(?P<third>\d{1,4})\.?"
_TIME = (
    r"(?P<before>[^\d\[\]\n]{0,12}?)(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<seconds>\d{2}))?"
    r"(?P<after>[^\d\[\]\n–-]{0,14}?)"  # noqa: RUF001 - a dash that some phones write
)
_HEADS = (
    re.compile(rf"\[{_DATE}[,،]? {_TIME}\] ?(?P<rest>.*)"),
    re.compile(rf"{_DATE}[,،]? {_TIME} [–-] (?P<rest>.*)"),  # noqa: RUF001 - as above
)
# Letters that mean the second half of the day, where clocks have twelve hours.
_AFTERNOON = re.compile(r"^(?:p|م|下午|晚上|오후|午後|μμ|अपराह्न)")
_MORNING = re.compile(r"^(?:a|ص|上午|凌晨|早上|오전|午前|πμ|पूर्वाह्न)")
# Media that were left out, and files: "<Media omitted>", "IMG-1.jpg (file attached)", "<attached: 1.jpg>".
_MEDIA = re.compile(r"<[^<>\n]{1,80}>|\S[^\n]{0,120}\.\w{2,5} \([^()\n]{3,40}\)")
_EDITED = re.compile(r"<[^<>\n]{4,60}>$")
_DELETED = re.compile(
    r"(?:this message was deleted|you deleted this message|diese nachricht wurde gelöscht|"
    r"du hast diese nachricht gelöscht|se eliminó este mensaje|eliminaste este mensaje|ce message a été supprimé|"
    r"esta mensagem foi apagada|questo messaggio è stato eliminato|null)\.?",
    re.IGNORECASE,
)
# What zipfile and its packers say of a damaged archive.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, NotImplementedError, EOFError),
    *(OSError, ValueError),
)
_NOON = 12
_CENTURY = 2000
_YEAR_DIGITS = 3


class NotAChatError(Exception):
    """The file is no exported chat; `str(error)` is a sentence for its owner."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """`at` is the phone's local time, without a zone, to the minute or second."""

    at: datetime
    sender: str
    text: str


class _Head(NamedTuple):
    """How a message begins: its date as three numbers whose order is not known yet."""

    numbers: tuple[int, int, int]
    year_first: bool
    hour: int
    minute: int
    second: int
    twelve: bool
    rest: str


def chat_text(file: BinaryIO, most_bytes: int) -> str:
    """The text of an export, whether packed or not. Raises NotAChatError; reads at most `most_bytes` of text."""
    start = file.read(4)
    file.seek(0)
    content = _packed(file, most_bytes) if start == b"PK\x03\x04" else file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise NotAChatError(f"The chat is longer than {most_bytes // 1024 // 1024} MB of text.")
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    return content.decode(encoding, "replace")


def chat_messages(text: str, most: int = _MOST_MESSAGES) -> list[ChatMessage]:
    """What people wrote, in order, without media, deleted messages and the system's notes. Raises NotAChatError.

    Of a chat of more than `most` messages the newest. 20 MB take about ten seconds; nothing in it grows
    faster than the text.
    """
    found = deque(_messages(text), maxlen=most)
    if not found:
        raise NotAChatError(
            "This is no chat that WhatsApp exported. Export one in WhatsApp (More, Export chat, without media) "
            "and send its .txt or .zip."
        )
    dated = _dates([head for head, _ in found])
    messages = (
        ChatMessage(at, sender, text)
        for at, (head, lines) in zip(dated, found, strict=True)
        for sender, text in [_said(head.rest, lines)]
        if at is not None and sender and text
    )
    return list(messages)


def _packed(file: BinaryIO, most_bytes: int) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive:
            texts = [each for each in archive.infolist() if each.filename.lower().endswith(".txt")]
            chosen = next((each for each in texts if each.filename.rsplit("/", 1)[-1] == "_chat.txt"), None)
            chosen = chosen or max(texts, key=lambda each: each.file_size, default=None)
            if chosen is None:
                raise NotAChatError("The archive holds no chat: there is no .txt in it.")
            with archive.open(chosen) as member:
                return member.read(most_bytes + 1)
    except _DAMAGE as error:
        # RuntimeError is how zipfile says that a password is wanted
        raise NotAChatError("The archive is damaged or has a password.") from error


def _messages(text: str) -> Iterator[tuple[_Head, list[str]]]:
    """Each message's head and the lines that follow it."""
    head: _Head | None = None
    lines: list[str] = []
    for line in text.splitlines():
        found = _head(line)
        if found is None:
            lines.append(line)
            continue
        if head is not None:
            yield head, lines
        head, lines = found, []
    if head is not None:
        yield head, lines


def _head(line: str) -> _Head | None:
    tidy = line[:300]
    if not tidy.isascii():
        tidy = _SPACES.sub(" ", _HIDDEN.sub("", tidy))
    if not tidy[:1].isdigit() and tidy[:1] != "[":
        return None
    found = next((match for pattern in _HEADS if (match := pattern.match(tidy))), None)
    if found is None:
        return None
    half = re.sub(r"[\s.]", "", found["before"] + found["after"]).lower()
    afternoon, morning = bool(_AFTERNOON.match(half)), bool(_MORNING.match(half))
    hour = int(found["hour"])
    if afternoon and hour < _NOON:
        hour += _NOON
    elif morning and hour == _NOON:
        hour = 0
    numbers = (int(found["first"]), int(found["second"]), int(found["third"]))
    rest = line[_rest_at(line, found.start("rest")) :]
    return _Head(
        numbers,
        len(found["first"]) >= _YEAR_DIGITS,
        *(hour, int(found["minute"]), int(found["seconds"] or 0), afternoon or morning, rest),
    )


def _rest_at(line: str, visible: int) -> int:
    """Where what follows so many visible characters begins: hidden marks in it say what is no message."""
    if line[:visible].isascii():
        return visible
    for at, character in enumerate(line):
        if visible == 0:
            return at
        visible -= not _HIDDEN.match(character)
    return len(line)


def _said(rest: str, lines: Iterable[str]) -> tuple[str, str]:
    """Sender and text; both empty for a note of the system, or for what is no text."""
    sender, colon, said = rest.partition(":")
    sender = _SPACES.sub(" ", _HIDDEN.sub("", sender)).strip().removeprefix("~").strip()
    if not colon or not 0 < len(sender) <= _LONGEST_NAME:
        return "", ""
    if said.lstrip().startswith("\u200e"):
        return "", ""  # iOS marks what it wrote itself: media that were left out, notes on encryption
    text = _HIDDEN.sub("", "\n".join([said, *lines])).strip()[:_LONGEST_TEXT]
    text = _EDITED.sub("", text).strip() if not _MEDIA.fullmatch(text) else ""
    return (sender, text) if text and not _DELETED.fullmatch(text) else ("", "")


def _dates(heads: Sequence[_Head]) -> list[datetime | None]:
    """Each message's time, in the order of day and month that makes all dates possible and the chat run forward."""
    orders: tuple[Callable[[_Head], tuple[int, int, int]], ...] = (_day_first, _month_first)
    if any(head.twelve for head in heads):
        orders = (_month_first, _day_first)  # who has a clock of twelve hours often writes the month first
    readings = [[_date(head, order) for head in heads] for order in orders]
    return min(readings, key=_faults)


def _day_first(head: _Head) -> tuple[int, int, int]:
    first, second, third = head.numbers
    return (first, second, third) if head.year_first else (third, second, first)


def _month_first(head: _Head) -> tuple[int, int, int]:
    first, second, third = head.numbers
    return (first, second, third) if head.year_first else (third, first, second)


def _date(head: _Head, order: Callable[[_Head], tuple[int, int, int]]) -> datetime | None:
    year, month, day = order(head)
    try:
        full = year + _CENTURY if year < _CENTURY // 20 else year
        return datetime(full, month, day, head.hour, head.minute, head.second)  # noqa: DTZ001 - an export has no zone
    except ValueError:
        return None


def _faults(dates: Sequence[datetime | None]) -> int:
    """Dates that cannot be, and steps back by more than a day."""
    known = [each for each in dates if each is not None]
    back = sum((before - after).days >= 1 for before, after in itertools.pairwise(known))
    return (len(dates) - len(known)) * 10 + back

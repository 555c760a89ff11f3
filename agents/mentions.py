"""Finds what must not be made up in a text: links, addresses, phone numbers, prices, dates, times and numbers."""

# ruff: noqa: RUF001 - dashes, currency signs and full-width marks of many scripts are meant

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from agents.word_numbers import AMBIGUOUS_MONTHS, CURRENCIES, MONTHS, NUMBER_WORDS, ORDINAL_WORDS, han_numbers
from agents.words import INDIC

_ENDS = ".,;:!?)]}>*_~\"'»”’…。，；：！？）】"
_TOP = "com|net|org|app|dev|info|biz|shop|store|online|site"
# Many of them are words: "We open daily.At noon …" lacks a blank and is no address.
_TOP_SHORT = "io|co|me|eu|uk|us|de|at|ch|fr|es|it|pt|br|mx|ar|in|id|cn|ae|sa"
_LINK = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s<>\"'`|\\^{}\[\]()]+|www\.[^\s<>\"'`|\\^{}\[\]()]+"
    rf"|(?<![@\w.-])(?:[\w-]+\.)+(?:{_TOP}|(?-i:{_TOP_SHORT}|{_TOP_SHORT.upper()})|[a-z]{{2,12}}(?=/\w))\b(?:/[^\s<>\"'`|\\^{{}}\[\]()]*)?",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.,])(?:\+|\(|00)?\d(?:[ \u00a0()/.-]{0,2}\d){6,18}(?![\w])")
_UNITS = "|".join(re.escape(word) for word in sorted(CURRENCIES, key=len, reverse=True))
_NUMBER = r"\d+(?:[.,'’ \u00a0\u202f]\d{3})*(?:[.,]\d+)?"
_PRICE = re.compile(
    rf"(?<!\w)(?P<before>{_UNITS})\s?(?P<first>{_NUMBER})|(?P<second>{_NUMBER})[\s-]?(?P<after>{_UNITS})(?![^\W\d_])",
    re.IGNORECASE,
)
_MONTH = "|".join(re.escape(word) for word in sorted(MONTHS, key=len, reverse=True))
_DAY = r"(?<!\d)(\d{1,2})(?:\.|st|nd|rd|th|er|º|°)?"
_RANGE = rf"{_DAY}(?:\s*(?:[-–—/,&]|to|and|until|bis|und|a|al|y|e|et|au|sampai|dan)\s*{_DAY})?"
_DAY_MONTH = re.compile(
    rf"{_RANGE}\s*(?:de\s+|di\s+|of\s+)?({_MONTH})\.?(?![^\W\d_])(?:\s*(?:de\s+|,\s*)?(\d{{4}}))?", re.IGNORECASE
)
_MONTH_DAY = re.compile(
    rf"(?<![^\W\d_])({_MONTH})\.?\s+(?:the\s+)?{_RANGE}(?!\d|[.:]\d)(?:,?\s+(\d{{4}}))?", re.IGNORECASE
)
_DATE_MARK = re.compile(r"\d(?:st|nd|rd|th|er|º|°|\.)(?!\w)|\bde\s", re.IGNORECASE)
_TO = re.compile(rf"{_DAY}\s*(?:[-–—]|to|until|bis|a|al|au|até|hasta|sampai)\s*{_DAY}", re.IGNORECASE)
_HAN_DATE = re.compile(r"(?:(\d{4})\s*年\s*)?(\d{1,2})\s*月\s*(\d{1,2})\s*[日号號]")
_ISO = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_FIGURES = re.compile(r"(?<![\d.,/])(\d{1,2})([./-])(\d{1,2})(?:\2(\d{4}|\d{2})|\2)(?![\d/])")
_TIME = re.compile(
    r"(?<![\d.,])(\d{1,2})(?:[:.hH：](\d{2}))?\s?(am|pm|a\.m\.|p\.m\.|uhr|h|点|點)(?![^\W_])"
    r"|(?<![\d.,])(\d{1,2})[:：hH](\d{2})(?![^\W_])",
    re.IGNORECASE,
)
_SPOKEN_TIME = re.compile(
    r"(?P<half>上午|早上|凌晨|中午|下午|傍晚|晚上|सुबह|दोपहर|शाम|रात)\s*(?P<hour>\d{1,2})"
    r"(?:[点點](?:(?P<minute>\d{1,2})分?|(?P<thirty>半))?|(?:[:：](?P<colon>\d{2}))?\s*बजे)"
    r"|(?<![\d.,])(?P<first>\d{1,2})(?:[:：](?P<second>\d{2}))?\s*(?P<last>صباح|مساء|ظهر|عصر)\w*"
)
_MORNINGS = {"上午", "早上", "凌晨", "सुबह", "صباح"}
_NIGHT_HOURS = 6  # "रात 2 बजे" is two at night
_PLAIN = re.compile(_NUMBER)
_COUNTS = re.compile(r"[ \t\u00a0-]{0,2}(?!(?:per|pro|por|par|each|je|cada|a)(?!\w))[^\W\d_]", re.IGNORECASE)
COUNTING = "of what follows"
_WORD = re.compile(rf"(?:[^\W\d_]|[{INDIC}])+")
_BULLET = re.compile(r"^\s*\d{1,2}[.)](?=\s)", re.MULTILINE)
_HALF_DAY = 12
_MONTHS_A_YEAR, _DAYS_A_MONTH = 12, 31


class Kind(StrEnum):
    """What was mentioned, in the words of a trace."""

    LINK = "link"
    EMAIL = "e-mail address"
    PRICE = "price"
    DATE = "date"
    PHONE = "phone number"
    TIME = "time"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Mention:
    """One of them. `meanings` are what it may mean, normalised: 1.000 is a thousand or one; any of them counts.

    `unit` is a price's currency, a time's half of the day if it is named, COUNTING for the number of "5 days".
    `between` are the days within a range that begins here.
    """

    kind: Kind
    meanings: frozenset[str]
    unit: str = ""
    between: frozenset[str] = frozenset()


def mentions(text: str) -> list[Mention]:
    """All that a text mentions, each stretch of it once, read as the first kind that it fits in the order of Kind."""
    left = _BULLET.sub(lambda found: " " * len(found[0]), with_plain_digits(text))
    found: list[Mention] = []
    for finder in (_emails, _links, _prices, _dates, _phones, _spoken_times, _times, _numbers):
        spans: list[tuple[int, int]] = []
        for mention, span in finder(left):
            found.append(mention)
            spans.append(span)
        for start, end in spans:
            left = f"{left[:start]}{'|' * (end - start)}{left[end:]}"
    return found


def with_plain_digits(text: str) -> str:
    """Digits of every script as 0-9."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFC", text)
    return "".join(str(unicodedata.digit(letter)) if letter.isdecimal() else letter for letter in plain)


def values(written: str) -> frozenset[str]:
    """The numbers that it may be: `1.000` a thousand or one, `40,50` forty and a half."""
    bare = re.sub(r"['’ \u00a0\u202f]", "", written)
    readings = {bare.replace(",", ""), bare.replace(".", "").replace(",", "."), bare.replace(",", ".")}
    if not re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+(?:[.,]\d+)?", bare):
        readings = {bare.replace(",", ".")} if bare.count(",") + bare.count(".") == 1 else readings
    return frozenset(filter(None, (_decimal(reading) for reading in readings)))


def spelled_numbers(text: str) -> set[str]:
    """Small numbers that are written as words, in any of the bot's languages."""
    named = {NUMBER_WORDS[word] for word in _WORD.findall(text.casefold()) if word in NUMBER_WORDS}
    return named | han_numbers(text)


def ordinal_numbers(text: str) -> set[str]:
    """First to tenth, written as words."""
    return {ORDINAL_WORDS[word] for word in _WORD.findall(text.casefold()) if word in ORDINAL_WORDS}


def units_of(text: str) -> set[str]:
    """The currencies, and per cent, that a text names anywhere."""
    named = re.findall(rf"(?<![^\W\d_])(?:{_UNITS})(?![^\W\d_])", text, re.IGNORECASE)
    return {CURRENCIES[_looked_up(word)] for word in named}


def _looked_up(word: str) -> str:
    """As tables have it. A pattern that ignores case takes the Turkish i with and without its dot for an i."""
    return word.casefold().replace("i\u0307", "i").replace("ı", "i")


def _decimal(reading: str) -> str | None:
    try:
        number = Decimal(reading)
    except InvalidOperation:
        return None
    return format(number.normalize(), "f")


def _emails(text: str) -> Iterator[tuple[Mention, tuple[int, int]]]:
    for found in _EMAIL.finditer(text):
        yield Mention(Kind.EMAIL, frozenset({found[0].rstrip(_ENDS).casefold()})), found.span()


def _links(text: str) -> Iterator[tuple[Mention, tuple[int, int]]]:
    for found in _LINK.finditer(text):
        bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", found[0].rstrip(_ENDS).casefold()).rstrip("/")
        yield Mention(Kind.LINK, frozenset({bare})), found.span()


def _prices(text: str) -> Iterator[tuple[Mention, tuple[int, int]]]:
    for found in _PRICE.finditer(text):
        unit = CURRENCIES[_looked_up(found["before"] or found["after"])]
        yield Mention(Kind.PRICE, values(found["first"] or found["second"]), unit), found.span()


def _dates(text: str) -> Iterator[tuple[Mention, tuple[int, int]]]:
    taken: list[tuple[int, int]] = []
    for day_month_year, span in _written_dates(text):
        if any(start < span[1] and span[0] < end for start, end in taken):
            continue
        meanings = frozenset(
            f"{day}.{month}.{year}"
            for day, month, year in day_month_year
            if 1 <= day <= _DAYS_A_MONTH and 1 <= month <= _MONTHS_A_YEAR
        )
        if meanings:
            taken.append(span)
            yield Mention(Kind.DATE, meanings, between=_between(text, span, day_month_year)), span


def _between(text: str, span: tuple[int, int], dates: list[tuple[int, int, str]]) -> frozenset[str]:
    """The days after a range's first, as far as the stretch and the two digits after it tell."""
    found = _TO.search(text[span[0] : span[1] + 2])
    day, month, year = dates[0]
    days = range(day + 1, min(int(found[2]), _DAYS_A_MONTH)) if found and int(found[1]) == day else ()
    return frozenset(f"{each}.{month}.{year}" for each in days)


def _is_month(found: re.Match[str], month: str, year: str | None) -> bool:
    """Whether "may", "set", "out" are meant as months: with a capital, an ordinal's ending, a "de" or a year."""
    return _looked_up(month) not in AMBIGUOUS_MONTHS or month[0].isupper() or bool(year or _DATE_MARK.search(found[0]))


def _written_dates(text: str) -> Iterator[tuple[list[tuple[int, int, str]], tuple[int, int]]]:
    """Readings as (day, month, year or nothing). A range is two dates in one stretch: its last is read too."""
    for found in _HAN_DATE.finditer(text):
        yield [(int(found[3]), int(found[2]), found[1] or "")], found.span()
    for found in _ISO.finditer(text):
        yield [(int(found[3]), int(found[2]), found[1])], found.span()
    for found in _DAY_MONTH.finditer(text):
        for group in (1, 2):
            if found[group] and _is_month(found, found[3], found[4]):
                end = found.end() if group == 2 or not found[2] else found.start(2)  # noqa: PLR2004 - the range's end
                start = found.start() if group == 1 else found.start(2)
                yield [(int(found[group]), MONTHS[_looked_up(found[3])], found[4] or "")], (start, end)
    for found in _MONTH_DAY.finditer(text):
        for group in (2, 3):
            if found[group] and _is_month(found, found[1], found[4]):
                end = found.end() if group == 3 or not found[3] else found.start(3)  # noqa: PLR2004 - the range's end
                start = found.start() if group == 2 else found.start(3)  # noqa: PLR2004 - its beginning
                yield [(int(found[group]), MONTHS[_looked_up(found[1])], found[4] or "")], (start, end)
    for found in _FIGURES.finditer(text):
        first, second, year = int(found[1]), int(found[3]), found[4] or ""
        whole = f"20{year}" if len(year) == 2 else year  # noqa: PLR2004 - 24 for 2024
        readings = [(first, second, whole)]
        yield readings if found[2] == "." else [*readings, (second, first, whole)], found.span()


def _phones(text: str) -> Iterator[tuple[Mention, tuple[int, int]]]:
    for found in _PHONE.finditer(text):
        if not re.fullmatch(_NUMBER, found[0]):
            digits = "".join(letter for letter in found[0].replace("(0)", "") if letter.isdigit()).lstrip("0")
            yield Mention(Kind.PHONE, frozenset({digits})), found.span()


def _spoken_times(text: str) -> Iterator[tuple[Mention, tuple[int, int]]]:
    """Chinese, Hindi and Arabic name the half of the day: 下午6点, शाम 6 बजे, ٦ مساء."""
    for found in _SPOKEN_TIME.finditer(text):
        hour = int(found["hour"] or found["first"])
        minute = 30 if found["thirty"] else int(found["minute"] or found["colon"] or found["second"] or 0)
        half = found["half"] or found["last"]
        late = half not in _MORNINGS and not (half == "रात" and hour < _NIGHT_HOURS)
        if late and hour < _HALF_DAY and not (half == "中午" and hour > _HALF_DAY - 2):
            hour += _HALF_DAY
        yield Mention(Kind.TIME, frozenset({f"{hour}:{minute:02}"}), "pm" if late else "am"), found.span()


def _times(text: str) -> Iterator[tuple[Mention, tuple[int, int]]]:
    for found in _TIME.finditer(text):
        hour, minute = int(found[1] or found[4]), int(found[2] or found[5] or 0)
        half = (found[3] or "").replace(".", "").casefold()
        if half == "pm" and hour < _HALF_DAY:
            hour += _HALF_DAY
        elif half == "am" and hour == _HALF_DAY:
            hour = 0
        yield Mention(Kind.TIME, frozenset({f"{hour}:{minute:02}"}), half if half in {"am", "pm"} else ""), found.span()


def _numbers(text: str) -> Iterator[tuple[Mention, tuple[int, int]]]:
    for found in _PLAIN.finditer(text):
        counting = COUNTING if _COUNTS.match(text, found.end()) else ""
        yield Mention(Kind.NUMBER, values(found[0]), counting), found.span()

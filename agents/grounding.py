"""Checks that what a model says stands in the passages that it names: nothing with a figure or a link is made up."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from agents.mentions import (
    COUNTING,
    Kind,
    Mention,
    mentions,
    ordinal_numbers,
    spelled_numbers,
    units_of,
    with_plain_digits,
)
from agents.sentence_cutter import pieces_of

_LEAST_WORDS = 3
_LONGEST_QUESTION = 4096
_LEAST_PHONE = 7
_HALF_DAY = 12
_LATEST_BARE_EVENING = 8  # "9 to 6" ends in the evening; "from 9" does not begin there
# Reading one takes 5 ms, and popular ones come again with every question.
_REMEMBERED_PASSAGES = 512


@dataclass(frozen=True, slots=True)
class Grounded:
    """What may be said of a text, and the kinds of things that it made up; `text` is None when nothing is left."""

    text: str | None
    invented: tuple[Kind, ...]

    @property
    def complaint(self) -> str:
        """For a turn's trace: kinds only, never what was said."""
        return f"it held what its passages do not: {', '.join(self.invented)}"


def grounded(text: str, passages: Sequence[str], question: str = "") -> Grounded:
    """The text without the sentences that mention what no passage holds.

    Plain numbers, times and dates may also be repeated from the customer's `question`; links, addresses, phone
    numbers and prices may not. Sentences are left out only where a whole sentence stays.
    """
    known = _Known(passages, question)
    if not known.lacks(text):
        return Grounded(text, ())
    pieces = [(piece, known.lacks(piece)) for piece in pieces_of(text)]
    kept = "".join(piece for piece, lacking in pieces if not lacking).strip()
    invented = tuple(dict.fromkeys(chain(*(lacking for _, lacking in pieces)))) or tuple(known.lacks(text))
    if len(re.findall(r"\w+", kept)) < _LEAST_WORDS or kept.endswith((":", "：")) or known.lacks(kept):  # noqa: RUF001
        return Grounded(None, invented)
    return Grounded(kept, invented)


@dataclass(frozen=True, slots=True)
class _Read:
    """What one passage mentions, and the numbers that it spells."""

    mentioned: tuple[Mention, ...]
    units: frozenset[str]
    spelled: frozenset[str]
    ordinals: frozenset[str]


@lru_cache(maxsize=_REMEMBERED_PASSAGES)
def _read(passage: str) -> _Read:
    text = with_plain_digits(passage)
    numbers = (units_of(text), spelled_numbers(text), ordinal_numbers(text))
    return _Read(tuple(mentions(text)), *map(frozenset, numbers))


class _Known:
    """What the passages, and the question, mention."""

    def __init__(self, passages: Sequence[str], question: str) -> None:
        self._passages = [_read(passage) for passage in passages]
        self._mentioned = [passage.mentioned for passage in self._passages]
        self._spelled = set(chain(*(passage.spelled for passage in self._passages)))
        everything = [*self._mentioned, mentions(question[:_LONGEST_QUESTION])]
        words = self._spelled | spelled_numbers(question) | set(chain(*(each.ordinals for each in self._passages)))
        self._numbers = self._of(everything, Kind.NUMBER, Kind.PRICE, Kind.TIME) | words
        self._dates = self._of(everything, Kind.DATE) | {day for each in chain(*everything) for day in each.between}
        self._times = self._of(everything, Kind.TIME)

    @staticmethod
    def _of(listed: Iterable[Sequence[Mention]], *kinds: Kind) -> set[str]:
        return {meaning for each in chain(*listed) if each.kind in kinds for meaning in each.meanings}

    def lacks(self, text: str) -> list[Kind]:
        """The kinds of what a text mentions and nobody knows."""
        return list(dict.fromkeys(each.kind for each in mentions(text) if not self._has(each)))

    def _has(self, said: Mention) -> bool:
        match said.kind:
            case Kind.LINK | Kind.EMAIL:
                return bool(said.meanings & self._of(self._mentioned, said.kind))
            case Kind.PHONE:
                return self._has_phone(said)
            case Kind.PRICE:
                return self._has_price(said)
            case Kind.DATE:
                return any(self._has_date(meaning) for meaning in said.meanings)
            case Kind.TIME:
                return any(self._has_time(meaning, said.unit) for meaning in said.meanings)
            case Kind.NUMBER:
                return bool(said.meanings & self._numbers) or self._in_date(said) or self._is_phone(said)

    def _has_phone(self, said: Mention) -> bool:
        phones = self._of(self._mentioned, Kind.PHONE, Kind.NUMBER)
        return any(phone.endswith(meaning) for phone in phones for meaning in said.meanings)

    def _is_phone(self, said: Mention) -> bool:
        """A phone number in groups of three digits looks like any large number."""
        return self._has_phone(said) and all(len(meaning) >= _LEAST_PHONE for meaning in said.meanings)

    def _has_price(self, said: Mention) -> bool:
        """With its currency, or as a plain number in a passage that names no other one (in the head of a table).

        The 5 of "5 days" is no price.
        """
        return any(
            each.meanings & said.meanings
            and (
                (each.kind is Kind.PRICE and each.unit == said.unit)
                or (
                    each.kind is Kind.NUMBER
                    and each.unit != COUNTING
                    and passage.units - {"%"} <= {said.unit}
                    and said.unit in passage.units
                )
            )
            for passage in self._passages
            for each in passage.mentioned
        )

    def _has_date(self, meaning: str) -> bool:
        day, month, year = meaning.split(".")
        same = {known.split(".")[2] for known in self._dates if known.startswith(f"{day}.{month}.")}
        return bool(same) and (not year or year in same or ("" in same and year in self._numbers))

    def _has_time(self, meaning: str, half: str) -> bool:
        """Six in the evening is also a 6 or an 18 in a list of opening hours."""
        hour, minute = meaning.split(":")
        if meaning in self._times:
            return True
        if not half and 1 <= int(hour) <= _LATEST_BARE_EVENING and f"{int(hour) + _HALF_DAY}:{minute}" in self._times:
            return True
        evening = int(hour) - _HALF_DAY
        bare = {hour, str(evening)} if 1 <= evening <= _LATEST_BARE_EVENING else {hour}
        return minute == "00" and bool(bare & (self._of(self._mentioned, Kind.NUMBER) | self._spelled))

    def _in_date(self, said: Mention) -> bool:
        """A year or a day alone, of a date; an hour, of a time."""
        parts = set(chain(*(known.split(".") for known in self._dates), *(known.split(":") for known in self._times)))
        parts |= {str(int(known.split(":")[0]) - _HALF_DAY) for known in self._times}
        return bool(said.meanings & parts)

"""Takes a burst apart into the questions that it asks, so that each of them is searched for."""

import re
from collections.abc import Collection, Sequence

from agents.words import words

_AFTER_MARK = re.compile(r"(?<=[?？؟])\s*")  # noqa: RUF001 - full-width and Arabic marks are meant
_MOST_QUESTIONS = 3
_MOST_CHARACTERS = 1000
"""What is searched for of one question: every word of it is compared with every sentence that was found."""


def split_questions(texts: Sequence[str], stop_words: Collection[str]) -> list[str]:
    """One to three questions. Only a question mark ends one: people break a question over several messages.

    A part without a word of its own ("how much is it?") belongs to the part before it.
    """
    parts: list[str] = []
    for piece in _AFTER_MARK.split("\n".join(texts)):
        stripped = piece.strip()
        if not stripped:
            continue
        if parts and (len(parts) == _MOST_QUESTIONS or not _says_something(stripped, stop_words)):
            parts[-1] = f"{parts[-1]} {stripped}"
        else:
            parts.append(stripped)
    if len(parts) > 1 and not _says_something(parts[0], stop_words):
        parts[:2] = [f"{parts[0]} {parts[1]}"]
    return [_bounded(part) for part in parts]


def _bounded(part: str) -> str:
    """A question stands right before its mark; without one, people begin with what they want."""
    return part[-_MOST_CHARACTERS:] if _AFTER_MARK.search(part[-1]) else part[:_MOST_CHARACTERS]


def _says_something(piece: str, stop_words: Collection[str]) -> bool:
    return any(word not in stop_words for word in words(piece))

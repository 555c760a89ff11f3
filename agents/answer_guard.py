"""Keeps out of replies what a model must not say: its own prompts, and sentences that share no word with the passages.

Texts of customers and documents reach a model as data, but a model may obey them all the same. Whatever it then says
passes here, beside agents/grounding.py for links and figures. A reply in another language than its passages cannot be
compared word by word: there only prompts and mere echoes are caught.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files

from agents.language_detector import LanguageDetector
from agents.words import stem, words

# Shorter runs occur by chance, and in the examples that prompts give.
_WINDOW = 32
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_PIECE = re.compile(r".+?(?:[.!?…。！？।؟]+(?=[\s\"'”’»)\]*_]|$)[\"'”’»)\]*_]*|\n|$)\s*", re.DOTALL)  # noqa: RUF001
_LEAST_SUPPORT = 0.25
_MOST_ECHOED = 6


@dataclass(frozen=True, slots=True)
class Guarded:
    """What may be said; `text` is None when nothing may. `complaint` is for a turn's trace, never what was said."""

    text: str | None
    complaint: str | None = None


class AnswerGuard:
    """Stateless; one instance serves all."""

    def __init__(self, languages: LanguageDetector) -> None:
        self._languages = languages

    def checked(self, text: str, passages: Sequence[str], said: Sequence[str], stop_words: frozenset[str]) -> Guarded:
        """`passages` are what it rests on, with their headings; `said` is what the customer wrote.

        `stop_words` are those of the reply's language.
        """
        if leaks_prompt(text, passages):
            return Guarded(None, "it held the bot's own instructions")
        held = _stems("\n".join(passages), stop_words)
        own = _stems(text, stop_words)
        if not own:
            return Guarded(text)
        if self._other_language(text, passages):
            echoed = own <= _stems("\n".join(said), stop_words) and len(own) <= _MOST_ECHOED
            return Guarded(None, "it only repeated the customer") if echoed and not own & held else Guarded(text)
        pieces = _PIECE.findall(text)
        kept = "".join(piece for piece in pieces if _speaks_of(piece, held, stop_words)).strip()
        left = _stems(kept, stop_words)
        if not left or len(left & held) < _LEAST_SUPPORT * len(left):
            return Guarded(None, "its passages do not speak of it")
        return Guarded(text) if kept == text.strip() else Guarded(kept, "its passages do not speak of a part; left out")

    def _other_language(self, text: str, passages: Sequence[str]) -> bool:
        """Whether both are surely in languages of ours, and not in the same one."""
        spoken = self._languages.detect(text)
        written = self._languages.detect("\n".join(passages))
        return spoken is not None and written is not None and spoken != written


def leaks_prompt(text: str, known: Sequence[str] = ()) -> bool:
    """Whether a text holds a stretch of our prompts: as it is, spaced out, reversed, rotated, in base64 or hex.

    What also stands in the `known` texts is no leak.
    """
    runs = [run for form in _forms(text) for run in _windows(_letters(form)) if run in _PROMPT_RUNS]
    if not runs:
        return False
    allowed = _letters("\n".join(known))
    return any(run not in allowed for run in runs)


def _speaks_of(piece: str, held: frozenset[str], stop_words: frozenset[str]) -> bool:
    """A sentence of small words alone may stay; any other shares at least one word with the passages."""
    own = _stems(piece, stop_words)
    return not own or bool(own & held)


def _stems(text: str, stop_words: frozenset[str]) -> frozenset[str]:
    return frozenset(stem(word) for word in words(text) if word not in stop_words)


def _forms(text: str) -> Iterator[str]:
    yield text
    yield text[::-1]
    yield codecs.encode(text, "rot13")
    for found in _ENCODED.findall(text):
        yield from _decoded(found)


def _decoded(text: str) -> Iterator[str]:
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    with suppress(binascii.Error):
        yield base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("utf-8", "ignore")
    with suppress(ValueError):
        yield bytes.fromhex(text).decode("utf-8", "ignore")


def _windows(letters: str) -> Iterator[str]:
    return (letters[at : at + _WINDOW] for at in range(len(letters) - _WINDOW + 1))


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _prompt_runs() -> frozenset[str]:
    prompts = [file for file in files("agents").joinpath("prompts").iterdir() if file.name.endswith(".md")]
    return frozenset(run for file in prompts for run in _windows(_letters(file.read_text(encoding="utf-8"))))


_PROMPT_RUNS = _prompt_runs()

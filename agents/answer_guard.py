"""Keeps out of replies what a model must not say: its own prompts, and sentences that share no word with the passages.

Texts of customers and documents reach a model as data, but a model may obey them all the same. Whatever it then says
passes here, beside agents/grounding.py for links and figures. A reply in another language than its passages cannot be
compared word by word: there only prompts, mere echoes and scripts that the customer does not write are caught.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files

from agents.language_detector import LanguageDetector
from agents.reply_words import answers_yes_or_no, asked_words, courtesy, says_not_knowing
from agents.sentence_cutter import pieces_of
from agents.words import stem, words

# Shorter runs occur by chance, and in the examples that prompts give.
_WINDOW = 32
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_LEAST_SUPPORT = 0.25
_MOST_ECHOED = 6
_LEAST_OF_NOT_KNOWING = 0.5
_SCRIPT_READ = 500
_SCRIPTS = {"ar": "ARABIC", "hi": "DEVANAGARI", "zh": "CJK"}


@dataclass(frozen=True, slots=True)
class Guarded:
    """What may be said; `text` is None when nothing may. `complaint` is for a turn's trace, never what was said."""

    text: str | None
    complaint: str | None = None


class AnswerGuard:
    """Stateless; one instance serves all."""

    def __init__(self, languages: LanguageDetector) -> None:
        self._languages = languages

    def checked(
        self, text: str, passages: Sequence[str], said: Sequence[str], stop_words: frozenset[str], language: str
    ) -> Guarded:
        """`passages` are what it rests on, with their headings; `said` is what the customer wrote, the question first.

        `language` is the one that the reply should be in, `stop_words` are that language's.
        """
        if leaks_prompt(text, passages):
            return Guarded(None, "it held the bot's own instructions")
        own = _stems(text, stop_words)
        if not own:
            return Guarded(text)
        question = said[0] if said else ""
        if self._strange_script(text, question, language):
            return Guarded(None, "it is in another script than the customer's")
        held = _stems("\n".join(passages), stop_words)
        if self._other_language(text, passages, language):
            echoed = own <= _stems("\n".join(said), stop_words) and len(own) <= _MOST_ECHOED
            echoed = echoed and not own & held and not answers_yes_or_no(text)
            return Guarded(None, "it only repeated the customer") if echoed else Guarded(text)
        return _compared(text, held, _stems(asked_words(question), stop_words), stop_words)

    def _strange_script(self, text: str, question: str, language: str) -> bool:
        """Whether a reply in one of our languages is in letters that neither it nor the customer writes."""
        if not self._languages.knows(language):
            return False
        return _script(text) not in {"", "LATIN", _SCRIPTS.get(language), _script(question)}

    def _other_language(self, text: str, passages: Sequence[str], language: str) -> bool:
        """Whether they cannot be compared: unless the passages are surely in the reply's language.

        A reply too short to tell is in the language that it should be in.
        """
        return (self._languages.surely(text) or language) != self._languages.surely("\n".join(passages))


def _compared(text: str, held: frozenset[str], asked: frozenset[str], stop_words: frozenset[str]) -> Guarded:
    """The sentences that speak of what is `held` in the passages, word by word; `asked` are the question's words."""
    pieces = pieces_of(text)
    stays = [_speaks_of(piece, held, asked, stop_words) for piece in pieces]
    kept = "".join(piece for piece, stay in zip(pieces, stays, strict=True) if stay).strip()
    whole = all(stays)
    stems = _stems(kept, stop_words)
    telling = stems - courtesy(stems)
    if any(map(answers_yes_or_no, pieces)) or says_not_knowing(kept):
        held |= asked
    enough = len(telling & held) >= _LEAST_SUPPORT * len(telling) if telling else whole
    if not kept or not enough:
        return Guarded(None, "its passages do not speak of it")
    return Guarded(text) if whole else Guarded(kept, "its passages do not speak of a part; left out")


def leaks_prompt(text: str, known: Sequence[str] = ()) -> bool:
    """Whether a text holds a stretch of our prompts: as it is, spaced out, reversed, rotated, in base64 or hex.

    What also stands in the `known` texts is no leak.
    """
    runs = [run for form in _forms(text) for run in _windows(_letters(form)) if run in _PROMPT_RUNS]
    if not runs:
        return False
    allowed = _letters("\n".join(known))
    return any(run not in allowed for run in runs)


def _speaks_of(piece: str, held: frozenset[str], asked: frozenset[str], stop_words: frozenset[str]) -> bool:
    """A sentence of small words and courtesy may stay; any other shares at least one word with the passages.

    Yes, no and not knowing are said with the question's words instead: "No, we are closed on Sundays".
    """
    own = _stems(piece, stop_words)
    if own <= courtesy(own) or own & held:
        return True
    if says_not_knowing(piece):
        return len(own & (asked | courtesy(own))) >= _LEAST_OF_NOT_KNOWING * len(own)
    return answers_yes_or_no(piece) and bool(own & asked)


def _script(text: str) -> str:
    """The script of most letters, as Unicode calls it; "" without letters."""
    counts = Counter(unicodedata.name(letter, "").split(" ")[0] for letter in text[:_SCRIPT_READ] if letter.isalpha())
    return counts.most_common(1)[0][0] if counts else ""


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

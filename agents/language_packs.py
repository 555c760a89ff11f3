"""The ten languages that the bot speaks by itself, read from `agents/languages/*.toml`."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from agents.words import UNSPACED, folded, words

DEFAULT_LANGUAGE = "en"
LETTER = rf"[^\W{UNSPACED}]"
"""In a pattern: what a phrase must not touch where words are spaced."""
# Vowel signs of Indic scripts and Thai are marks, which \w does not count as letters.
_IN_WORDS = re.compile(r"[\w\u0900-\u0963\u0971-\u0eff]+")


@dataclass(frozen=True, slots=True)
class LanguagePack:
    """One language. `phrases` by kind and `stop_words` are folded (agents/words.py); `sentences` are Markdown.

    `marks` are words that customers write often and that show the language; `verb_last` says that "with a person
    speak" is the order of words.
    """

    code: str
    name: str
    sentences: Mapping[str, str]
    phrases: Mapping[str, tuple[str, ...]]
    stop_words: frozenset[str]
    marks: frozenset[str]
    verb_last: bool


def load_language_packs() -> dict[str, LanguagePack]:
    """Every pack by its ISO 639-1 code. Reads files: call it at the start."""
    found = (entry for entry in files("agents").joinpath("languages").iterdir() if entry.name.endswith(".toml"))
    packs = [_pack(entry.name.removesuffix(".toml"), entry.read_text(encoding="utf-8")) for entry in found]
    return {pack.code: pack for pack in sorted(packs, key=lambda pack: pack.code)}


def plain(text: str) -> str:
    """Folded words with single spaces: what phrases are compared as. Emoji and punctuation are gone."""
    return " ".join(_IN_WORDS.findall(folded(text).replace("_", " ")))


def either(phrases: Iterable[str]) -> str:
    """As a pattern: any one of the phrases, letter by letter, the longest that fits."""
    return "(?:" + "|".join(map(re.escape, longest_first(phrases))) + ")"


def longest_first(phrases: Iterable[str]) -> list[str]:
    """In the order in which they are tried: a short phrase may begin a longer one."""
    return sorted(phrases, key=lambda phrase: (-len(phrase), phrase))


def _pack(code: str, text: str) -> LanguagePack:
    content = tomllib.loads(text)
    phrases = dict(content["phrases"])
    verb_last = bool(phrases.pop("verb_last", False))
    return LanguagePack(
        code=code,
        name=content["name"],
        sentences=content["sentences"],
        phrases={kind: tuple(plain(phrase) for phrase in listed) for kind, listed in phrases.items()},
        stop_words=frozenset(words(content["words"]["stop"])),
        marks=frozenset(words(content["words"]["marks"])),
        verb_last=verb_last,
    )

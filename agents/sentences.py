"""What the bot says by itself, in the customer's language."""

from collections.abc import Mapping, Sequence
from typing import Literal

from agents.language_packs import DEFAULT_LANGUAGE, LanguagePack
from database.records import Passage

SentenceName = Literal[
    "greeting", "thanks", "do_not_know", "apology", "hand_over", "stop", "start", "unsupported", "source", "page"
]
_LONGEST_FILENAME = 60


class Sentences:
    """The sentences of every language; a language that we do not speak gets English."""

    def __init__(self, packs: Mapping[str, LanguagePack]) -> None:
        self._packs = packs

    def say(self, name: SentenceName, language: str | None) -> str:
        """Markdown."""
        pack = self._packs.get(language or DEFAULT_LANGUAGE) or self._packs[DEFAULT_LANGUAGE]
        return pack.sentences[name]

    def in_every_language(self, name: SentenceName) -> frozenset[str]:
        """The sentence as any customer may have heard it."""
        return frozenset(pack.sentences[name] for pack in self._packs.values())

    def sources(self, passages: Sequence[Passage], language: str | None) -> str:
        """The line that names where an answer comes from, each file once with its pages: `From menu.pdf, p. 2`."""
        pages: dict[str, list[int]] = {}
        for passage in passages:
            listed = pages.setdefault(passage.filename, [])
            if passage.page is not None and passage.page not in listed:
                listed.append(passage.page)
        named = "; ".join(self._source(filename, sorted(listed), language) for filename, listed in pages.items())
        return self.say("source", language).format(sources=named)

    def _source(self, filename: str, pages: Sequence[int], language: str | None) -> str:
        name = _without_markup(_short(filename))
        if not pages:
            return name
        return f"{name}, {self.say('page', language).format(page=', '.join(str(page) for page in pages))}"


def _short(filename: str) -> str:
    """A very long name keeps its beginning and its end, where the kind of file stands."""
    if len(filename) <= _LONGEST_FILENAME:
        return filename
    return f"{filename[: _LONGEST_FILENAME - 16]}…{filename[-15:]}"


def _without_markup(filename: str) -> str:
    """A file's name as Markdown text. Underscores inside a word mean nothing there; those at its edges would."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*[]<>" else letter for letter in filename)
    return f"\\{escaped}" if escaped.startswith("_") else escaped

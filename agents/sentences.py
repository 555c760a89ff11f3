"""What the bot says by itself, in the customer's language."""

from collections.abc import Mapping, Sequence
from typing import Literal

from agents.document_names import document_name
from agents.language_packs import DEFAULT_LANGUAGE, LanguagePack
from database.records import Passage

SentenceName = Literal[
    "greeting", "thanks", "do_not_know", "apology", "hand_over", "stop", "start", "unsupported", "source", "page",
    "which", "or", "say_more", "refused",
]  # fmt: skip


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
        """The line that names where an answer comes from, each document once with its pages.

        `From **Returns policy**, p. 2` in the customer's language (agents/document_names.py).
        """
        pages: dict[str, list[int]] = {}
        for name, passage in zip(_names(passages), passages, strict=True):
            listed = pages.setdefault(name, [])
            if passage.page is not None and passage.page not in listed:
                listed.append(passage.page)
        named = "; ".join(self._source(name, sorted(listed), language) for name, listed in pages.items())
        return self.say("source", language).format(sources=named)

    def options(self, names: Sequence[str], language: str | None) -> str:
        """Asks which of several things a customer means: `Do you mean **Lamps** or **Shoes**?`."""
        bold = [f"**{_without_markup(name)}**" for name in names]
        listed = f" {self.say('or', language)} ".join([", ".join(bold[:-1]), bold[-1]] if len(bold) > 1 else bold)
        return self.say("which", language).format(options=listed)

    def _source(self, name: str, pages: Sequence[int], language: str | None) -> str:
        shown = f"**{_without_markup(name)}**"
        if not pages:
            return shown
        return f"{shown}, {self.say('page', language).format(page=', '.join(str(page) for page in pages))}"


def _names(passages: Sequence[Passage]) -> list[str]:
    """A document has one name, also where only some of its passages stand under its title."""
    names: dict[str, str] = {}
    for passage in sorted(passages, key=lambda each: each.title is None):
        names.setdefault(passage.document_id, document_name(passage))
    return [names[passage.document_id] for passage in passages]


def _without_markup(name: str) -> str:
    """A name as Markdown text. Underscores inside a word mean nothing there; those at its edges would."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*[]<>~" else letter for letter in name)
    return f"\\{escaped}" if escaped.startswith("_") else escaped


def without_marks(text: str) -> str:
    """A sentence without the marks of Markdown or WhatsApp: history holds it as it was sent."""
    return text.replace("*", "").strip()

"""What the bot says to admins, and the words by which it understands them, from `agents/languages/admin/*.toml`."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from agents.language_packs import DEFAULT_LANGUAGE, LETTER, either, longest_first, plain
from agents.words import UNSPACED, stem, words

AdminSentence = Literal[
    "propose",
    "known",
    "contradicts",
    "ask_store",
    "ask_anyway",
    "ask_replace",
    "ask_files",
    "forget_list",
    "ask_forget",
    "stored",
    "reading",
    "learned",
    "failed",
    "replaced",
    "in_file",
    "dropped",
    "settled",
    "forgotten",
    "changed",
    "nothing_known",
    "knows",
    "voice",
    "voice_failed",
    "file_gone",
    "file_too_large",
    "file_away",
]
AdminButton = Literal["save", "replace", "keep_both", "cancel", "forget"]
Opposites = tuple[frozenset[str], frozenset[str]]

_GAP = "{}"
_UNITS = frozenset(
    map(
        stem,
        [
            "euro",
            "euros",
            "eur",
            "dollar",
            "dollars",
            "usd",
            "chf",
            "gbp",
            "pesos",
            "reais",
            "rupiah",
            "rp",
            "uhr",
            "h",
            "am",
            "pm",
            "hour",
            "hours",
            "day",
            "days",
        ],
    )
)


@dataclass(frozen=True, slots=True)
class _Language:
    sentences: Mapping[str, str]
    buttons: Mapping[str, str]
    phrases: Mapping[str, Sequence[str]]


class AdminWords:
    """Sentences by language; phrases of every language hold at once, as those for customers do."""

    def __init__(self, languages: Mapping[str, _Language]) -> None:
        self._languages = languages
        self._no = frozenset(plain(phrase) for phrase in self._every("no"))
        self._forget = [_Template(phrase) for phrase in longest_first(self._every("forget"))]
        self._know = [_Template(phrase) for phrase in longest_first(self._every("know"))]
        self._note = [_opening(phrase) for phrase in longest_first(self._every("note"))]
        self._question = {code: _asks(each.phrases["question"], code) for code, each in languages.items()}
        self._states = {code: _anywhere(each.phrases["states"]) for code, each in languages.items()}
        self._weak = {code: _stems(each.phrases["states"]) | _UNITS for code, each in languages.items()}
        self.negation = _stems(self._every("negation"))
        self.opposites = [_pair(listed) for listed in self._every("opposites")]
        self.days = (_any_word(self._every("today")), _any_word(self._every("tomorrow")))
        self._titles = _titles(languages)

    def say(self, name: AdminSentence, language: str | None) -> str:
        """Markdown; a language that we do not speak gets English."""
        return self._of(language).sentences[name]

    def title(self, name: AdminButton, language: str | None) -> str:
        """At most 20 characters."""
        return self._of(language).buttons[name]

    def button_of(self, text: str) -> AdminButton | None:
        """The button whose title this text is, pressed or typed, in whatever language."""
        return self._titles.get(plain(text))

    def says_no(self, texts: Sequence[str]) -> bool:
        """Whether a burst declines, and says nothing else."""
        return bool(texts) and all(plain(text) in self._no for text in texts)

    def forget_subject(self, text: str) -> str | None:
        """What "forget what you know about …" is about, folded; None when it is nothing like that."""
        return next((found for template in self._forget if (found := template.subject(text))), None)

    def know_subject(self, text: str) -> str | None:
        """What "what do you know about …" is about, folded; None when it is nothing like that."""
        return next((found for template in self._know if (found := template.subject(text))), None)

    def without_opening(self, text: str) -> str | None:
        """The text behind "remember that …"; None when it does not begin like that."""
        found = next((found for opening in self._note if (found := opening.match(text))), None)
        return text[found.end() :].strip() or None if found else None

    def asks(self, text: str, language: str) -> bool:
        """Whether a text begins as questions do; where no words are spaced: whether it holds such a word."""
        pattern = self._question.get(language) or self._question[DEFAULT_LANGUAGE]
        return bool(pattern.search(plain(text)))

    def states(self, text: str, language: str) -> bool:
        """Whether a text holds a word that statements have and bare search words have not ("we", "is", "costs")."""
        pattern = self._states.get(language) or self._states[DEFAULT_LANGUAGE]
        return bool(pattern.search(plain(text)))

    def weak(self, language: str) -> frozenset[str]:
        """Stems that say nothing of a statement's subject: verbs of saying so, and units."""
        return self._weak.get(language) or self._weak[DEFAULT_LANGUAGE]

    def _of(self, language: str | None) -> _Language:
        return self._languages.get(language or DEFAULT_LANGUAGE) or self._languages[DEFAULT_LANGUAGE]

    def _every(self, kind: str) -> list[str]:
        return [phrase for language in self._languages.values() for phrase in language.phrases[kind]]


def load_admin_words() -> AdminWords:
    """Reads files: call it at the start."""
    folder = files("agents").joinpath("languages", "admin")
    found = sorted((each for each in folder.iterdir() if each.name.endswith(".toml")), key=lambda each: each.name)
    read = {each.name.removesuffix(".toml"): tomllib.loads(each.read_text(encoding="utf-8")) for each in found}
    return AdminWords({code: _Language(it["sentences"], it["buttons"], it["phrases"]) for code, it in read.items()})


class _Template:
    """A phrase with a gap: "forget what you know about {}"; compared folded, as a whole message."""

    def __init__(self, phrase: str) -> None:
        before, _, after = phrase.partition(_GAP)
        self._before, self._after = plain(before), plain(after)
        self._unspaced = bool(re.search(rf"[{UNSPACED}]", phrase))

    def subject(self, text: str) -> str | None:
        said = plain(text)
        if not (said.startswith(self._before) and said.endswith(self._after)):
            return None
        inner = said[len(self._before) : len(said) - len(self._after)]
        whole_words = self._unspaced or (
            (not self._before or inner.startswith(" ")) and (not self._after or inner.endswith(" "))
        )
        return inner.strip() or None if whole_words else None


def _opening(phrase: str) -> re.Pattern[str]:
    """The beginning of a message as it was typed, in any case, with or without a colon."""
    before = phrase.partition(_GAP)[0].strip()
    flexible = r"\s+".join(map(re.escape, before.split()))
    after = r"\s*[:：,，]?\s*" if re.search(rf"[{UNSPACED}]", before) else r"(?:\s*[:,-]\s*|\s+)"  # noqa: RUF001 - full width is meant
    return re.compile(rf"\s*{flexible}{after}", re.IGNORECASE)


def _asks(phrases: Iterable[str], code: str) -> re.Pattern[str]:
    said = either(map(plain, phrases))
    # In Hindi the word that asks stands before the verb; Chinese spaces no words.
    anywhere = code in {"zh", "hi"}
    start = "" if code == "zh" else rf"(?<!{LETTER})" if anywhere else "^"
    end = "" if code == "zh" else rf"(?!{LETTER})"
    return re.compile(rf"{start}{said}{end}")


def _anywhere(phrases: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!{LETTER}){either(map(plain, phrases))}(?!{LETTER})")


def _any_word(phrases: Iterable[str]) -> re.Pattern[str]:
    """One of the words as it was typed: in small letters, or at the very beginning ("Morgen" is a noun elsewhere)."""
    spaced = [phrase for phrase in phrases if not re.search(rf"[{UNSPACED}]", phrase)]
    others = [phrase for phrase in phrases if phrase not in spaced]
    word = either(spaced).replace("'", "['’]")  # noqa: RUF001 - typed so
    first = rf"^(?i:{word})(?!\w)|(?<!\w){word}(?!\w)"
    return re.compile("|".join([first, *map(re.escape, others)]))


def _stems(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(stem(word) for phrase in phrases for word in words(phrase))


def _pair(listed: str) -> Opposites:
    one, _, other = listed.partition("/")
    return frozenset(map(stem, words(one))), frozenset(map(stem, words(other)))


def _titles(languages: Mapping[str, _Language]) -> dict[str, AdminButton]:
    names: tuple[AdminButton, ...] = ("save", "replace", "keep_both", "cancel", "forget")
    return {plain(each.buttons[name]): name for each in languages.values() for name in names}

"""What an admin's messages are: statements to store, a wish to forget or to be told, or ordinary messages."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from agents.admin_words import AdminWords
from agents.intent_rules import ORDERS, POLITE, IntentRules
from agents.language_detector import LanguageDetector
from agents.language_packs import LanguagePack
from agents.model_answers import NonsenseError, as_material, read_answer, with_prompt
from agents.ports import Burst, LanguageModel, ModelError, Usage
from agents.prompt_files import load_prompt
from agents.words import is_unspaced, stem, words
from database.records import Intent

LONGEST_STATEMENT = 4_000
_PROMPT = load_prompt("knowledge")
_HISTORY_LINES = 6
_EDGE = re.compile(r"[^,.!:;\n،。！，؛]*[,.!:;\n،。！，؛]+\s*")  # noqa: RUF001 - marks of many scripts are meant
_ENDED = re.compile(r"[.!?…。！？।؟]['\"”’»)\]]*$")  # noqa: RUF001 - marks of many scripts are meant
_DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_FEWEST_WORDS, _FEWEST_PAIRS = 3, 4
_SUPPORTED = 0.8


@dataclass(frozen=True, slots=True)
class Understood:
    """What a burst of an admin wants. `statement` is ready to be stored; `ordinary` are messages for other agents.

    `forget` and `know` are subjects. `unread` are messages to be read once more, without the one that was understood.
    All of them may be empty but not all at once.
    """

    language: str
    statement: str = ""
    forget: str = ""
    know: str = ""
    ordinary: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    error: str | None = None


class _Sorted(BaseModel):
    """What the model was asked for (agents/prompts/knowledge.md)."""

    model_config = ConfigDict(extra="ignore")

    statements: list[int]
    text: str = ""
    forget: str = Field(default="", max_length=500)
    know: str = Field(default="", max_length=500)
    language: str = Field(pattern=r"^[a-z]{2}$")


class StatementReader:
    """`model` None means rules alone."""

    def __init__(
        self, model: LanguageModel | None, rules: IntentRules, said: AdminWords, packs: Mapping[str, LanguagePack]
    ) -> None:
        self._model = model
        self._rules = rules
        self._words = said
        self._packs = packs
        self._languages = LanguageDetector(packs)

    async def read(self, burst: Burst, texts: Sequence[str], now: int) -> Understood:
        """Sort `texts`, the messages of the burst that are not about an open question. `now`: epoch milliseconds.

        Never raises: a model that fails or answers nonsense is named in `error`, and the rules decide.
        """
        language = self._languages.language_of(texts, stored=burst.language)
        by_rules = self._by_rules(texts, language, _day(now))
        if self._model is None or by_rules.forget or by_rules.know or self._is_plain(texts):
            return by_rules
        try:
            return await self._by_model(self._model, burst, texts, by_rules, _day(now))
        except NonsenseError as exc:
            return replace(by_rules, usage=exc.usage, error=f"knowledge: {exc}")
        except ModelError as exc:
            return replace(by_rules, error=f"knowledge: {exc}")

    def matters(self, text: str) -> bool:
        """Whether a message is more than a greeting, thanks or a nod."""
        return not self._is_polite(text)

    def stands_alone(self, text: str) -> bool:
        """Whether what is written beside a file is not about the file: it asks, or it says what is to be done."""
        return (
            self._rules.has_mark([text])
            or not ORDERS.isdisjoint(self._rules.intents([text]))
            or any((self._words.forget_subject(text), self._words.know_subject(text)))
            or self._words.without_opening(text) is not None
        )

    def _is_plain(self, texts: Sequence[str]) -> bool:
        """Whether nothing in the texts could be a statement: no model needs to be asked."""
        return Intent.QUESTION not in self._rules.intents(texts)

    def _by_rules(self, texts: Sequence[str], language: str, today: date) -> Understood:
        for at, text in enumerate(texts):
            others = (*texts[:at], *texts[at + 1 :])
            if subject := self._meant(self._words.forget_subject(text), language):
                return Understood(language, forget=subject, unread=others)
            if subject := self._meant(self._words.know_subject(text), language):
                return Understood(language, know=subject, unread=others)
        if self._is_plain(texts):
            return Understood(language, ordinary=tuple(texts))
        stating = [text for text in texts if self._is_statement(text, language)]
        ordinary = tuple(text for text in texts if text not in stating)
        return Understood(language, statement=self._cleaned(stating, today), ordinary=ordinary)

    def _meant(self, subject: str | None, language: str) -> str:
        """A subject of small words alone ("it") is none."""
        if subject is None:
            return ""
        pack = self._packs.get(language)
        small = pack.stop_words if pack else frozenset()
        return subject if any(word not in small for word in words(subject)) else ""

    def _is_statement(self, text: str, language: str) -> bool:
        if self._words.without_opening(text):
            return not self._rules.has_mark([text])
        if Intent.QUESTION not in self._rules.intents([text]) or self._rules.has_mark([text]):
            return False
        bare = self._without_politeness(text)
        if self._words.asks(bare, language):
            return False
        return _says_enough(bare) and (
            any(letter.isdigit() for letter in bare)
            or self._words.states(bare, language)
            or self._is_yes_or_no(bare)
            or bool(_ENDED.search(bare))
        )

    def _is_yes_or_no(self, text: str) -> bool:
        """Whether a text says whether something is so ("closed on Sundays", "no parking")."""
        stems = {stem(word) for word in words(text)}
        sides = {side for pair in self._words.opposites for side in pair}
        return bool(stems & self._words.negation) or any(side <= stems for side in sides)

    def _cleaned(self, texts: Sequence[str], today: date) -> str:
        """The statements as they are to be stored: without greetings, with an end, and with dates for "tomorrow"."""
        bare = [self._dated(self._without_politeness(text), today) for text in texts]
        return "\n".join(_ended(text) for text in bare if text)[:LONGEST_STATEMENT]

    def _without_politeness(self, text: str) -> str:
        left = text.strip()
        while (edge := _EDGE.match(left)) and edge.end() < len(left) and self._is_polite(edge.group()):
            left = left[edge.end() :]
        return self._words.without_opening(left) or left

    def _is_polite(self, text: str) -> bool:
        return POLITE.issuperset(self._rules.intents([text]))

    def _dated(self, text: str, today: date) -> str:
        """Whoever reads "tomorrow" later must know which day was meant."""
        for days, pattern in enumerate(self._words.days):
            day = (today + timedelta(days=days)).isoformat()
            if (found := pattern.search(text)) and day not in text:
                return f"{text[: found.end()]} ({day}){text[found.end() :]}"
        return text

    async def _by_model(
        self, model: LanguageModel, burst: Burst, texts: Sequence[str], by_rules: Understood, today: date
    ) -> Understood:
        user = _material(burst, texts, by_rules.language, today)
        completion = with_prompt(await model.complete(_PROMPT.text, user, business_id=burst.business_id), _PROMPT)
        said = read_answer(completion, _Sorted)
        if not all(1 <= number <= len(texts) for number in said.statements):
            raise NonsenseError(completion.usage)
        forget, know = said.forget.strip(), said.know.strip()
        stating = [texts[number - 1] for number in sorted(set(said.statements))]
        wishes = [text for text in texts if ORDERS.isdisjoint(self._rules.intents([text]))] or texts
        wishing = {_nearest(subject, wishes, stating) for subject in (forget, know) if subject}
        stating = [text for text in stating if text not in wishing]
        ordinary = tuple(text for text in texts if text not in stating and text not in wishing)
        statement = self._checked(said.text, stating, today)
        return Understood(said.language, statement, forget, know, ordinary, usage=completion.usage)

    def _checked(self, text: str, stating: Sequence[str], today: date) -> str:
        """The model's wording where it only says what was written; otherwise what was written."""
        if not stating:
            return ""
        if not text.strip() or not _supported(text, stating, today):
            return self._cleaned(stating, today)
        return text.strip()[:LONGEST_STATEMENT]


def _nearest(subject: str, texts: Sequence[str], stating: Sequence[str]) -> str:
    """The message that is about a subject; one that states something only where there is no other."""
    stems = {stem(word) for word in words(subject)}
    others = [text for text in texts if text not in stating] or texts
    return max(others, key=lambda text: len(stems & {stem(word) for word in words(text)}))


def _supported(text: str, stating: Sequence[str], today: date) -> bool:
    """Whether a wording has no number and few words that were not written; the dates of today and tomorrow may come."""
    days = (today, today + timedelta(days=1))
    dates = " ".join(f"{day.isoformat()} {day.day} {day.month:02d} {day.year}" for day in days)
    written = {stem(word) for word in words("\n".join(stating))}
    known = {word for word in words(dates) if word[0].isdigit()} | written
    own = [stem(word) for word in words(text)]
    numbers = {word for word in own if word[0].isdigit()}
    return bool(own) and numbers <= known and sum(word in known for word in own) >= _SUPPORTED * len(own)


def _material(burst: Burst, texts: Sequence[str], language: str, today: date) -> str:
    return as_material(
        before=[{"admin" if line.by_customer else "assistant": line.text} for line in burst.history[-_HISTORY_LINES:]],
        today=f"{today.isoformat()} ({today:%A})",
        messages=[{"number": number, "text": text} for number, text in enumerate(texts, start=1)],
        language=language,
    )


def _says_enough(text: str) -> bool:
    found = words(text)
    return len(found) >= (_FEWEST_PAIRS if is_unspaced(text) else _FEWEST_WORDS)


def _ended(text: str) -> str:
    text = text[:1].upper() + text[1:]
    if _ENDED.search(text):
        return text
    if is_unspaced(text):
        return f"{text}。"
    return f"{text}{'।' if _DEVANAGARI.search(text) else '.'}"


def _day(now: int) -> date:
    """The date in UTC: a business has no time zone of its own yet."""
    return datetime.fromtimestamp(now / 1000, UTC).date()

"""What a customer asked, told without a model: the questions in a burst, and whether the bot only asked back."""

from collections.abc import Mapping, Sequence

from agents.intent_rules import IntentRules
from agents.language_detector import LanguageDetector
from agents.language_packs import LanguagePack
from agents.question_splitter import split_questions
from agents.words import words
from database.records import Intent

LONGEST_QUESTION = 500
_QUESTION_MARKS = ("?", "？", "؟")  # noqa: RUF001 - Chinese and Arabic
_ASKING = frozenset({Intent.QUESTION, Intent.FOLLOW_UP})


class QuestionReader:
    """`packs` are the bot's languages. Stateless."""

    def __init__(self, packs: Mapping[str, LanguagePack]) -> None:
        self._packs = packs
        self._rules = IntentRules(packs)
        self._languages = LanguageDetector(packs)

    def language_of(self, texts: Sequence[str], stored: str | None) -> str:
        """ISO 639-1."""
        return self._languages.language_of(texts, stored=stored)

    def questions(self, texts: Sequence[str], language: str, intents: Sequence[str] = ()) -> list[str]:
        """Up to three questions of a burst; none where nothing of substance is asked.

        With `intents`, these say whether it asks; without, question marks do: to a person, customers say much else.
        """
        asks = bool(_ASKING & set(intents)) or self._rules.has_mark(texts)
        if not texts or not asks or Intent.QUESTION not in self._rules.intents(texts):
            return []
        said = self._rules.asking(texts)
        if not intents:
            said = tuple(text for text in said if self._rules.has_mark([text]))
        stop_words = self._stop_words(language)
        parts = split_questions(said, stop_words)
        asked = [" ".join(part.split())[:LONGEST_QUESTION] for part in parts]
        return [each for each in asked if any(word not in stop_words for word in words(each))]

    def asked_back(self, reply: str) -> bool:
        """Whether what the bot said was a question of its own."""
        return reply.rstrip().endswith(_QUESTION_MARKS)

    def _stop_words(self, language: str) -> frozenset[str]:
        pack = self._packs.get(language)
        return pack.stop_words if pack else frozenset()

"""Decides what a burst of messages wants, and in which language: by a model where there is one, by rules otherwise."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents.intent_rules import IntentRules
from agents.language_detector import LanguageDetector
from agents.language_packs import LanguagePack
from agents.model_answers import NonsenseError, as_material, read_answer, with_prompt
from agents.ports import Burst, Classification, Completion, LanguageModel, ModelError, Usage
from agents.prompt_files import load_prompt
from database.records import Intent

_PROMPT = load_prompt("classify")
_HISTORY_LINES = 6
# What a model may say; knowledge and follow-ups are not offered to customers.
_OFFERED = frozenset(
    {
        Intent.QUESTION,
        Intent.GREETING,
        Intent.THANKS,
        Intent.PERSON,
        Intent.OPT_OUT,
        Intent.OPT_IN,
        Intent.OTHER,
    }
)


class _Sorted(BaseModel):
    """What the model was asked for (agents/prompts/classify.md)."""

    model_config = ConfigDict(extra="ignore")

    intents: list[Intent] = Field(min_length=1)
    language: str = Field(pattern=r"^[a-z]{2}$")

    @field_validator("intents")
    @classmethod
    def _offered(cls, intents: list[Intent]) -> list[Intent]:
        if not _OFFERED.issuperset(intents):
            raise ValueError("an intent that was not offered")
        return list(dict.fromkeys(intents))


class MessageClassifier:
    """`model` None means rules alone; `packs` are the bot's languages (agents/language_packs.py).

    `rules` are for those who need a word of the rules themselves.
    """

    def __init__(self, model: LanguageModel | None, packs: Mapping[str, LanguagePack]) -> None:
        self._model = model
        self.rules = IntentRules(packs)
        self._languages = LanguageDetector(packs)

    async def classify(self, burst: Burst) -> Classification:
        """Never raises: a model that fails or answers nonsense is named in `error`, and the rules decide."""
        if self._model is None or self.rules.keyword(burst.texts) is not None:
            return self._by_rules(burst)
        completion: Completion | None = None
        try:
            completion = with_prompt(await self._model.complete(_PROMPT.text, _material(burst)), _PROMPT)
            said = read_answer(completion, _Sorted)
        except NonsenseError as exc:
            return replace(self._by_rules(burst), usage=exc.usage, error=f"classifier: {exc}")
        except ModelError as exc:
            return replace(self._by_rules(burst), error=f"classifier: {exc}")
        return Classification(tuple(said.intents), said.language, completion.usage)

    def _by_rules(self, burst: Burst) -> Classification:
        language = self._languages.language_of(burst.texts, stored=burst.language)
        return Classification(self.rules.intents(burst.texts), language, Usage())


def _material(burst: Burst) -> str:
    return as_material(
        before=[
            {"customer" if line.by_customer else "business": line.text} for line in burst.history[-_HISTORY_LINES:]
        ],
        burst=list(burst.texts),
        language_before=burst.language,
    )

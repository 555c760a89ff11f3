"""Decides what a burst of messages wants, and in which language: by a model where there is one, by rules otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents.effect_rules import allowed_intents
from agents.follow_ups import FollowUpRules
from agents.intent_rules import IntentRules
from agents.language_detector import LanguageDetector
from agents.language_packs import LanguagePack
from agents.model_answers import NonsenseError, as_lines, as_material, read_answer, with_prompt
from agents.ports import Burst, Classification, LanguageModel, ModelError, Topic
from agents.prompt_files import load_prompt
from agents.topics import FoundTopics, TopicFinder, offered, topic_named
from database.records import Intent

_PROMPT = load_prompt("classify")
_HISTORY_LINES = 6
# What a model may say; knowledge is not offered to customers.
_OFFERED = frozenset(
    {
        Intent.QUESTION,
        Intent.FOLLOW_UP,
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
    topic: str | None = None

    @field_validator("intents")
    @classmethod
    def _offered(cls, intents: list[Intent]) -> list[Intent]:
        if not _OFFERED.issuperset(intents):
            raise ValueError("an intent that was not offered")
        return list(dict.fromkeys(intents))


class MessageClassifier:
    """`model` None means rules alone; `packs` are the bot's languages (agents/language_packs.py).

    `topics` None means that no business names any. `rules` are for those who need a word of the rules themselves.
    """

    def __init__(
        self, model: LanguageModel | None, packs: Mapping[str, LanguagePack], topics: TopicFinder | None = None
    ) -> None:
        self._model = model
        self._topics = topics
        self.rules = IntentRules(packs)
        self._follow_ups = FollowUpRules(packs)
        self._languages = LanguageDetector(packs)
        self._spoken = frozenset(packs)

    async def classify(self, burst: Burst) -> Classification:
        """A model that fails or answers nonsense is named in `error`, and the rules decide.

        Raises only what reading the business's topics raises.
        """
        if self._model is None or self.rules.keyword(burst.texts) is not None:
            return await self._by_rules(burst)
        try:
            return await self._by_model(burst, self._model)
        except NonsenseError as exc:
            return replace(await self._by_rules(burst), usage=exc.usage, error=f"classifier: {exc}")
        except ModelError as exc:
            return replace(await self._by_rules(burst), error=f"classifier: {exc}")

    async def _by_model(self, burst: Burst, model: LanguageModel) -> Classification:
        topics = await self._topics.named(burst.business_id) if self._topics else ()
        asked = model.complete(_PROMPT.text, _material(burst, topics), business_id=burst.business_id)
        completion = with_prompt(await asked, _PROMPT)
        said = read_answer(completion, _Sorted)
        topic = topic_named(said.topic, topics)
        intents = tuple(said.intents)
        if said.language in self._spoken or self._languages.detect("\n".join(burst.texts)) is not None:
            intents = allowed_intents(intents, burst.texts)
        topics_by_message = await self._by_message(burst, topic) if topic else ()
        return Classification(intents, said.language, completion.usage, topic=topic, topics=topics_by_message)

    async def _by_rules(self, burst: Burst) -> Classification:
        language = self._languages.language_of(burst.texts, stored=burst.language)
        intents = self.rules.intents(burst.texts)
        if Intent.QUESTION not in intents:
            return Classification(intents, language)
        asking = self.rules.asking(burst.texts)
        if self._follow_ups.leans(asking, burst.history, language):
            intents = tuple(Intent.FOLLOW_UP if intent is Intent.QUESTION else intent for intent in intents)
        found = await self._topics.find(burst.business_id, asking) if self._topics else FoundTopics()
        return Classification(intents, language, topic=found.topic, topics=found.messages)

    async def _by_message(self, burst: Burst, topic: Topic) -> tuple[tuple[str, Topic | None], ...]:
        """Which of several messages a model's topic is about, told by the examples; () where they do not know."""
        asking = self.rules.asking(burst.texts)
        if self._topics is None or len(asking) == 1:
            return ()
        messages = (await self._topics.find(burst.business_id, asking)).messages
        return messages if any(found == topic for _, found in messages) else ()


def _material(burst: Burst, topics: Sequence[Topic]) -> str:
    about: dict[str, object] = {"topics": offered(topics)} if topics else {}
    return as_material(
        **about,
        before=as_lines(burst.history[-_HISTORY_LINES:]),
        burst=list(burst.texts),
        language_before=burst.language,
    )

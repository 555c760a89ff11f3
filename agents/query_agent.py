"""Answers questions from the business's own knowledge, with sources, or says that it does not know."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, model_validator

from agents.extractive import extract
from agents.language_detector import LanguageDetector
from agents.language_packs import LanguagePack
from agents.model_answers import NonsenseError, as_material, read_answer, with_prompt
from agents.ports import Answer, Knowledge, LanguageModel, ModelError, Utterance
from agents.prompt_files import load_prompt
from agents.question_splitter import split_questions
from agents.sentences import Sentences
from database.records import Passage

REPLY_CHARACTERS = 400  # a reply that is read at a glance on a phone, its source line included
_PROMPT = load_prompt("answer")
_PASSAGES = 8
_HISTORY_LINES = 6
_LONGEST_MODEL_ANSWER = 1500
_BETWEEN = "\n\n"
# What a model must never make up: links, addresses, and numbers of four characters or more (prices, years, phones).
_CHECKABLE = re.compile(r"https?://[^\s)>\]]+|www\.[^\s)>\]]+|[\w.+-]+@[\w-]+\.\w[\w.-]*|\d[\d.,]{2,}\d")


class _Answered(BaseModel):
    """What the model was asked for (agents/prompts/answer.md)."""

    model_config = ConfigDict(extra="ignore")

    answer: str
    answered: bool
    sources: list[int]

    @model_validator(mode="after")
    def _whole(self) -> "_Answered":
        self.answer = self.answer.strip()
        if self.answered and (not self.answer or not self.sources or len(self.answer) > _LONGEST_MODEL_ANSWER):
            raise ValueError("an answer without text or sources, or far too long")
        return self


class QueryAgent:
    """`model` None means copied sentences alone (agents/extractive.py); `packs` are the bot's languages."""

    def __init__(self, knowledge: Knowledge, model: LanguageModel | None, packs: Mapping[str, LanguagePack]) -> None:
        self._packs = packs
        self._knowledge = knowledge
        self._model = model
        self._languages = LanguageDetector(self._packs)
        self._sentences = Sentences(self._packs)

    async def answer(
        self,
        business_id: str,
        question: str,
        *,
        language: str | None = None,
        history: Sequence[Utterance] = (),
        use_model: bool = True,
    ) -> Answer:
        """The answer without its source line; with it (`with_sources`) a copied answer has at most 400 characters.

        A model that fails or answers nonsense is named in `error`, and sentences are copied instead.
        `language` None is found out from the question.
        """
        language = language or self._languages.language_of([question], stored=None)
        parts = split_questions([question], self._stop_words(language))
        version, found = await asyncio.gather(self._knowledge.version(business_id), self._search(business_id, parts))
        answer = await self._from(found, parts, question, language, history, use_model=use_model)
        return replace(answer, knowledge_version=version)

    async def _search(self, business_id: str, parts: Sequence[str]) -> list[list[Passage]]:
        return await asyncio.gather(*(self._knowledge.search(business_id, part, limit=_PASSAGES) for part in parts))

    async def _from(
        self,
        found: Sequence[Sequence[Passage]],
        parts: Sequence[str],
        question: str,
        language: str,
        history: Sequence[Utterance],
        *,
        use_model: bool,
    ) -> Answer:
        if not any(found):
            return self._not_known(language)
        if self._model is None or not use_model:
            return self._copied(parts, found, language)
        try:
            return await self._by_model(self._model, question, _merged(found), language, history)
        except NonsenseError as exc:
            return replace(self._copied(parts, found, language), usage=exc.usage, error=f"answer: {exc}")
        except ModelError as exc:
            return replace(self._copied(parts, found, language), error=f"answer: {exc}")

    def with_sources(self, answer: Answer, language: str | None) -> str:
        """The answer's Markdown, ready to be sent: with a line that names its sources, if it has any."""
        if not answer.sources:
            return answer.text
        return f"{answer.text}{_BETWEEN}{self._sentences.sources(answer.sources, language)}"

    async def _by_model(
        self,
        model: LanguageModel,
        question: str,
        passages: Sequence[Passage],
        language: str,
        history: Sequence[Utterance],
    ) -> Answer:
        system = _PROMPT.text.replace("{limit}", str(REPLY_CHARACTERS))
        completion = with_prompt(
            await model.complete(system, _material(question, passages, language, history)), _PROMPT
        )
        said = read_answer(completion, _Answered)
        if not said.answered:
            return replace(self._not_known(language), usage=completion.usage)
        if not all(1 <= number <= len(passages) for number in said.sources) or not _grounded(said, question, passages):
            raise NonsenseError(completion.usage)
        sources = tuple(passages[number - 1] for number in dict.fromkeys(said.sources))
        return Answer(said.answer, answered=True, sources=sources, usage=completion.usage)

    def _copied(self, parts: Sequence[str], found: Sequence[Sequence[Passage]], language: str) -> Answer:
        """The best sentences for each question; with the line that names the sources within 400 characters."""
        extracts = [
            extract(
                part,
                passages,
                budget=REPLY_CHARACTERS // len(parts),
                naming=lambda sources: len(_BETWEEN) + len(self._sentences.sources(sources, language)),
                stop_words=self._stop_words(language),
                trust_cosine=language == "en",
            )
            for part, passages in zip(parts, found, strict=True)
        ]
        good = [each for each in extracts if each is not None and each.answers]
        if not good:
            return self._not_known(language)
        text = _BETWEEN.join(dict.fromkeys(each.text for each in good))
        return Answer(text, answered=True, sources=_distinct(source for each in good for source in each.sources))

    def _not_known(self, language: str) -> Answer:
        return Answer(self._sentences.say("do_not_know", language), answered=False)

    def _stop_words(self, language: str) -> frozenset[str]:
        pack = self._packs.get(language)
        return pack.stop_words if pack else frozenset()


def _material(question: str, passages: Sequence[Passage], language: str, history: Sequence[Utterance]) -> str:
    return as_material(
        passages=[
            {"number": number, "heading": passage.heading, "text": passage.text}
            for number, passage in enumerate(passages, start=1)
        ],
        before=[{"customer" if line.by_customer else "business": line.text} for line in history[-_HISTORY_LINES:]],
        question=question,
        language=language,
    )


def _merged(found: Sequence[Sequence[Passage]]) -> tuple[Passage, ...]:
    """The passages for several questions: the best of each first."""
    longest = max(len(passages) for passages in found)
    turns = (passages[rank] for rank in range(longest) for passages in found if rank < len(passages))
    return _distinct(turns)[:_PASSAGES]


def _distinct(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    return tuple({passage.chunk_id: passage for passage in passages}.values())


def _grounded(said: _Answered, question: str, passages: Sequence[Passage]) -> bool:
    """Whether every link, address and long number of the answer stands in the passages or in the question."""
    known = _squeezed("\n".join([question, *(passage.text for passage in passages)]))
    return all(_squeezed(found.rstrip(".,;:!?")) in known for found in _CHECKABLE.findall(said.answer))


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()

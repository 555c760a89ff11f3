"""Answers questions from the business's own knowledge, with sources, asks back, or says that it does not know."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agents.answer_guard import AnswerGuard, Guarded
from agents.answer_likelihood import least_surplus
from agents.clarification import buttons_for, of_option, options_of
from agents.extractive import extract
from agents.language_detector import LanguageDetector
from agents.language_packs import LanguagePack, plain
from agents.model_answering import Conversation, RefusedError, answered, rewritten
from agents.model_answers import NonsenseError
from agents.passage_orders import without_orders
from agents.passage_search import PassageSearch, leans_on_before
from agents.ports import Answer, AnswerThresholds, Knowledge, LanguageModel, ModelError, Usage, Utterance
from agents.question_splitter import split_questions
from agents.sentences import SentenceName, Sentences
from agents.words import words
from database.records import Passage

REPLY_CHARACTERS = 400  # a reply that is read at a glance on a phone, its source line included
_PASSAGES = 8
_BETWEEN = "\n\n"
_INVITATIONS: tuple[SentenceName, ...] = ("greeting", "start", "unsupported")  # they end with a question, too
_QUESTION_MARKS = ("?", "？", "؟")  # noqa: RUF001 - Chinese and Arabic


@dataclass(frozen=True, slots=True)
class _Found:
    """The questions of a burst with the passages for each.

    `error` says why no model put them into words; where it failed at that (`model_away`), it is not asked again.
    `least` is the surplus (agents/answer_likelihood.py) that it takes to answer without a model.
    """

    parts: Sequence[str]
    passages: Sequence[Sequence[Passage]]
    asked: Conversation
    version: int
    least: float
    usage: Usage
    error: str | None
    model_away: bool


class QueryAgent:
    """`model` None means copied sentences alone (agents/extractive.py); `packs` are the bot's languages.

    Without `thresholds` every business is answered at the usual answerability.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        model: LanguageModel | None,
        packs: Mapping[str, LanguagePack],
        thresholds: AnswerThresholds | None = None,
    ) -> None:
        self._thresholds = thresholds
        self._packs = packs
        self._knowledge = knowledge
        self._search = PassageSearch(knowledge, packs)
        self._model = model
        self._languages = LanguageDetector(self._packs)
        self._guard = AnswerGuard(self._languages)
        self._sentences = Sentences(self._packs)
        self._invitations = {
            plain(sentence) for name in _INVITATIONS for sentence in self._sentences.in_every_language(name)
        }

    async def answer(
        self,
        business_id: str,
        question: str,
        *,
        language: str | None = None,
        history: Sequence[Utterance] = (),
        summary: str | None = None,
        facts: Sequence[str] = (),
        use_model: bool = True,
        option: str | None = None,
    ) -> Answer:
        """The answer without its source line; with it (`with_sources`) a copied answer has at most 400 characters.

        A model that fails, answers nonsense or makes something up is named in `error`, and sentences are copied
        instead; where only the question's rewriting was nonsense, the search goes by the last exchange, and the model
        answers. `language` None is found out from the question. `option` is what the customer chose when we asked
        back: then we do not ask again.
        """
        language = language or self._languages.language_of([question], stored=None)
        model = self._model if use_model else None
        may_ask = option is None and not self._asked_back(history)
        asked = Conversation(business_id, question, language, history, summary, facts, may_ask_back=may_ask)
        found = await self._found(asked, model)
        if option:
            found = replace(found, passages=[of_option(passages, option) for passages in found.passages])
        answer = await self._from(found, None if found.model_away else model)
        error = "; ".join(filter(None, (found.error, answer.error))) or None
        return replace(answer, knowledge_version=found.version, usage=found.usage + answer.usage, error=error)

    async def _found(self, asked: Conversation, model: LanguageModel | None) -> _Found:
        """The passages: for the question as a model rewrote it, or else for the question and the last exchange."""
        before = self._search.last_exchange(asked.history)
        usage, error, away = Usage(), None, False
        if model is not None and self._leans(asked):
            try:
                meaning, usage = await rewritten(model, asked)
                asked, before = replace(asked, meaning=meaning), ""
            except NonsenseError as exc:
                usage, error = exc.usage, f"rewrite: {exc}"
            except ModelError as exc:
                error, away = f"rewrite: {exc}", True
        parts = split_questions([asked.meaning or asked.question], self._stop_words(asked.language))
        version, least, passages = await asyncio.gather(
            self._knowledge.version(asked.business_id),
            self._least(asked.business_id),
            asyncio.gather(
                *(self._search.find(asked.business_id, part, before, limit=_PASSAGES) for part in parts),
            ),
        )
        return _Found(parts, self._readable(passages), asked, version, least, usage, error, away)

    async def _least(self, business_id: str) -> float:
        return least_surplus(await self._thresholds.of(business_id) if self._thresholds else None)

    def _leans(self, asked: Conversation) -> bool:
        stop_words = self._stop_words(asked.language)
        spoken = any(word not in stop_words for line in asked.history if line.by_customer for word in words(line.text))
        return spoken and leans_on_before(asked.question, stop_words)

    def _readable(self, passages: Sequence[list[Passage]]) -> Sequence[list[Passage]]:
        """Orders to a model are left out where there is one: what is copied now stands in the history that it reads.

        Without a model nobody would obey them.
        """
        return passages if self._model is None else [without_orders(each) for each in passages]

    def _asked_back(self, history: Sequence[Utterance]) -> bool:
        """Whether our last line was a question back: it ends with a question mark and is no greeting."""
        last = next((line.text for line in reversed(history) if not line.by_customer), "").strip()
        return last.endswith(_QUESTION_MARKS) and plain(last) not in self._invitations

    async def _from(self, found: _Found, model: LanguageModel | None) -> Answer:
        asked, passages = found.asked, _merged(found.passages) if any(found.passages) else ()
        if model is None or not passages:
            return self._without_model(found)
        try:
            said = await answered(model, asked, passages, found.version, REPLY_CHARACTERS, self._check_for(asked))
        except NonsenseError as exc:
            facts = exc.facts if isinstance(exc, RefusedError) else ()
            return replace(self._without_model(found), usage=exc.usage, facts=facts, error=f"answer: {exc}")
        except ModelError as exc:
            return replace(self._without_model(found), error=f"answer: {exc}")
        return said if said.text else replace(said, text=self._not_known(asked.language).text)

    def _check_for(self, asked: Conversation) -> Callable[[str, Sequence[str]], Guarded]:
        """What may go out of a model's answer, question back or button."""
        customer = [asked.question, *(line.text for line in asked.history if line.by_customer)]
        small = self._stop_words(asked.language)
        return lambda text, known: self._guard.checked(text, known, customer, small, asked.language)

    def with_sources(self, answer: Answer, language: str | None) -> str:
        """The answer's Markdown, ready to be sent: with a line that names its sources, if it has any."""
        if not answer.sources:
            return answer.text
        return f"{answer.text}{_BETWEEN}{self._sentences.sources(answer.sources, language)}"

    def _without_model(self, found: _Found) -> Answer:
        """Copied sentences, or a question back where the customer's words may mean several things."""
        language, asked = found.asked.language, found.asked
        if asked.may_ask_back and not asked.history and len(found.parts) == 1:
            options = options_of(found.parts[0], found.passages[0], self._stop_words(language))
            if options:
                buttons = buttons_for(asked.question, options)
                return Answer(self._sentences.options(options, language), answered=False, buttons=buttons)
        answer = self._copied(found)
        if answer.answered or asked.history or not asked.may_ask_back or self._says_something(asked):
            return answer
        return replace(answer, text=self._sentences.say("say_more", language))

    def _copied(self, found: _Found) -> Answer:
        """The best sentences for each question; with the line that names the sources within 400 characters."""
        language = found.asked.language
        extracts = [
            extract(
                self._whole(part, found.asked),
                passages,
                budget=REPLY_CHARACTERS // len(found.parts),
                naming=lambda sources: len(_BETWEEN) + len(self._sentences.sources(sources, language)),
                stop_words=self._stop_words(language),
                trust_cosine=language == "en",
            )
            for part, passages in zip(found.parts, found.passages, strict=True)
        ]
        good = [each for each in extracts if each is not None and each.surplus >= found.least]
        if not good:
            return self._not_known(language)
        text = _BETWEEN.join(dict.fromkeys(each.text for each in good))
        return Answer(text, answered=True, sources=_distinct(source for each in good for source in each.sources))

    def _whole(self, part: str, asked: Conversation) -> str:
        """A question without a word of its own ("how much is it?") with the one before it."""
        stop_words = self._stop_words(asked.language)
        if asked.meaning is not None or any(word not in stop_words for word in words(part)):
            return part
        before = next((line.text for line in reversed(asked.history) if line.by_customer), "")
        return f"{before}\n{part}".strip()

    def _says_something(self, asked: Conversation) -> bool:
        return any(word not in self._stop_words(asked.language) for word in words(asked.question))

    def _not_known(self, language: str) -> Answer:
        return Answer(self._sentences.say("do_not_know", language), answered=False)

    def _stop_words(self, language: str) -> frozenset[str]:
        pack = self._packs.get(language)
        return pack.stop_words if pack else frozenset()


def _merged(found: Sequence[Sequence[Passage]]) -> tuple[Passage, ...]:
    """The passages for several questions: the best of each first."""
    longest = max(len(passages) for passages in found)
    turns = (passages[rank] for rank in range(longest) for passages in found if rank < len(passages))
    return _distinct(turns)[:_PASSAGES]


def _distinct(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    return tuple({passage.chunk_id: passage for passage in passages}.values())

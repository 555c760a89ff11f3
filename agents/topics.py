"""Finds the business's own topics that a burst and its messages are about, or that they are about none of them."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from agents.ports import Embeddings, Topic, Topics
from agents.topic_model import Judgement, TopicModel
from vectorstore.embedders import EmbeddingError

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 2.0
_MOST_TEXTS = 8
_MOST_TOGETHER = 3
_LONGEST_TEXT = 500  # as long as an example may be
_MOST_OFFERED_CHARACTERS = 6000
_MOST_OFFERED_EXAMPLES = 5
_LONGEST_OFFERED_EXAMPLE = 120


@dataclass(frozen=True, slots=True)
class TopicGuess:
    """The likeliest topic and its score, 0 to 1; `topic` is None below 0.5, the score is then the likeliest's."""

    topic: Topic | None
    score: float


@dataclass(frozen=True, slots=True)
class FoundTopics:
    """What a burst is about as a whole, and each of its messages; `messages` is empty where no one alone tells."""

    topic: Topic | None = None
    messages: tuple[tuple[str, Topic | None], ...] = ()


@dataclass(frozen=True, slots=True)
class _Learned:
    topics: tuple[Topic, ...]
    model: TopicModel

    def named(self, judgement: Judgement, topics: Sequence[Topic]) -> Topic | None:
        """The topic as it is now; None for one that was taken away since."""
        meant = self.topics[judgement.label].id if judgement.accepted else None
        return next((topic for topic in topics if topic.id == meant), None)


class TopicFinder:
    """One model a business, learned in a thread at the first burst after its topics changed.

    `patience_seconds` is how long a burst waits for that. Whoever gives up does not stop the learning.
    """

    def __init__(self, topics: Topics, embeddings: Embeddings, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._topics = topics
        self._embeddings = embeddings
        self._learned: dict[str, _Learned] = {}
        self._learning: dict[str, asyncio.Task[_Learned]] = {}

    async def close(self) -> None:
        """Learn no more."""
        tasks = list(self._learning.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def named(self, business_id: str) -> tuple[Topic, ...]:
        """The topics of a business."""
        return await self._topics.of(business_id)

    async def find(self, business_id: str, texts: Sequence[str]) -> FoundTopics:
        """What the messages of a burst are about, without a language model. Without embeddings: nothing, and a log.

        While changed topics take long to learn, what was learned before is asked.
        """
        topics = await self._with_examples(business_id)
        asked = _asked(texts)
        if not topics or not asked:
            return FoundTopics()
        try:
            learned = await self._learned_soon(business_id, topics)
            if learned is None:
                return FoundTopics()
            judged = await self._judged(learned.model, [*asked, *_together(asked)])
        except EmbeddingError as error:
            logger.warning("a burst goes without its topic: %s", error)
            return FoundTopics()
        topic = learned.named(max(judged, key=lambda each: each.score), topics)
        alone = tuple(learned.named(each, topics) for each in judged[: len(asked)])
        return FoundTopics(topic, tuple(zip(texts[-len(asked) :], alone, strict=True)) if topic in alone else ())

    async def guess(self, business_id: str, text: str) -> TopicGuess:
        """The best guess for one text, by the topics as they are now. Raises EmbeddingError."""
        topics = await self._with_examples(business_id)
        asked = _asked([text])
        if not topics or not asked:
            return TopicGuess(None, 0.0)
        learned = self._learned.get(business_id)
        if learned is None or learned.topics != topics:
            learned = await self._learn(business_id, topics)
        best = (await self._judged(learned.model, asked))[0]
        return TopicGuess(learned.named(best, topics), best.score)

    async def _with_examples(self, business_id: str) -> tuple[Topic, ...]:
        return tuple(topic for topic in await self._topics.of(business_id) if topic.examples)

    async def _judged(self, model: TopicModel, texts: Sequence[str]) -> list[Judgement]:
        vectors = await self._embeddings.embed(texts)
        return await asyncio.to_thread(lambda: [model.judge(*pair) for pair in zip(texts, vectors, strict=True)])

    async def _learned_soon(self, business_id: str, topics: tuple[Topic, ...]) -> _Learned | None:
        """What is learned within a customer's patience; else what was learned before, if anything."""
        learned = self._learned.get(business_id)
        if learned is not None and learned.topics == topics:
            return learned
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                return await self._learn(business_id, topics)
        return learned

    async def _learn(self, business_id: str, topics: tuple[Topic, ...]) -> _Learned:
        while True:
            learned = await asyncio.shield(self._begin(business_id, topics))
            if learned.topics == topics:
                return learned

    def _begin(self, business_id: str, topics: tuple[Topic, ...]) -> asyncio.Task[_Learned]:
        """The business's learning under way, or a new one: never two at once."""
        task = self._learning.get(business_id)
        if task is None:
            task = asyncio.create_task(self._train(business_id, topics), name=f"learn the topics of {business_id}")
            self._learning[business_id] = task
            task.add_done_callback(lambda done: self._ended(business_id, done))
        return task

    def _ended(self, business_id: str, task: asyncio.Task[_Learned]) -> None:
        del self._learning[business_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("the topics of %s were not learned: %s", business_id, error)

    async def _train(self, business_id: str, topics: tuple[Topic, ...]) -> _Learned:
        texts = [topic.examples for topic in topics]
        vectors = await self._embeddings.embed([text for examples in texts for text in examples])
        model = await asyncio.to_thread(TopicModel.train, texts, vectors)
        logger.info("learned %d topics from %d examples", len(topics), len(vectors))
        self._learned[business_id] = _Learned(topics, model)
        return self._learned[business_id]


def offered(topics: Sequence[Topic]) -> list[dict[str, object]]:
    """What a language model is told of the topics: every name, and examples as long as there is room for them."""
    listed: list[dict[str, object]] = []
    room = _MOST_OFFERED_CHARACTERS // max(1, len(topics))
    for topic in topics:
        examples: list[str] = []
        left = room
        for example in topic.examples[:_MOST_OFFERED_EXAMPLES]:
            short = example[:_LONGEST_OFFERED_EXAMPLE]
            left -= len(short)
            if left < 0:
                break
            examples.append(short)
        listed.append({"name": topic.name, "examples": examples})
    return listed


def topic_named(name: str | None, topics: Sequence[Topic]) -> Topic | None:
    """The topic that a language model named; None for a name that is none of them."""
    wanted = (name or "").strip().casefold()
    return next((topic for topic in topics if topic.name.casefold() == wanted), None)


def _asked(texts: Sequence[str]) -> list[str]:
    """The newest messages, as much of each as an example may have."""
    return [text.strip()[:_LONGEST_TEXT] for text in texts[-_MOST_TEXTS:]]


def _together(asked: Sequence[str]) -> list[str]:
    """The newest messages as one, where there are several."""
    return ["\n".join(asked[-_MOST_TOGETHER:])[-2 * _LONGEST_TEXT :]] if len(asked) > 1 else []

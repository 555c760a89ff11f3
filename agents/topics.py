"""Finds the business's own topic that a burst is about, or that it is about none of them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from agents.ports import Embeddings, Topic, Topics
from agents.topic_model import TopicModel
from vectorstore.embedders import EmbeddingError

logger = logging.getLogger(__name__)

_MOST_TEXTS = 3
_LONGEST_TEXT = 1000
_MOST_OFFERED_CHARACTERS = 6000
_MOST_OFFERED_EXAMPLES = 5
_LONGEST_OFFERED_EXAMPLE = 120


@dataclass(frozen=True, slots=True)
class TopicGuess:
    """The likeliest topic and its score, 0 to 1; `topic` is None below 0.5, the score is then the likeliest's."""

    topic: Topic | None
    score: float


@dataclass(frozen=True, slots=True)
class _Learned:
    topics: tuple[Topic, ...]
    model: TopicModel


class TopicFinder:
    """One model a business, learned at the first burst after its topics changed, in a thread."""

    def __init__(self, topics: Topics, embeddings: Embeddings) -> None:
        self._topics = topics
        self._embeddings = embeddings
        self._learned: dict[str, _Learned] = {}
        self._learning: dict[str, asyncio.Lock] = {}

    async def named(self, business_id: str) -> tuple[Topic, ...]:
        """The topics of a business."""
        return await self._topics.of(business_id)

    async def find(self, business_id: str, texts: Sequence[str]) -> Topic | None:
        """What the messages of a burst are about, without a language model. Without embeddings: None, and a log."""
        try:
            return (await self.guess(business_id, texts)).topic
        except EmbeddingError as error:
            logger.warning("a burst goes without its topic: %s", error)
            return None

    async def guess(self, business_id: str, texts: Sequence[str]) -> TopicGuess:
        """The best guess for the messages together, or for one of them. Raises EmbeddingError."""
        topics = tuple(topic for topic in await self._topics.of(business_id) if topic.examples)
        asked = _asked(texts)
        if not topics or not asked:
            return TopicGuess(None, 0.0)
        model = await self._model(business_id, topics)
        vectors = await self._embeddings.embed(asked)
        best = max((model.judge(*pair) for pair in zip(asked, vectors, strict=True)), key=lambda each: each.score)
        return TopicGuess(topics[best.label] if best.accepted else None, best.score)

    async def _model(self, business_id: str, topics: tuple[Topic, ...]) -> TopicModel:
        async with self._learning.setdefault(business_id, asyncio.Lock()):
            learned = self._learned.get(business_id)
            if learned is None or learned.topics != topics:
                learned = _Learned(topics, await self._learn(topics))
                self._learned[business_id] = learned
            return learned.model

    async def _learn(self, topics: Sequence[Topic]) -> TopicModel:
        texts = [topic.examples for topic in topics]
        vectors = await self._embeddings.embed([text for examples in texts for text in examples])
        model = await asyncio.to_thread(TopicModel.train, texts, vectors)
        logger.info("learned %d topics from %d examples", len(topics), len(vectors))
        return model


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
    """The newest messages, each alone, and all together where there are several."""
    newest = [text.strip()[:_LONGEST_TEXT] for text in texts[-_MOST_TEXTS:] if text.strip()]
    return [*newest, "\n".join(newest)[-_LONGEST_TEXT:]] if len(newest) > 1 else newest

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agents.ports import Topic, TopicAction
from agents.topics import TopicFinder

HOURS = Topic("1", "Hours", ("when do you open", "are you open on sunday"))
RETURNS = Topic("2", "Returns", ("can I return my order", "how do I send it back"))
BOTH = (HOURS, RETURNS)


@dataclass
class ChangingTopics:
    """Implements agents.ports.Topics."""

    topics: tuple[Topic, ...] = BOTH

    async def of(self, business_id: str) -> tuple[Topic, ...]:
        return self.topics


@dataclass
class SlowEmbeddings:
    """Vectors by chance of the text; examples (more than one text) wait until `free` is set."""

    free: asyncio.Event = field(default_factory=asyncio.Event)
    learned: list[list[str]] = field(default_factory=list)

    async def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        if len(texts) > 1:
            self.learned.append(list(texts))
            await self.free.wait()
        rows = np.array([[len(text) % 7 + 1, len(set(text)), text.count("o") + 1] for text in texts], np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def finder(patience_seconds: float = 0.0) -> tuple[ChangingTopics, SlowEmbeddings, TopicFinder]:
    topics, embeddings = ChangingTopics(), SlowEmbeddings()
    return topics, embeddings, TopicFinder(topics, embeddings, patience_seconds=patience_seconds)


async def test_who_gives_up_does_not_stop_the_learning() -> None:
    """Topics are learned once, however many bursts come and go meanwhile; those go without a topic."""
    _, embeddings, topics = finder(patience_seconds=60)
    waiting = asyncio.create_task(topics.find("b", ["when do you open"]))
    while not embeddings.learned:
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    again = asyncio.create_task(topics.find("b", ["when do you open"]))
    embeddings.free.set()
    assert (await again).topic == HOURS
    assert len(embeddings.learned) == 1


async def test_a_burst_does_not_wait_for_a_long_learning() -> None:
    """Beyond its patience a burst has no topic; after a change, what was learned before tells."""
    changing, embeddings, topics = finder()
    assert (await topics.find("b", ["when do you open"])).topic is None
    embeddings.free.set()
    assert (await topics.guess("b", "when do you open")).topic == HOURS
    embeddings.free.clear()
    changing.topics = (HOURS, RETURNS, Topic("3", "Jobs", ("are you hiring", "how do I apply")))
    assert (await topics.find("b", ["can I return my order"])).topic == RETURNS
    await topics.close()


async def test_a_topic_that_is_gone_is_never_found() -> None:
    """While its removal is learned, a message about it has no topic; a new action holds at once."""
    changing, embeddings, topics = finder()
    embeddings.free.set()
    await topics.guess("b", "when do you open")
    embeddings.free.clear()
    refused = Topic("2", "Returns", RETURNS.examples, TopicAction.REFUSE)
    changing.topics = (refused,)
    assert (await topics.find("b", ["when do you open"])).topic is None
    assert (await topics.find("b", ["can I return my order"])).topic == refused
    await topics.close()

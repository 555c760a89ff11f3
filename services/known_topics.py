"""The topics of each business as the agents see them: read again only when something changed."""

from agents.ports import Topic, TopicAction
from database.engine import Database
from database.topics import StoredTopic, TopicsVersion, all_topics, topics_version


class KnownTopics:
    """Implements agents.ports.Topics over concierge.db. Asks for the version each time, so it is never behind."""

    def __init__(self, chat: Database) -> None:
        self._chat = chat
        self._known: dict[str, tuple[TopicsVersion, tuple[Topic, ...]]] = {}

    async def of(self, business_id: str) -> tuple[Topic, ...]:
        """As Topics.of; the same tuple as long as nothing changed."""
        version = await self._chat.read(topics_version(business_id))
        known = self._known.get(business_id)
        if known is not None and known[0] == version:
            return known[1]
        version, stored = await self._chat.read(all_topics(business_id))
        topics = tuple(_topic(each) for each in stored)
        self._known[business_id] = (version, topics)
        return topics


def _topic(stored: StoredTopic) -> Topic:
    return Topic(stored.id, stored.name, stored.examples, TopicAction(stored.action), stored.reply)

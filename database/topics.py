"""The topics that businesses named, with messages that are about them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from database.audit import note
from database.records import new_id
from database.transaction import Row, Transaction, Unit


class NotWritten(StrEnum):
    """Why a topic was not written."""

    MISSING = "missing"
    """There is no such topic in this business."""
    NAME_TAKEN = "name_taken"
    """The business has another topic of this name."""
    TOO_MANY_TOPICS = "too_many_topics"
    TOO_MANY_EXAMPLES = "too_many_examples"


@dataclass(frozen=True, slots=True)
class StoredTopic:
    """A topic as it lies in its table; `action` is one of answer, route, hand_over, refuse."""

    id: str
    business_id: str
    name: str
    examples: tuple[str, ...]
    action: str
    reply: str | None
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class TopicContent:
    """What an owner says of a topic."""

    name: str
    examples: tuple[str, ...]
    action: str
    reply: str | None


@dataclass(frozen=True, slots=True)
class TopicLimits:
    """How much a business may hold: topics, and examples in all of them together."""

    topics: int
    examples: int


@dataclass(frozen=True, slots=True)
class TopicsVersion:
    """Another one after every change of a business's topics."""

    count: int
    updated_at: int | None
    last_id: str | None


def topics_version(business_id: str) -> Unit[TopicsVersion]:
    """Which version of its topics a business has; read from an index alone."""

    async def unit(transaction: Transaction) -> TopicsVersion:
        row = await transaction.one(
            "SELECT count(*), max(updated_at), max(id) FROM topics WHERE business_id = :business",
            {"business": business_id},
        )
        return TopicsVersion(*row) if row else TopicsVersion(0, None, None)

    return unit


def all_topics(business_id: str) -> Unit[tuple[TopicsVersion, list[StoredTopic]]]:
    """Every topic of a business, the oldest first, and their version."""

    async def unit(transaction: Transaction) -> tuple[TopicsVersion, list[StoredTopic]]:
        version = await topics_version(business_id)(transaction)
        rows = await transaction.all(f"{_TOPIC} WHERE business_id = :business ORDER BY id", {"business": business_id})
        return version, [_topic(row) for row in rows]

    return unit


def topics_page(business_id: str, limit: int, after: str = "") -> Unit[list[StoredTopic]]:
    """Topics of a business, the oldest first; `after` is the id of the last one of the page before."""

    async def unit(transaction: Transaction) -> list[StoredTopic]:
        rows = await transaction.all(
            f"{_TOPIC} WHERE business_id = :business AND id > :after ORDER BY id LIMIT :limit",
            {"business": business_id, "after": after, "limit": limit},
        )
        return [_topic(row) for row in rows]

    return unit


def topic_of(business_id: str, topic_id: str) -> Unit[StoredTopic | None]:
    """One topic of a business."""

    async def unit(transaction: Transaction) -> StoredTopic | None:
        return await _one(transaction, business_id, topic_id)

    return unit


def create_topic(
    business_id: str, content: TopicContent, limits: TopicLimits, actor: str, now: int
) -> Unit[StoredTopic | NotWritten]:
    """A new topic, with a line in the audit log."""

    async def unit(transaction: Transaction) -> StoredTopic | NotWritten:
        topic_id = new_id()
        refused = await _refusal(transaction, business_id, topic_id, content, limits)
        if refused is not None:
            return refused
        await transaction.run(
            "INSERT INTO topics (id, business_id, name, examples, action, reply, created_at, updated_at)"
            f" VALUES (:id, :business, :name, :examples, :action, :reply, :now, {_LATER})",
            {"id": topic_id, "business": business_id, "now": now, **_columns(content)},
        )
        await note(transaction, "topic_created", actor=actor, about=topic_id, business_id=business_id, now=now)
        return await _one(transaction, business_id, topic_id) or NotWritten.MISSING

    return unit


def replace_topic(
    business_id: str, topic_id: str, content: TopicContent, limits: TopicLimits, actor: str, now: int
) -> Unit[StoredTopic | NotWritten]:
    """The topic with another content, with a line in the audit log."""

    async def unit(transaction: Transaction) -> StoredTopic | NotWritten:
        if await _one(transaction, business_id, topic_id) is None:
            return NotWritten.MISSING
        refused = await _refusal(transaction, business_id, topic_id, content, limits)
        if refused is not None:
            return refused
        await transaction.run(
            "UPDATE topics SET name = :name, examples = :examples, action = :action, reply = :reply,"
            f" updated_at = {_LATER} WHERE business_id = :business AND id = :id",
            {"id": topic_id, "business": business_id, "now": now, **_columns(content)},
        )
        await note(transaction, "topic_changed", actor=actor, about=topic_id, business_id=business_id, now=now)
        return await _one(transaction, business_id, topic_id) or NotWritten.MISSING

    return unit


def delete_topic(business_id: str, topic_id: str, actor: str, now: int) -> Unit[bool]:
    """Forget a topic, with a line in the audit log; False when there is none."""

    async def unit(transaction: Transaction) -> bool:
        gone = await transaction.run(
            "DELETE FROM topics WHERE business_id = :business AND id = :id", {"business": business_id, "id": topic_id}
        )
        if gone:
            await note(transaction, "topic_deleted", actor=actor, about=topic_id, business_id=business_id, now=now)
        return bool(gone)

    return unit


_TOPIC = "SELECT id, business_id, name, examples, action, reply, created_at, updated_at FROM topics"
# Later than every other topic's, so that no two versions look alike, however coarse the clock is.
_LATER = "max(:now, 1 + coalesce((SELECT max(t.updated_at) FROM topics t WHERE t.business_id = :business), 0))"


async def _one(transaction: Transaction, business_id: str, topic_id: str) -> StoredTopic | None:
    row = await transaction.one(
        f"{_TOPIC} WHERE business_id = :business AND id = :id", {"business": business_id, "id": topic_id}
    )
    return _topic(row) if row else None


async def _refusal(
    transaction: Transaction, business_id: str, topic_id: str, content: TopicContent, limits: TopicLimits
) -> NotWritten | None:
    """Whether a topic may be written, its other version set aside. Names that differ in case alone are the same."""
    rows = await transaction.all(
        "SELECT name, json_array_length(examples) AS examples FROM topics WHERE business_id = :business AND id <> :id",
        {"business": business_id, "id": topic_id},
    )
    if content.name.casefold() in {row["name"].casefold() for row in rows}:
        return NotWritten.NAME_TAKEN
    if len(rows) >= limits.topics:
        return NotWritten.TOO_MANY_TOPICS
    if sum(row["examples"] for row in rows) + len(content.examples) > limits.examples:
        return NotWritten.TOO_MANY_EXAMPLES
    return None


def _columns(content: TopicContent) -> dict[str, str | None]:
    return {
        "name": content.name,
        "examples": json.dumps(content.examples, ensure_ascii=False),
        "action": content.action,
        "reply": content.reply,
    }


def _topic(row: Row) -> StoredTopic:
    examples: Sequence[str] = json.loads(row["examples"])
    return StoredTopic(
        id=row["id"],
        business_id=row["business_id"],
        name=row["name"],
        examples=tuple(examples),
        action=row["action"],
        reply=row["reply"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )

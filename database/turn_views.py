"""What an operator sees of turns: how each one came to its reply, and the passages that it answered from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from database.conversation_views import MessageView
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn as it was stored. `stages` are seconds by stage, `sources` ids of chunks in knowledge.db.

    `messages` are what it answered and what it said, in the conversation's order; a message that was closed without a
    reply is none of them. `received_at` is when the first of them reached us, None when there is none.
    """

    id: str
    business_id: str
    conversation_id: str
    outcome: str
    intents: list[str]
    topic: str | None
    language: str | None
    model: str | None
    prompt_hash: str | None
    knowledge_version: int | None
    input_tokens: int
    output_tokens: int
    cost_usd: float
    stages: dict[str, float]
    sources: list[str]
    error: str | None
    started_at: int
    finished_at: int
    received_at: int | None = None
    messages: list[MessageView] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SourceView:
    """A passage as it stands in the knowledge now."""

    chunk_id: str
    document_id: str
    filename: str
    heading: str | None
    page: int | None
    text: str


_TURN = (
    "SELECT id, business_id, conversation_id, outcome, intents, topic, language, model, prompt_hash,"
    " knowledge_version, input_tokens, output_tokens, cost_usd, stages, sources, error, started_at, finished_at"
    " FROM turns"
)


def turns_of(conversation_id: str, limit: int, before: str | None = None) -> Unit[list[TurnView] | None]:
    """The turns of a conversation, the newest first; None when there is no such conversation.

    `before` is the id of the last one of the page before: ids grow with time.
    """

    async def unit(transaction: Transaction) -> list[TurnView] | None:
        found = await transaction.one("SELECT 1 FROM conversations WHERE id = :id", {"id": conversation_id})
        if found is None:
            return None
        older = "" if before is None else " AND id < :before"
        rows = await transaction.all(
            f"{_TURN} WHERE conversation_id = :id{older} ORDER BY id DESC LIMIT :limit",
            {"id": conversation_id, "before": before, "limit": limit},
        )
        return await _with_messages(transaction, conversation_id, rows)

    return unit


def turn_of(turn_id: str) -> Unit[TurnView | None]:
    """One turn, None when there is none."""

    async def unit(transaction: Transaction) -> TurnView | None:
        row = await transaction.one(f"{_TURN} WHERE id = :id", {"id": turn_id})
        if row is None:
            return None
        return (await _with_messages(transaction, row["conversation_id"], [row]))[0]

    return unit


def sources_of(business_id: str, chunk_ids: Sequence[str]) -> Unit[list[SourceView]]:
    """In knowledge.db: those of the passages that are still there, in the order of `chunk_ids`."""

    async def unit(transaction: Transaction) -> list[SourceView]:
        rows = await transaction.all(
            "SELECT c.id AS chunk_id, c.document_id, d.filename, c.heading, c.page, c.text FROM chunks AS c"
            " JOIN documents AS d ON d.id = c.document_id"
            " WHERE c.business_id = :business AND d.deleted_at IS NULL"
            " AND c.id IN (SELECT value FROM json_each(:ids))",
            {"business": business_id, "ids": json.dumps(list(chunk_ids))},
        )
        found = {row["chunk_id"]: SourceView(**dict(row)) for row in rows}
        return [found[chunk_id] for chunk_id in dict.fromkeys(chunk_ids) if chunk_id in found]

    return unit


async def _with_messages(transaction: Transaction, conversation_id: str, turns: Sequence[Row]) -> list[TurnView]:
    # both sides by their (conversation_id, seq) index: a turn's id alone has none
    rows = await transaction.all(
        "SELECT id, seq, wamid, 'inbound' AS direction, type, text, status, reason, sent_at, turn_id, received_at"
        " FROM messages WHERE conversation_id = :id AND turn_id IN (SELECT value FROM json_each(:turns))"
        " UNION ALL SELECT o.id, o.seq, o.wamid, 'outbound', o.type, o.text, o.state, o.reason,"
        " coalesce((SELECT max(a.started_at) FROM send_attempts a WHERE a.outbox_id = o.id), o.created_at),"
        " o.turn_id, NULL FROM outbox o WHERE o.conversation_id = :id"
        " AND o.turn_id IN (SELECT value FROM json_each(:turns)) ORDER BY 2",
        {"id": conversation_id, "turns": json.dumps([turn["id"] for turn in turns])},
    )
    return [_turn(turn, [row for row in rows if row["turn_id"] == turn["id"]]) for turn in turns]


def _turn(turn: Row, rows: Sequence[Row]) -> TurnView:
    stored: dict[str, Any] = dict(turn)
    for name in ("intents", "stages", "sources"):
        stored[name] = json.loads(stored[name])
    received = [row["received_at"] for row in rows if row["received_at"] is not None]
    return TurnView(
        **stored,
        received_at=min(received, default=None),
        messages=[MessageView(*tuple(row)[:-1]) for row in rows],
    )

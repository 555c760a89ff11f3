"""What customers asked, as gaps and replays read it: turns that did not know, messages to a person, recent turns."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from database.transaction import Row, Transaction, Unit

NOT_KNOWN = "not_known"
PERSON = "person"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a customer said at once. `reply` is what the bot said to it, `offered` whether with buttons to choose from.

    `message_id` is the last of the messages, "" without any; `at` with `place` is its place in the order
    in which these are read. `began_at` is when the bot began to think about it, or when it came.
    `why` is not_known or person.
    """

    why: str
    business_id: str
    contact_id: str
    message_id: str
    turn_id: str | None
    language: str | None
    intents: tuple[str, ...]
    texts: tuple[str, ...]
    reply: str
    offered: bool
    began_at: int
    at: int
    place: str


def turns_that_did_not_know(after: tuple[int, str], limit: int) -> Unit[list[Asked]]:
    """Turns whose outcome is not_known, by when they ended, behind `after`: (finished_at, id)."""

    async def unit(transaction: Transaction) -> list[Asked]:
        turns = await transaction.all(
            f"{_TURN} WHERE outcome = 'not_known' AND (finished_at, id) > (:at, :id) ORDER BY finished_at, id"
            " LIMIT :limit",
            {"at": after[0], "id": after[1], "limit": limit},
        )
        return await _with_lines(transaction, turns)

    return unit


def recent_turns(business_id: str, limit: int, before: str | None = None) -> Unit[list[Asked]]:
    """Turns of a business that were answered or not known, the newest first; `before` is the id of the last one."""

    async def unit(transaction: Transaction) -> list[Asked]:
        turns = await transaction.all(
            f"{_TURN} WHERE business_id = :business AND outcome IN ('answered', 'not_known')"
            " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
            {"business": business_id, "before": before, "limit": limit},
        )
        return await _with_lines(transaction, turns)

    return unit


def messages_to_people(after: tuple[int, str], limit: int) -> Unit[list[Asked]]:
    """Messages that a person was to answer, by when they came, behind `after`: (received_at, id)."""

    async def unit(transaction: Transaction) -> list[Asked]:
        rows = await transaction.all(
            "SELECT m.id, m.business_id, m.contact_id, m.text, m.received_at, c.language FROM messages AS m"
            " JOIN contacts AS c ON c.id = m.contact_id WHERE m.reason = 'with_person'"
            " AND (m.received_at, m.id) > (:at, :id) ORDER BY m.received_at, m.id LIMIT :limit",
            {"at": after[0], "id": after[1], "limit": limit},
        )
        return [_message(row) for row in rows]

    return unit


_TURN = "SELECT id, business_id, contact_id, conversation_id, language, intents, started_at, finished_at FROM turns"


async def _with_lines(transaction: Transaction, turns: Sequence[Row]) -> list[Asked]:
    lines = await _lines(transaction, [turn["id"] for turn in turns])
    return [_turn(turn, [line for line in lines if line["turn_id"] == turn["id"]]) for turn in turns]


async def _lines(transaction: Transaction, turn_ids: Sequence[str]) -> list[Row]:
    """Both sides by their (conversation_id, seq) index: a turn's id alone has none."""
    return await transaction.all(
        "WITH wanted AS (SELECT id, conversation_id FROM turns WHERE id IN (SELECT value FROM json_each(:ids)))"
        " SELECT w.id AS turn_id, 1 AS inbound, m.id, m.seq, m.type, m.text FROM wanted AS w"
        " JOIN messages AS m ON m.conversation_id = w.conversation_id AND m.turn_id = w.id"
        " UNION ALL SELECT w.id, 0, o.id, o.seq, o.type, o.text FROM wanted AS w"
        " JOIN outbox AS o ON o.conversation_id = w.conversation_id AND o.turn_id = w.id ORDER BY 4",
        {"ids": json.dumps(list(turn_ids))},
    )


def _turn(turn: Row, lines: Sequence[Row]) -> Asked:
    said = [line for line in lines if line["inbound"]]
    replies = [line for line in lines if not line["inbound"]]
    return Asked(
        why=NOT_KNOWN,
        business_id=turn["business_id"],
        contact_id=turn["contact_id"],
        message_id=said[-1]["id"] if said else "",
        turn_id=turn["id"],
        language=turn["language"],
        intents=tuple(json.loads(turn["intents"])),
        texts=tuple(line["text"] for line in said if line["text"]),
        reply="\n".join(line["text"] or "" for line in replies),
        offered=any(line["type"] == "interactive" for line in replies),
        began_at=turn["started_at"],
        at=turn["finished_at"],
        place=turn["id"],
    )


def _message(row: Row) -> Asked:
    return Asked(
        why=PERSON,
        business_id=row["business_id"],
        contact_id=row["contact_id"],
        message_id=row["id"],
        turn_id=None,
        language=row["language"],
        intents=(),
        texts=(row["text"],) if row["text"] else (),
        reply="",
        offered=False,
        began_at=row["received_at"],
        at=row["received_at"],
        place=row["id"],
    )

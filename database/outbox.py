"""Outbound messages: queued in the turn's finishing unit, attempted with a row before the first byte leaves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from database.records import Delivery, new_id
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A queued message with what decides whether it may go now. Times in epoch milliseconds."""

    id: str
    number_id: str
    conversation_id: str
    contact_id: str
    purpose: str
    body: dict[str, Any]
    attempts: int
    created_at: int
    phone: str | None
    bsuid: str | None
    opted_out: bool
    blocked: bool
    mode: str
    last_inbound_at: int | None
    turn_id: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A send that has begun: its id travels with the message, `row` is what is sent."""

    id: str
    row: OutboxRow


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to a queued row now: it goes, waits until `due_at`, or ends as `state` with `reason`."""

    row: OutboxRow
    due_at: int | None = None
    state: Delivery | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to queue. `body` is Meta's message object without its recipient (WHATSAPP.md 4)."""

    type: str
    text: str
    body: dict[str, Any]
    purpose: str = "reply"


_DUE = """
    SELECT o.id, o.number_id, o.conversation_id, o.contact_id, o.purpose, o.body, o.attempts, o.created_at,
        c.phone, c.bsuid, c.opted_out_at, c.blocked_at, v.mode, v.last_inbound_at, o.turn_id
    FROM outbox o JOIN contacts c ON c.id = o.contact_id JOIN conversations v ON v.id = o.conversation_id
    WHERE o.state = 'queued' AND o.due_at <= :now AND NOT EXISTS (
        SELECT 1 FROM outbox e WHERE e.conversation_id = o.conversation_id AND e.seq < o.seq
            AND e.state IN ('queued', 'sending', 'unconfirmed'))
    ORDER BY o.due_at LIMIT :limit
"""


async def queue(transaction: Transaction, drafts: Sequence[Draft], ids: dict[str, Any], now: int) -> None:
    """Queue messages of one conversation, in order; part of a unit.

    `ids` has business_id, number_id, conversation_id, contact_id and turn_id.
    """
    for draft in drafts:
        await transaction.run(
            "INSERT INTO outbox (id, business_id, number_id, conversation_id, contact_id, turn_id, seq, type, text,"
            " body, purpose, due_at, created_at, updated_at)"
            " SELECT :id, :business_id, :number_id, :conversation_id, :contact_id, :turn_id, next_seq, :type, :text,"
            " :body, :purpose, :now, :now, :now FROM conversations WHERE id = :conversation_id",
            {
                **ids,
                "id": new_id(),
                "type": draft.type,
                "text": draft.text,
                "body": json.dumps(draft.body),
                "purpose": draft.purpose,
                "now": now,
            },
        )
        await transaction.run(
            "UPDATE conversations SET next_seq = next_seq + 1, last_message_at = :now WHERE id = :conversation_id",
            {"now": now, "conversation_id": ids["conversation_id"]},
        )


def due_rows(now: int, limit: int) -> Unit[list[OutboxRow]]:
    """What may be sent next: the first open message of each conversation, when it is queued and due."""

    async def unit(transaction: Transaction) -> list[OutboxRow]:
        return [_outbox_row(row) for row in await transaction.all(_DUE, {"now": now, "limit": limit})]

    return unit


def _outbox_row(row: Row) -> OutboxRow:
    values = dict(row)
    values["body"] = json.loads(values["body"])
    values["opted_out"] = values.pop("opted_out_at") is not None
    values["blocked"] = values.pop("blocked_at") is not None
    return OutboxRow(**values)


def next_due_at(now: int) -> Unit[int | None]:
    """When the next row becomes due that is not due yet; None when there is none."""

    async def unit(transaction: Transaction) -> int | None:
        row = await transaction.one(
            "SELECT min(due_at) AS due_at FROM outbox WHERE state = 'queued' AND due_at > :now", {"now": now}
        )
        return row["due_at"] if row else None

    return unit


def begin(verdicts: Sequence[Verdict], fence: int, now: int) -> Unit[list[Attempt]]:
    """Carry out verdicts; the attempts that are now on disk and must be sent. Rows that moved on are skipped."""

    async def unit(transaction: Transaction) -> list[Attempt]:
        started = []
        for verdict in verdicts:
            row = verdict.row
            if verdict.state is None and verdict.due_at is None:
                attempt = await _start(transaction, row, fence, now)
                if attempt:
                    started.append(attempt)
                continue
            await transaction.run(
                "UPDATE outbox SET state = coalesce(:state, state), reason = coalesce(:reason, reason),"
                " due_at = coalesce(:due_at, due_at), updated_at = :now WHERE id = :id AND state = 'queued'",
                {
                    "state": verdict.state.value if verdict.state else None,
                    "reason": verdict.reason,
                    "due_at": verdict.due_at,
                    "now": now,
                    "id": row.id,
                },
            )
        return started

    return unit


async def _start(transaction: Transaction, row: OutboxRow, fence: int, now: int) -> Attempt | None:
    moved = await transaction.all(
        "UPDATE outbox SET state = 'sending', attempts = attempts + 1, updated_at = :now"
        " WHERE id = :id AND state = 'queued'"
        # what was judged must still be true now
        " AND (SELECT mode FROM conversations v WHERE v.id = conversation_id) = :mode"
        " AND (SELECT opted_out_at IS NOT NULL FROM contacts c WHERE c.id = contact_id) = :opted_out"
        " RETURNING attempts",
        {"id": row.id, "now": now, "mode": row.mode, "opted_out": int(row.opted_out)},
    )
    if not moved:
        return None
    attempt = Attempt(new_id(), row)
    await transaction.run(
        "INSERT INTO send_attempts (id, outbox_id, n, fence, started_at) VALUES (:id, :outbox, :n, :fence, :now)",
        {"id": attempt.id, "outbox": row.id, "n": moved[0]["attempts"], "fence": fence, "now": now},
    )
    return attempt


async def newest_fence(transaction: Transaction) -> int:
    """Count a start of the owner; part of the unit that voids what the last one left."""
    row = await transaction.one(
        "INSERT INTO owner_starts (id, fence) VALUES (1, 1)"
        " ON CONFLICT (id) DO UPDATE SET fence = owner_starts.fence + 1 RETURNING fence"
    )
    return int(row["fence"]) if row else 1


def take_over(now: int) -> Unit[int]:
    """At start: what an earlier process was sending is unconfirmed now. The fence of this start."""

    async def unit(transaction: Transaction) -> int:
        fence = await newest_fence(transaction)
        await transaction.run(
            "UPDATE send_attempts SET state = 'unconfirmed', error = 'the process ended while sending'"
            " WHERE state = 'started' AND fence < :fence",
            {"fence": fence},
        )
        await transaction.run(
            "UPDATE outbox SET state = 'unconfirmed', updated_at = :now WHERE state = 'sending'", {"now": now}
        )
        return fence

    return unit


def recent_sends(since: int) -> Unit[list[tuple[str, int]]]:
    """Sends since an instant that may have arrived, the oldest first: (conversation's id, when)."""
    # ids begin with their time (RFC 9562), so the rest of the table is not looked at
    hexadecimal = f"{max(since, 0):012x}"

    async def unit(transaction: Transaction) -> list[tuple[str, int]]:
        rows = await transaction.all(
            "SELECT o.conversation_id, a.started_at FROM send_attempts a JOIN outbox o ON o.id = a.outbox_id"
            " WHERE a.id >= :first AND a.started_at >= :since AND a.state <> 'refused' ORDER BY a.started_at",
            {"first": f"{hexadecimal[:8]}-{hexadecimal[8:]}", "since": since},
        )
        return [(row["conversation_id"], row["started_at"]) for row in rows]

    return unit


def expire_attempts(before: int, now: int) -> Unit[list[str]]:
    """Sends whose lease is over without a word from their sender are unconfirmed; the ids of their messages."""

    async def unit(transaction: Transaction) -> list[str]:
        lost = await transaction.all(
            "UPDATE send_attempts SET state = 'unconfirmed', error = 'its sender was lost'"
            " WHERE state = 'started' AND started_at < :before RETURNING outbox_id",
            {"before": before},
        )
        found = []
        for row in lost:
            moved = await transaction.run(
                "UPDATE outbox SET state = 'unconfirmed', updated_at = :now WHERE id = :id AND state = 'sending'",
                {"id": row["outbox_id"], "now": now},
            )
            if moved:
                found.append(row["outbox_id"])
        return found

    return unit


def correct_send_times(latest: int) -> Unit[int]:
    """What is due after `latest` was dated by a clock that was wrong: it is due then at the latest. How many."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.run(
            "UPDATE outbox SET due_at = :latest WHERE state = 'queued' AND due_at > :latest", {"latest": latest}
        )

    return unit


def unconfirmed_rows() -> Unit[list[str]]:
    """The ids of the messages whose fate is open."""

    async def unit(transaction: Transaction) -> list[str]:
        return [row["id"] for row in await transaction.all("SELECT id FROM outbox WHERE state = 'unconfirmed'")]

    return unit


def queue_depths() -> Unit[dict[str, int]]:
    """How many messages wait, by state."""

    async def unit(transaction: Transaction) -> dict[str, int]:
        rows = await transaction.all(
            "SELECT state, count(*) AS n FROM outbox WHERE state IN ('queued', 'sending', 'unconfirmed') GROUP BY state"
        )
        return {row["state"]: row["n"] for row in rows}

    return unit

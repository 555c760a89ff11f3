"""Who may answer a conversation now: a claim with a lease and a fence, by compare-and-set."""

import json
from dataclasses import dataclass

from database.records import new_id
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """A message that waits for an answer."""

    id: str
    wamid: str
    type: str
    text: str | None
    sent_at: int
    received_at: int
    button_id: str | None
    payload: str | None


@dataclass(frozen=True, slots=True)
class PastMessage:
    """An earlier line of the conversation."""

    by_customer: bool
    text: str
    seq: int


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes. `facts` are what they said of themselves, oldest first."""

    name: str | None
    phone: str | None
    bsuid: str | None
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a conversation, and what the answer needs. `fence` proves the right when finishing."""

    turn_id: str
    fence: int
    conversation_id: str
    business_id: str
    number_id: str
    contact_id: str
    mode: str
    language: str | None
    opted_out: bool
    blocked: bool
    failed_claims: int
    superseded: int
    messages: tuple[PendingMessage, ...]
    history: tuple[PastMessage, ...]
    sender: Sender
    summary: str | None
    business_slug: str


def claim(conversation_id: str, lease_ms: int, history_lines: int, now: int) -> Unit[Claim | None]:
    """Take a conversation whose turn is due and that nobody holds, with its pending messages; None otherwise."""

    async def unit(transaction: Transaction) -> Claim | None:
        turn_id = new_id()
        rows = await transaction.all(
            "UPDATE conversations SET claim = :turn, claim_until = :until, fence = fence + 1"
            " WHERE id = :id AND claim IS NULL AND due_at <= :now"
            " RETURNING business_id, number_id, contact_id, mode, fence, failed_claims, superseded,"
            " summary, summary_seq,"
            " (SELECT slug FROM businesses WHERE id = conversations.business_id) AS business_slug",
            {"turn": turn_id, "until": now + lease_ms, "id": conversation_id, "now": now},
        )
        if not rows:
            return None
        messages = await _pending(transaction, conversation_id)
        if not messages:
            await _nothing_left(transaction, conversation_id)
            return None
        contact = await transaction.one(
            "SELECT language, opted_out_at, blocked_at, name, phone, bsuid,"
            " (SELECT json_group_array(fact) FROM (SELECT fact FROM contact_facts WHERE contact_id = contacts.id"
            "  ORDER BY id)) AS facts FROM contacts WHERE id = :id",
            {"id": rows[0]["contact_id"]},
        )
        if contact is None:
            raise LookupError("a conversation without its contact")
        history = await _history(transaction, conversation_id, rows[0]["summary_seq"], history_lines)
        return _claim(turn_id, conversation_id, rows[0], contact, messages, history)

    return unit


def _claim(
    turn_id: str,
    conversation_id: str,
    row: Row,
    contact: Row,
    messages: tuple[PendingMessage, ...],
    history: tuple[PastMessage, ...],
) -> Claim:
    return Claim(
        turn_id=turn_id,
        fence=row["fence"],
        conversation_id=conversation_id,
        business_id=row["business_id"],
        number_id=row["number_id"],
        contact_id=row["contact_id"],
        mode=row["mode"],
        language=contact["language"],
        opted_out=contact["opted_out_at"] is not None,
        blocked=contact["blocked_at"] is not None,
        failed_claims=row["failed_claims"],
        superseded=row["superseded"],
        messages=messages,
        history=history,
        sender=Sender(contact["name"], contact["phone"], contact["bsuid"], tuple(json.loads(contact["facts"]))),
        summary=row["summary"],
        business_slug=row["business_slug"],
    )


async def _pending(transaction: Transaction, conversation_id: str) -> tuple[PendingMessage, ...]:
    rows = await transaction.all(
        "SELECT id, wamid, type, text, sent_at, received_at, button_id, payload FROM messages"
        " WHERE conversation_id = :id AND status = 'received' ORDER BY seq",
        {"id": conversation_id},
    )
    return tuple(PendingMessage(*row) for row in rows)


async def _history(
    transaction: Transaction, conversation_id: str, after_seq: int, lines: int
) -> tuple[PastMessage, ...]:
    """The newest lines that the summary does not hold."""
    rows = await transaction.all(
        "SELECT by_customer, text, seq FROM ("
        " SELECT * FROM (SELECT seq, 1 AS by_customer, text FROM messages WHERE conversation_id = :id"
        "  AND status <> 'received' AND text IS NOT NULL AND seq > :after ORDER BY seq DESC LIMIT :lines)"
        " UNION ALL"
        " SELECT * FROM (SELECT seq, 0 AS by_customer, text FROM outbox WHERE conversation_id = :id"
        "  AND text IS NOT NULL AND seq > :after ORDER BY seq DESC LIMIT :lines)"
        ") ORDER BY seq DESC LIMIT :lines",
        {"id": conversation_id, "after": after_seq, "lines": lines},
    )
    return tuple(PastMessage(bool(row["by_customer"]), row["text"], row["seq"]) for row in reversed(rows))


async def _nothing_left(transaction: Transaction, conversation_id: str) -> None:
    await transaction.run(
        "UPDATE conversations SET claim = NULL, claim_until = NULL, due_at = NULL, burst_at = NULL WHERE id = :id",
        {"id": conversation_id},
    )


def extend(held: Claim, lease_ms: int, now: int) -> Unit[bool]:
    """The heartbeat: hold the claim for another lease; False when it is lost."""

    async def unit(transaction: Transaction) -> bool:
        return (
            await transaction.run(
                "UPDATE conversations SET claim_until = :until WHERE id = :id AND fence = :fence AND claim = :turn",
                {"until": now + lease_ms, "id": held.conversation_id, "fence": held.fence, "turn": held.turn_id},
            )
            > 0
        )

    return unit


async def _let_go(transaction: Transaction, held: Claim, change: str, values: dict[str, int]) -> int | None:
    rows = await transaction.all(
        f"UPDATE conversations SET claim = NULL, claim_until = NULL, {change}"
        " WHERE id = :id AND fence = :fence AND claim = :turn RETURNING due_at",
        {**values, "id": held.conversation_id, "fence": held.fence, "turn": held.turn_id},
    )
    return rows[0]["due_at"] if rows else None


def release(held: Claim, *, superseded: bool) -> Unit[int | None]:
    """Give the claim back without counting a failure: a newer message came, or the process stops. The due time."""

    async def unit(transaction: Transaction) -> int | None:
        return await _let_go(transaction, held, "superseded = superseded + :one", {"one": int(superseded)})

    return unit


def fail(held: Claim, due_at: int) -> Unit[int | None]:
    """Give the claim back after an error: it counts, and the next try is due at `due_at`."""

    async def unit(transaction: Transaction) -> int | None:
        return await _let_go(
            transaction, held, "failed_claims = failed_claims + 1, due_at = :due_at", {"due_at": due_at}
        )

    return unit


def void_dead_claims(lease_ms: int, now: int, *, all_of_them: bool) -> Unit[int]:
    """Claims whose holder died count as failed attempts; how many.

    At start every claim is dead (`all_of_them`), otherwise those past their lease. A lease that lies further ahead
    than a lease can (the clock went back) is cut to the longest that it may be.
    """

    async def unit(transaction: Transaction) -> int:
        await transaction.run(
            "UPDATE conversations SET claim_until = :latest WHERE claim IS NOT NULL AND claim_until > :latest",
            {"latest": now + lease_ms},
        )
        return await transaction.run(
            "UPDATE conversations SET claim = NULL, claim_until = NULL, failed_claims = failed_claims + 1,"
            " due_at = coalesce(due_at, :now) WHERE claim IS NOT NULL AND (:all OR claim_until < :now)",
            {"now": now, "all": int(all_of_them)},
        )

    return unit


def correct_turn_times(latest: int) -> Unit[int]:
    """What is due after `latest` was dated by a clock that was wrong: it is due then at the latest. How many."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.run(
            "UPDATE conversations SET due_at = :latest WHERE due_at > :latest", {"latest": latest}
        )

    return unit


def due_conversations(before: int, limit: int) -> Unit[list[tuple[str, int]]]:
    """Conversations with pending messages and no claim that are due before an instant: (id, due at)."""

    async def unit(transaction: Transaction) -> list[tuple[str, int]]:
        rows = await transaction.all(
            "SELECT id, due_at FROM conversations WHERE due_at <= :before AND claim IS NULL ORDER BY due_at"
            " LIMIT :limit",
            {"before": before, "limit": limit},
        )
        return [(row["id"], row["due_at"]) for row in rows]

    return unit

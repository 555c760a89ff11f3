"""Inbound messages: taken in with their conversation's due time, in one unit with their events."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from database.contacts import find_or_make_contact
from database.records import ClosedReason, InboundMessage, MessageStatus, new_id
from database.transaction import Transaction

DueTime = Callable[[int, int | None, InboundMessage], int]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that is to be taken in: from which event, for which business, and how it is disposed of.

    `reason` closes it at once; without one it waits for its conversation's turn. `opens_window` tells whether
    WhatsApp's 24-hour window counts from it (WHATSAPP.md 5.1).
    """

    event_id: int
    business_id: str
    message: InboundMessage
    received_at: int
    reason: ClosedReason | None = None
    opens_window: bool = True


@dataclass(frozen=True, slots=True)
class Due:
    """A conversation that a turn must look at, and when."""

    conversation_id: str
    due_at: int


@dataclass(slots=True)
class _Conversation:
    id: str
    contact_id: str
    next_seq: int
    burst_at: int | None
    due_at: int | None
    last_inbound_at: int
    waits: bool = False


async def take_in(transaction: Transaction, arrivals: Sequence[Arrival], now: int, due_time: DueTime) -> list[Due]:
    """Store messages in the order in which they came, with a number in their conversation and its due time.

    `due_time(now, burst began at, message)` is the batcher's rule. Part of the unit that settles their events.
    """
    by_sender: dict[tuple[str, str | None, str | None], _Conversation] = {}
    conversations: dict[str, _Conversation] = {}
    rows = []
    for arrival in arrivals:
        message = arrival.message
        sender = (message.phone_number_id, message.bsuid, message.phone)
        conversation = by_sender.get(sender)
        if conversation is None:
            found = await _conversation(transaction, arrival, now)
            # the same person may come by phone and by BSUID in one batch
            conversation = by_sender[sender] = conversations.setdefault(found.id, found)
        rows.append(_row(arrival, conversation))
        conversation.next_seq += 1
        if arrival.opens_window:
            conversation.last_inbound_at = max(conversation.last_inbound_at, message.sent_at)
        if arrival.reason is None:
            conversation.waits = True
            conversation.burst_at = conversation.burst_at or now
            due_at = due_time(now, conversation.burst_at, message)
            conversation.due_at = max(conversation.due_at or 0, due_at) if not message.button_id else due_at
    await transaction.many(_INSERT, rows)
    await transaction.many(_UPDATE, [_update(conversation, now) for conversation in conversations.values()])
    return [Due(found.id, found.due_at) for found in conversations.values() if found.waits and found.due_at]


_INSERT = """
    INSERT INTO messages (id, business_id, conversation_id, contact_id, seq, event_id, wamid, type, text, button_id,
        quoted_wamid, payload, status, reason, sent_at, received_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE = """
    UPDATE conversations SET next_seq = ?, burst_at = ?, due_at = ?, last_inbound_at = ?, last_message_at = ?
    WHERE id = ?
"""


def _row(arrival: Arrival, conversation: _Conversation) -> tuple[object, ...]:
    message = arrival.message
    payload = json.dumps(message.payload) if message.payload else None
    status = MessageStatus.RECEIVED if arrival.reason is None else MessageStatus.CLOSED
    return (
        new_id(),
        arrival.business_id,
        conversation.id,
        conversation.contact_id,
        conversation.next_seq,
        arrival.event_id,
        message.wamid,
        message.type,
        message.text,
        message.button_id,
        message.quoted_wamid,
        payload,
        status.value,
        arrival.reason.value if arrival.reason else None,
        message.sent_at,
        arrival.received_at,
    )


def _update(conversation: _Conversation, now: int) -> tuple[object, ...]:
    return (
        conversation.next_seq,
        conversation.burst_at,
        conversation.due_at,
        conversation.last_inbound_at,
        now,
        conversation.id,
    )


async def _conversation(transaction: Transaction, arrival: Arrival, now: int) -> _Conversation:
    contact_id = await find_or_make_contact(transaction, arrival.business_id, arrival.message, now)
    row = await transaction.one(
        "INSERT INTO conversations (id, business_id, number_id, contact_id, last_message_at, created_at)"
        " VALUES (:id, :business, :number, :contact, :now, :now)"
        " ON CONFLICT (number_id, contact_id) DO UPDATE SET last_message_at = :now"
        " RETURNING id, contact_id, next_seq, burst_at, due_at, coalesce(last_inbound_at, 0)",
        {
            "id": new_id(),
            "business": arrival.business_id,
            "number": arrival.message.phone_number_id,
            "contact": contact_id,
            "now": now,
        },
    )
    if row is None:
        raise LookupError("the conversation could not be made")
    return _Conversation(*row)

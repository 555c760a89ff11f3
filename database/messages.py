"""Inbound messages: taken in with their conversation's due time, in one unit with their events."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from database.contacts import find_or_make_contact, known_conversations
from database.records import ClosedReason, InboundMessage, MessageStatus, new_id
from database.transaction import Transaction

DueTime = Callable[[int, int, InboundMessage, int | None], int]


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

    `due_time(now, burst began at, message, pause before it)` is the batcher's rule; the pause is None for a burst's
    first message. Part of the unit that settles their events.
    """
    groups: dict[tuple[str, str], list[Arrival]] = {}
    for arrival in arrivals:
        groups.setdefault((arrival.business_id, arrival.message.phone_number_id), []).append(arrival)
    due: list[Due] = []
    for (business_id, number_id), group in groups.items():
        messages = [arrival.message for arrival in group]
        known = await known_conversations(transaction, business_id, number_id, messages)
        conversations = _Conversations(transaction, known, now)
        rows = [_row(arrival, _take(await conversations.of(arrival), arrival, now, due_time)) for arrival in group]
        await transaction.bulk(_INSERT, rows)
        await transaction.bulk(_UPDATE, [_update(each, now) for each in conversations.all()])
        due += [Due(each.id, each.due_at) for each in conversations.all() if each.waits and each.due_at]
    return due


class _Conversations:
    """The conversations that a batch touches, each once, whatever id its customer comes by."""

    def __init__(self, transaction: Transaction, known: Callable[[InboundMessage], list[Any] | None], now: int) -> None:
        self._transaction = transaction
        self._known = known
        self._now = now
        self._by_sender: dict[str | None, dict[str | None, _Conversation]] = {}  # by phone, then by BSUID
        self._perhaps_moved: set[str] = set()
        self._by_id: dict[str, _Conversation] = {}

    def all(self) -> list[_Conversation]:
        return list(self._by_id.values())

    async def of(self, arrival: Arrival) -> _Conversation:
        message = arrival.message
        found = self._by_sender.get(message.phone, {}).get(message.bsuid)
        if found is None:
            row = None if message.phone in self._perhaps_moved else self._known(message)
            made = _Conversation(*row) if row else await self._looked_up(arrival)
            found = self._by_id.setdefault(made.id, made)
            self._by_sender.setdefault(message.phone, {})[message.bsuid] = found
        return found

    async def _looked_up(self, arrival: Arrival) -> _Conversation:
        """A look that may take the phone from another person: what was known of that phone before holds no longer."""
        made = await _conversation(self._transaction, arrival, self._now)
        phone = arrival.message.phone
        if phone is not None and arrival.message.bsuid is not None:
            self._perhaps_moved.add(phone)
            self._by_sender.pop(phone, None)
        return made


def _take(conversation: _Conversation, arrival: Arrival, now: int, due_time: DueTime) -> tuple[_Conversation, int]:
    """What a message changes of its conversation; the conversation and the message's number in it."""
    message = arrival.message
    seq = conversation.next_seq
    conversation.next_seq += 1
    pause = message.sent_at - conversation.last_inbound_at if conversation.burst_at is not None else None
    if arrival.opens_window:
        conversation.last_inbound_at = max(conversation.last_inbound_at, message.sent_at)
    if arrival.reason is None:
        conversation.waits = True
        conversation.burst_at = conversation.burst_at or now
        due_at = due_time(now, conversation.burst_at, message, pause)
        conversation.due_at = due_at if message.button_id else max(conversation.due_at or 0, due_at)
    return conversation, seq


_INSERT = """
    INSERT INTO messages (id, business_id, conversation_id, contact_id, seq, event_id, wamid, type, text, button_id,
        quoted_wamid, payload, status, reason, sent_at, received_at)
    VALUES {rows}
"""
_UPDATE = """
    UPDATE conversations SET next_seq = new.column1, burst_at = new.column2, due_at = new.column3,
        last_inbound_at = nullif(new.column4, 0), last_message_at = new.column5
    FROM (VALUES {rows}) AS new WHERE id = new.column6
"""


def _row(arrival: Arrival, place: tuple[_Conversation, int]) -> tuple[object, ...]:
    conversation, seq = place
    message = arrival.message
    payload = json.dumps(message.payload) if message.payload else None
    status = MessageStatus.RECEIVED if arrival.reason is None else MessageStatus.CLOSED
    return (
        new_id(),
        arrival.business_id,
        conversation.id,
        conversation.contact_id,
        seq,
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

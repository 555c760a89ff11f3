"""Customers: one contact a person and business, found by BSUID first, phone second, old ids last."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from database.audit import note
from database.records import InboundMessage, new_id
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class Contact:
    """A customer. At least one of `bsuid` and `phone` (digits without "+") is set."""

    id: str
    bsuid: str | None
    phone: str | None
    name: str | None
    language: str | None
    opted_out_at: int | None


_COLUMNS = "id, bsuid, phone, name, username, language, opted_out_at"


async def find_or_make_contact(transaction: Transaction, business_id: str, message: InboundMessage, now: int) -> str:
    """The contact's id for the sender of a message; part of the unit that takes the message in.

    A phone that comes with another BSUID than the one we know belongs to another person now: the BSUID changes
    with the phone number (WHATSAPP.md 3.1), so the number has a new owner, who must not inherit a history.
    """
    row = await _find(transaction, business_id, message)
    if row is None:
        return await _make(transaction, business_id, message, now)
    learned = _learned([row[column] for column in _IDENTITY], message)
    if learned:
        if learned[1] != row["phone"]:
            await _release_phone(transaction, business_id, message.phone, now)
        await transaction.run(
            "UPDATE contacts SET bsuid = :bsuid, phone = :phone, name = :name, username = :username WHERE id = :id",
            {**dict(zip(_IDENTITY, learned, strict=True)), "id": row["id"]},
        )
    return str(row["id"])


def _learned(known: Sequence[str | None], message: InboundMessage) -> list[str | None]:
    """BSUID, phone, name and user name after a message, when it tells anything new of them; otherwise nothing."""
    bsuid, phone, name, username = known
    after = [bsuid or message.bsuid, message.phone or phone, message.name or name, message.username or username]
    return after if after != list(known) else []


async def known_conversations(
    transaction: Transaction, business_id: str, number_id: str, messages: Sequence[InboundMessage]
) -> Callable[[InboundMessage], list[Any] | None]:
    """Looks up many senders at once: gives the conversation of a sender of whom the message tells nothing new.

    The list has id, contact_id, next_seq, burst_at, due_at, last_inbound_at. None means: look more closely.
    """
    parameters = {
        "business": business_id,
        "number": number_id,
        "bsuids": json.dumps([message.bsuid for message in messages if message.bsuid]),
        "phones": json.dumps([message.phone for message in messages if message.phone and not message.bsuid]),
    }
    by_bsuid = {row[6]: row for row in await transaction.packed(_KNOWN, _OF.format("bsuid", "bsuids"), parameters)}
    by_phone = {row[7]: row for row in await transaction.packed(_KNOWN, _OF.format("phone", "phones"), parameters)}

    def look_up(message: InboundMessage) -> list[Any] | None:
        row = by_bsuid.get(message.bsuid) if message.bsuid else by_phone.get(message.phone)
        return row[:6] if row is not None and not _learned(row[6:], message) else None

    return look_up


_IDENTITY = ("bsuid", "phone", "name", "username")
_KNOWN = """
    v.id, v.contact_id, v.next_seq, v.burst_at, v.due_at, coalesce(v.last_inbound_at, 0),
    c.bsuid, c.phone, c.name, c.username
"""
_OF = """
    FROM contacts c JOIN conversations v ON v.contact_id = c.id AND v.number_id = :number
    WHERE c.business_id = :business AND c.{} IN (SELECT value FROM json_each(:{}))
"""


async def _find(transaction: Transaction, business_id: str, message: InboundMessage) -> Row | None:
    if message.bsuid:
        row = await transaction.one(
            f"SELECT {_COLUMNS} FROM contacts WHERE business_id = :business AND bsuid = :bsuid",
            {"business": business_id, "bsuid": message.bsuid},
        )
        if row:
            return row
    if message.phone:
        row = await transaction.one(
            f"SELECT {_COLUMNS} FROM contacts WHERE business_id = :business AND phone = :phone"
            " AND (bsuid IS NULL OR :bsuid IS NULL OR bsuid = :bsuid)",
            {"business": business_id, "phone": message.phone, "bsuid": message.bsuid},
        )
        if row:
            return row
    return await transaction.one(
        f"SELECT {_COLUMNS} FROM contacts WHERE id IN (SELECT contact_id FROM contact_aliases"
        " WHERE business_id = :business AND alias = :alias)",
        {"business": business_id, "alias": message.bsuid or ""},
    )


async def _make(transaction: Transaction, business_id: str, message: InboundMessage, now: int) -> str:
    await _release_phone(transaction, business_id, message.phone, now)
    contact_id = new_id()
    await transaction.run(
        "INSERT INTO contacts (id, business_id, bsuid, phone, name, username, created_at)"
        " VALUES (:id, :business, :bsuid, :phone, :name, :username, :now)",
        {
            "id": contact_id,
            "business": business_id,
            "bsuid": message.bsuid,
            "phone": message.phone,
            "name": message.name,
            "username": message.username,
            "now": now,
        },
    )
    return contact_id


async def _release_phone(transaction: Transaction, business_id: str, phone: str | None, now: int) -> None:
    if phone is None:
        return
    former = await transaction.all(
        "UPDATE contacts SET phone = NULL WHERE business_id = :business AND phone = :phone RETURNING id",
        {"business": business_id, "phone": phone},
    )
    for row in former:
        await note(
            transaction,
            "phone_moved_to_another_person",
            actor="intake",
            about=row["id"],
            business_id=business_id,
            contact_id=row["id"],
            now=now,
        )


def contact(contact_id: str) -> Unit[Contact | None]:
    """One contact."""

    async def unit(transaction: Transaction) -> Contact | None:
        row = await transaction.one(
            "SELECT id, bsuid, phone, name, language, opted_out_at FROM contacts WHERE id = :id", {"id": contact_id}
        )
        return Contact(*row) if row else None

    return unit

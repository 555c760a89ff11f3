"""What is remembered of customers: facts they said of themselves, at most twenty, and summaries; erasable."""

from collections.abc import Sequence
from dataclasses import dataclass

from database.audit import note
from database.records import new_id
from database.transaction import Row, Transaction, Unit

MOST_FACTS = 20


@dataclass(frozen=True, slots=True)
class ContactFact:
    """A fact in the customer's own words. `turn_id` names the turn that heard it."""

    id: str
    fact: str
    turn_id: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """A page of the facts about a contact, and the summary of what was said before in one conversation."""

    facts: list[ContactFact]
    summary: str | None


async def remember_facts(
    transaction: Transaction, facts: Sequence[str], contact_id: str, business_id: str, turn_id: str, now: int
) -> None:
    """Add what is new; beyond twenty the oldest are forgotten."""
    for fact in facts:
        await transaction.run(
            "INSERT INTO contact_facts (id, business_id, contact_id, fact, turn_id, created_at)"
            " VALUES (:id, :business, :contact, :fact, :turn, :now) ON CONFLICT (contact_id, fact) DO NOTHING",
            {
                "id": new_id(),
                "business": business_id,
                "contact": contact_id,
                "fact": fact,
                "turn": turn_id,
                "now": now,
            },
        )
    if facts:
        await transaction.run(
            "DELETE FROM contact_facts WHERE contact_id = :contact AND id NOT IN"
            " (SELECT id FROM contact_facts WHERE contact_id = :contact ORDER BY id DESC LIMIT :most)",
            {"contact": contact_id, "most": MOST_FACTS},
        )


def facts_of(conversation_id: str, limit: int, after: str = "") -> Unit[Remembered | None]:
    """The facts about the contact of a conversation, oldest first, behind the id `after`; None without one."""

    async def unit(transaction: Transaction) -> Remembered | None:
        whose = await _whose(transaction, conversation_id)
        if whose is None:
            return None
        rows = await transaction.all(
            "SELECT id, fact, turn_id, created_at FROM contact_facts WHERE contact_id = :contact AND id > :after"
            " ORDER BY id LIMIT :limit",
            {"contact": whose["contact_id"], "after": after, "limit": limit},
        )
        return Remembered([ContactFact(*row) for row in rows], whose["summary"])

    return unit


def erase_facts(conversation_id: str, fact_id: str | None, actor: str, now: int) -> Unit[int | None]:
    """Forget one fact, or all (`fact_id` None) about the contact of a conversation; how many. None without one.

    The summaries of the contact's conversations go too, as they may tell what is to be forgotten. What they summed up
    is not read again.
    """

    async def unit(transaction: Transaction) -> int | None:
        whose = await _whose(transaction, conversation_id)
        if whose is None:
            return None
        only = "" if fact_id is None else " AND id = :fact"
        erased = await transaction.run(
            f"DELETE FROM contact_facts WHERE contact_id = :contact{only}",
            {"contact": whose["contact_id"], "fact": fact_id},
        )
        forgets = erased or fact_id is None
        cleared = forgets and await _clear_summaries(transaction, whose["contact_id"])
        if erased or cleared:
            await note(
                transaction,
                "facts_erased",
                actor=actor,
                about=fact_id or conversation_id,
                business_id=whose["business_id"],
                contact_id=whose["contact_id"],
                now=now,
            )
        return erased

    return unit


async def _clear_summaries(transaction: Transaction, contact_id: str) -> int:
    return await transaction.run(
        "UPDATE conversations SET summary = NULL WHERE contact_id = :contact AND summary IS NOT NULL",
        {"contact": contact_id},
    )


async def _whose(transaction: Transaction, conversation_id: str) -> Row | None:
    return await transaction.one(
        "SELECT contact_id, business_id, summary FROM conversations WHERE id = :id", {"id": conversation_id}
    )

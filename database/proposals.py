"""Changes of knowledge that an admin was asked about. They are made and settled by a turn's end (database/turns.py)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from database.outbox import Draft, queue
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """A row. `details` is what the agents keep of it; `state` is open, reading, done or dropped.

    `chosen` is the answer that was begun to be carried out: add, replace, forget, drop, or None.
    """

    id: str
    business_id: str
    conversation_id: str
    contact_id: str
    kind: str
    details: dict[str, Any]
    state: str
    chosen: str | None


_COLUMNS = "id, business_id, conversation_id, contact_id, kind, details, state, chosen"


def _proposal(row: Row) -> StoredProposal:
    fields = dict(row)
    fields["details"] = json.loads(fields["details"])
    return StoredProposal(**fields)


def open_proposals(conversation_id: str, limit: int) -> Unit[list[StoredProposal]]:
    """What the conversation's admin has not answered yet, the newest first."""

    async def unit(transaction: Transaction) -> list[StoredProposal]:
        rows = await transaction.all(
            f"SELECT {_COLUMNS} FROM proposals WHERE conversation_id = :id AND state = 'open'"
            " ORDER BY id DESC LIMIT :limit",
            {"id": conversation_id, "limit": limit},
        )
        return [_proposal(row) for row in rows]

    return unit


def choose_action(conversation_id: str, proposal_id: str, action: str) -> Unit[str | None]:
    """The answer that counts from now on: the first one given. None when the proposal waits for none."""

    async def unit(transaction: Transaction) -> str | None:
        row = await transaction.one(
            "UPDATE proposals SET chosen = COALESCE(chosen, :action)"
            " WHERE id = :id AND conversation_id = :conversation_id AND state = 'open' RETURNING chosen",
            {"id": proposal_id, "conversation_id": conversation_id, "action": action},
        )
        return row["chosen"] if row else None

    return unit


def choose_again(conversation_id: str, proposal_id: str) -> Unit[None]:
    """Nothing of the answer could be carried out: the next one counts."""

    async def unit(transaction: Transaction) -> None:
        await transaction.run(
            "UPDATE proposals SET chosen = NULL"
            " WHERE id = :id AND conversation_id = :conversation_id AND state = 'open'",
            {"id": proposal_id, "conversation_id": conversation_id},
        )

    return unit


def count_taken_out(business_id: str, proposal_id: str, passages: int) -> Unit[int]:
    """Add passages that a proposal has taken sentences out of; how many it is in all."""

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one(
            "UPDATE proposals SET taken_out = taken_out + :passages"
            " WHERE id = :id AND business_id = :business_id RETURNING taken_out",
            {"id": proposal_id, "business_id": business_id, "passages": passages},
        )
        return int(row["taken_out"]) if row else passages

    return unit


def proposal(conversation_id: str, proposal_id: str) -> Unit[StoredProposal | None]:
    """The proposal, when it was made in this conversation."""

    async def unit(transaction: Transaction) -> StoredProposal | None:
        row = await transaction.one(
            f"SELECT {_COLUMNS} FROM proposals WHERE id = :id AND conversation_id = :conversation_id",
            {"id": proposal_id, "conversation_id": conversation_id},
        )
        return _proposal(row) if row else None

    return unit


def proposals_among(business_id: str, ids: Sequence[str]) -> Unit[set[str]]:
    """Those of the ids that are proposals of this business: an admin's note has its proposal's id."""

    async def unit(transaction: Transaction) -> set[str]:
        rows = await transaction.all(
            "SELECT id FROM proposals WHERE business_id = :business_id AND id IN (SELECT value FROM json_each(:ids))",
            {"business_id": business_id, "ids": json.dumps(list(ids))},
        )
        return {row["id"] for row in rows}

    return unit


def reading_proposals(limit: int) -> Unit[list[StoredProposal]]:
    """Proposals that were said yes to and whose documents were still being read then, oldest first."""

    async def unit(transaction: Transaction) -> list[StoredProposal]:
        rows = await transaction.all(
            f"SELECT {_COLUMNS} FROM proposals WHERE state = 'reading' ORDER BY settled_at LIMIT :limit",
            {"limit": limit},
        )
        return [_proposal(row) for row in rows]

    return unit


def tell_and_close(told: StoredProposal, drafts: Sequence[Draft], now: int) -> Unit[bool]:
    """Queue what became of a proposal's documents, once: False when that was done before."""

    async def unit(transaction: Transaction) -> bool:
        changed = await transaction.run(
            "UPDATE proposals SET state = 'done' WHERE id = :id AND state = 'reading'", {"id": told.id}
        )
        if not changed:
            return False
        conversation = await transaction.one(
            "SELECT number_id FROM conversations WHERE id = :id", {"id": told.conversation_id}
        )
        if conversation is not None:
            ids = {
                "business_id": told.business_id,
                "number_id": conversation["number_id"],
                "conversation_id": told.conversation_id,
                "contact_id": told.contact_id,
                "turn_id": None,
            }
            await queue(transaction, drafts, ids, now)
        return True

    return unit

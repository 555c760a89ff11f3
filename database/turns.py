"""The end of a turn: reply, dispositions, effects, due time and trace in ONE unit, refused if the fence moved."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from database.audit import note
from database.claims import Claim
from database.contact_facts import remember_facts
from database.outbox import Draft, queue
from database.records import ClosedReason
from database.transaction import Transaction, Unit


@dataclass(frozen=True, slots=True)
class Trace:
    """What a turn did and cost. `stages` are seconds by stage; `sources` are chunk ids."""

    outcome: str
    intents: Sequence[str]
    language: str | None = None
    model: str | None = None
    prompt_hash: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    sources: Sequence[str] = ()
    error: str | None = None
    knowledge_version: int | None = None
    started_at: int = 0
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class NewProposal:
    """A change of knowledge that an admin is asked about: kind add, replace or forget; `details` is JSON."""

    id: str
    kind: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """All that finishing a turn changes. `answered` and `closed` are ids of the messages that were read.

    `summary` is (text, seq of the last line in it); `settled` are (proposal's id, reading, done or dropped).
    """

    drafts: Sequence[Draft]
    answered: Sequence[str]
    closed: dict[str, ClosedReason]
    trace: Trace
    mode: str | None = None
    opted_out: bool | None = None
    language: str | None = None
    summary: tuple[str, int] | None = None
    new_facts: Sequence[str] = ()
    proposals: Sequence[NewProposal] = ()
    settled: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The turn is on disk; `due_at` is when what came meanwhile is due, None when nothing waits."""

    due_at: int | None


def finish(held: Claim, ending: Ending, now: int) -> Unit[Finished | None]:
    """Finish a turn. None when somebody else holds the conversation now: then nothing of it has happened."""

    async def unit(transaction: Transaction) -> Finished | None:
        still_ours = await transaction.one(
            "SELECT 1 FROM conversations WHERE id = :id AND fence = :fence AND claim = :turn",
            {"id": held.conversation_id, "fence": held.fence, "turn": held.turn_id},
        )
        if not still_ours:
            return None
        await _store_trace(transaction, held, ending.trace, now)
        await _dispose(transaction, held.turn_id, ending)
        ids = {
            "business_id": held.business_id,
            "number_id": held.number_id,
            "conversation_id": held.conversation_id,
            "contact_id": held.contact_id,
            "turn_id": held.turn_id,
        }
        await queue(transaction, ending.drafts, ids, now)
        await _apply_effects(transaction, held, ending, now)
        await _remember(transaction, held, ending, now)
        await _propose(transaction, held, ending, now)
        return Finished(await _give_back(transaction, held))

    return unit


async def _store_trace(transaction: Transaction, held: Claim, trace: Trace, now: int) -> None:
    await transaction.run(
        "INSERT INTO turns (id, business_id, conversation_id, contact_id, outcome, intents, language, model,"
        " prompt_hash, knowledge_version, input_tokens, output_tokens, cost_usd, stages, sources, error, started_at,"
        " finished_at, topic) VALUES (:id, :business, :conversation, :contact, :outcome, :intents, :language, :model,"
        " :prompt_hash, :knowledge_version, :input_tokens, :output_tokens, :cost, :stages, :sources, :error, :started,"
        " :now, :topic)",
        {
            "id": held.turn_id,
            "business": held.business_id,
            "conversation": held.conversation_id,
            "contact": held.contact_id,
            "outcome": trace.outcome,
            "intents": json.dumps(list(trace.intents)),
            "language": trace.language,
            "model": trace.model,
            "prompt_hash": trace.prompt_hash,
            "knowledge_version": trace.knowledge_version,
            "input_tokens": trace.input_tokens,
            "output_tokens": trace.output_tokens,
            "cost": trace.cost_usd,
            "stages": json.dumps(trace.stages),
            "sources": json.dumps(list(trace.sources)),
            "error": trace.error,
            "started": trace.started_at,
            "topic": trace.topic,
            "now": now,
        },
    )


async def _dispose(transaction: Transaction, turn_id: str, ending: Ending) -> None:
    await transaction.many(
        "UPDATE messages SET status = 'answered', turn_id = ? WHERE id = ? AND status = 'received'",
        [(turn_id, message_id) for message_id in ending.answered],
    )
    await transaction.many(
        "UPDATE messages SET status = 'closed', reason = ? WHERE id = ? AND status = 'received'",
        [(reason.value, message_id) for message_id, reason in ending.closed.items()],
    )


async def _apply_effects(transaction: Transaction, held: Claim, ending: Ending, now: int) -> None:
    if ending.mode is not None:
        await set_mode(transaction, held.conversation_id, ending.mode, "bot", now)
    if ending.opted_out is not None:
        await transaction.run(
            "UPDATE contacts SET opted_out_at = :at WHERE id = :id",
            {"at": now if ending.opted_out else None, "id": held.contact_id},
        )
        await note(
            transaction,
            "opted_out" if ending.opted_out else "opted_in",
            actor="customer",
            about=held.conversation_id,
            business_id=held.business_id,
            contact_id=held.contact_id,
            now=now,
        )
    if ending.language is not None and ending.language != held.language:
        await transaction.run(
            "UPDATE contacts SET language = :language WHERE id = :id",
            {"language": ending.language, "id": held.contact_id},
        )


async def _remember(transaction: Transaction, held: Claim, ending: Ending, now: int) -> None:
    if ending.summary is not None:
        await transaction.run(
            # not over one that was erased meanwhile: the new summary may tell what it told
            "UPDATE conversations SET summary = :text, summary_seq = :seq"
            " WHERE id = :id AND summary_seq < :seq AND COALESCE(summary, '') = :before",
            {
                "text": ending.summary[0],
                "seq": ending.summary[1],
                "id": held.conversation_id,
                "before": held.summary or "",
            },
        )
    await remember_facts(transaction, ending.new_facts, held.contact_id, held.business_id, held.turn_id, now)


async def _propose(transaction: Transaction, held: Claim, ending: Ending, now: int) -> None:
    await transaction.many(
        "UPDATE proposals SET state = :state, settled_at = :now WHERE id = :id AND state = 'open'",
        [{"id": proposal_id, "state": state, "now": now} for proposal_id, state in ending.settled],
    )
    await transaction.many(
        "INSERT INTO proposals (id, business_id, conversation_id, contact_id, kind, details, created_at)"
        " VALUES (:id, :business, :conversation, :contact, :kind, :details, :now)",
        [
            {
                "id": proposal.id,
                "business": held.business_id,
                "conversation": held.conversation_id,
                "contact": held.contact_id,
                "kind": proposal.kind,
                "details": json.dumps(proposal.details),
                "now": now,
            }
            for proposal in ending.proposals
        ],
    )


async def set_mode(transaction: Transaction, conversation_id: str, mode: str, actor: str, now: int) -> bool:
    """Hand a conversation to a person or back to the bot, with a line in the audit log; False if there is none."""
    changed = await transaction.all(
        "UPDATE conversations SET mode = :mode WHERE id = :id RETURNING business_id, contact_id",
        {"mode": mode, "id": conversation_id},
    )
    for row in changed:
        await note(
            transaction,
            f"mode_{mode}",
            actor=actor,
            about=conversation_id,
            business_id=row["business_id"],
            contact_id=row["contact_id"],
            now=now,
        )
    return bool(changed)


async def _give_back(transaction: Transaction, held: Claim) -> int | None:
    rows = await transaction.all(
        "UPDATE conversations SET claim = NULL, claim_until = NULL, failed_claims = 0, superseded = 0,"
        " burst_at = (SELECT min(received_at) FROM messages WHERE conversation_id = :id AND status = 'received'),"
        " due_at = CASE WHEN EXISTS (SELECT 1 FROM messages WHERE conversation_id = :id AND status = 'received')"
        " THEN due_at ELSE NULL END WHERE id = :id RETURNING due_at",
        {"id": held.conversation_id},
    )
    return rows[0]["due_at"] if rows else None

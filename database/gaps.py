"""Knowledge gaps in concierge.db: questions that were not answered, grouped by what they mean."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from database.audit import note
from database.records import new_id
from database.transaction import Row, Transaction, Unit

NEWEST = 20


class GapState(StrEnum):
    """What became of a gap."""

    OPEN = "open"
    ANSWERED = "answered"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class GapQuestion:
    """A question as a customer asked it. `vector` and the gap's centroid are float32, little endian."""

    business_id: str
    contact_id: str
    message_id: str
    part: int
    turn_id: str | None
    why: str
    question: str
    vector: bytes
    asked_at: int


@dataclass(frozen=True, slots=True)
class GapGroup:
    """What a new question is compared with: the sum of a gap's embeddings."""

    id: str
    state: GapState
    centroid: bytes
    document_id: str | None


@dataclass(frozen=True, slots=True)
class GapRow:
    """A gap with what was asked: `newest` are up to twenty of its questions with their vectors, the newest first."""

    id: str
    business_id: str
    language: str
    state: GapState
    question: str | None
    document_id: str | None
    centroid: bytes
    count: int
    with_person: int
    first_at: int
    last_at: int
    newest: tuple[tuple[str, bytes, str | None], ...]


@dataclass(frozen=True, slots=True)
class GapPlace:
    """A place in the list: what is listed was asked up to question `until`; `count` and `id` are the last one's."""

    until: int
    count: int
    id: str


def gap_mark(why: str) -> Unit[int | None]:
    """Up to when turns (not_known) or messages (person) have been looked at; None before the first time."""

    async def unit(transaction: Transaction) -> int | None:
        row = await transaction.one("SELECT seen_at FROM gap_marks WHERE why = :why", {"why": why})
        return row["seen_at"] if row else None

    return unit


def set_gap_mark(why: str, seen_at: int) -> Unit[int]:
    """Remember up to when has been looked."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.run(
            "INSERT INTO gap_marks (why, seen_at) VALUES (:why, :at) ON CONFLICT (why) DO UPDATE SET seen_at = :at",
            {"why": why, "at": seen_at},
        )

    return unit


def all_of(units: Sequence[Unit[Any]]) -> Unit[None]:
    """Several in one."""

    async def unit(transaction: Transaction) -> None:
        for each in units:
            await each(transaction)

    return unit


def grouped_among(message_ids: Collection[str]) -> Unit[set[str]]:
    """Those of the messages whose questions are in a gap already."""

    async def unit(transaction: Transaction) -> set[str]:
        rows = await transaction.all(
            "SELECT message_id FROM gap_questions WHERE message_id IN (SELECT value FROM json_each(:ids))",
            {"ids": json.dumps(list(message_ids))},
        )
        return {row["message_id"] for row in rows}

    return unit


def gap_groups(business_id: str, language: str, embedder: str) -> Unit[list[GapGroup]]:
    """All gaps of a business that a question in this language may belong to."""

    async def unit(transaction: Transaction) -> list[GapGroup]:
        rows = await transaction.all(
            "SELECT id, state, centroid, document_id FROM gaps"
            " WHERE business_id = :business AND language = :language AND embedder = :embedder ORDER BY id",
            {"business": business_id, "language": language, "embedder": embedder},
        )
        return [GapGroup(row["id"], GapState(row["state"]), row["centroid"], row["document_id"]) for row in rows]

    return unit


def new_gap(asked: GapQuestion, language: str, embedder: str, now: int, gap_id: str | None = None) -> Unit[str]:
    """A gap of one question; its id, which may be given."""
    new = gap_id or new_id()

    async def unit(transaction: Transaction) -> str:
        await transaction.run(
            "INSERT INTO gaps (id, business_id, language, embedder, centroid, created_at)"
            " VALUES (:id, :business, :language, :embedder, :centroid, :now)",
            {
                "id": new,
                "business": asked.business_id,
                "language": language,
                "embedder": embedder,
                "centroid": asked.vector,
                "now": now,
            },
        )
        await _add(transaction, new, asked)
        return new

    return unit


def join_gap(gap_id: str, asked: GapQuestion, centroid: bytes, *, reopen: bool) -> Unit[None]:
    """One more question of a gap, whose sum is `centroid` now. `reopen`: its answer did not answer."""

    async def unit(transaction: Transaction) -> None:
        await transaction.run(
            "UPDATE gaps SET centroid = :centroid WHERE id = :id", {"centroid": centroid, "id": gap_id}
        )
        if reopen:
            await transaction.run(
                "UPDATE gaps SET state = 'open', settled_at = NULL WHERE id = :id AND state = 'answered'",
                {"id": gap_id},
            )
        await _add(transaction, gap_id, asked)

    return unit


async def _add(transaction: Transaction, gap_id: str, asked: GapQuestion) -> None:
    await transaction.run(
        "INSERT INTO gap_questions"
        " (gap_id, business_id, contact_id, message_id, part, turn_id, why, question, vector, asked_at)"
        " VALUES (:gap, :business, :contact, :message, :part, :turn, :why, :question, :vector, :at)"
        " ON CONFLICT (message_id, part) DO NOTHING",
        {
            "gap": gap_id,
            "business": asked.business_id,
            "contact": asked.contact_id,
            "message": asked.message_id,
            "part": asked.part,
            "turn": asked.turn_id,
            "why": asked.why,
            "question": asked.question,
            "vector": asked.vector,
            "at": asked.asked_at,
        },
    )


def gaps_page(
    business_id: str, limit: int, state: GapState | None = None, after: GapPlace | None = None
) -> Unit[tuple[list[GapRow], int]]:
    """Gaps, the most asked first, and the `until` of this list; questions that come while it is paged do not count."""

    async def unit(transaction: Transaction) -> tuple[list[GapRow], int]:
        until = after.until if after else await _newest_question(transaction, business_id)
        rows = await transaction.all(
            f"{_GAP} WHERE (:state IS NULL OR g.state = :state)"
            " AND (:count IS NULL OR (a.count, g.id) < (:count, :last))"
            " ORDER BY a.count DESC, g.id DESC LIMIT :limit",
            {
                "business": business_id,
                "until": until,
                "state": state.value if state else None,
                "count": after.count if after else None,
                "last": after.id if after else None,
                "limit": limit,
            },
        )
        return await _gaps(transaction, business_id, rows), until

    return unit


def gap_of(business_id: str, gap_id: str) -> Unit[GapRow | None]:
    """One gap of a business."""

    async def unit(transaction: Transaction) -> GapRow | None:
        rows = await transaction.all(
            f"{_GAP} WHERE g.id = :id",
            {"business": business_id, "until": await _newest_question(transaction, business_id), "id": gap_id},
        )
        found = await _gaps(transaction, business_id, rows)
        return found[0] if found else None

    return unit


def settle_gap(
    business_id: str,
    gap_id: str,
    state: GapState,
    actor: str,
    now: int,
    *,
    question: str | None = None,
    document_id: str | None = None,
) -> Unit[bool]:
    """Answered or ignored, with a line in the audit log; False when there is none, or it is answered already."""

    async def unit(transaction: Transaction) -> bool:
        changed = await transaction.run(
            "UPDATE gaps SET state = :state, settled_at = :now, question = coalesce(:question, question),"
            " document_id = coalesce(:document, document_id)"
            " WHERE id = :id AND business_id = :business AND state <> 'answered'",
            {
                "state": state.value,
                "now": now,
                "question": question,
                "document": document_id,
                "id": gap_id,
                "business": business_id,
            },
        )
        if changed:
            await note(transaction, f"gap_{state}", actor=actor, about=gap_id, business_id=business_id, now=now)
        return bool(changed)

    return unit


def forget_questions(before: int, limit: int) -> Unit[int]:
    """Forget up to `limit` questions that were asked before, and gaps without any left; how many questions went."""

    async def unit(transaction: Transaction) -> int:
        rows = await transaction.all(
            "DELETE FROM gap_questions WHERE n IN"
            " (SELECT n FROM gap_questions WHERE asked_at < :before ORDER BY asked_at LIMIT :limit) RETURNING gap_id",
            {"before": before, "limit": limit},
        )
        if rows:
            await transaction.run(
                "DELETE FROM gaps WHERE id IN (SELECT value FROM json_each(:ids))"
                " AND NOT EXISTS (SELECT 1 FROM gap_questions AS q WHERE q.gap_id = gaps.id)",
                {"ids": json.dumps(sorted({row["gap_id"] for row in rows}))},
            )
        return len(rows)

    return unit


def surplus_gaps(most: int, limit: int) -> Unit[list[str]]:
    """Up to `limit` open gaps beyond the `most` of a business that has the most of them: the least asked, oldest."""

    async def unit(transaction: Transaction) -> list[str]:
        fullest = await transaction.one(
            "SELECT business_id, count(*) AS count FROM gaps WHERE state = 'open' GROUP BY business_id"
            " ORDER BY count DESC LIMIT 1"
        )
        if fullest is None or fullest["count"] <= most:
            return []
        rows = await transaction.all(
            "SELECT g.id FROM gaps AS g JOIN gap_questions AS q ON q.business_id = g.business_id AND q.gap_id = g.id"
            " WHERE g.business_id = :business AND g.state = 'open' GROUP BY g.id"
            " ORDER BY count(*), max(q.n) LIMIT :limit",
            {"business": fullest["business_id"], "limit": min(limit, fullest["count"] - most)},
        )
        return [row["id"] for row in rows]

    return unit


def forget_gaps(gap_ids: Sequence[str]) -> Unit[int]:
    """Forget open gaps with their questions; how many."""

    async def unit(transaction: Transaction) -> int:
        ids = {"ids": json.dumps(list(gap_ids))}
        await transaction.run(
            "DELETE FROM gap_questions WHERE gap_id IN"
            " (SELECT id FROM gaps WHERE state = 'open' AND id IN (SELECT value FROM json_each(:ids)))",
            ids,
        )
        return await transaction.run(
            "DELETE FROM gaps WHERE state = 'open' AND id IN (SELECT value FROM json_each(:ids))", ids
        )

    return unit


_GAP = (
    "SELECT g.id, g.business_id, g.language, g.state, g.question, g.document_id, g.centroid, a.count, a.with_person,"
    " a.first_at, a.last_at FROM (SELECT gap_id, count(*) AS count,"
    " sum(CASE WHEN why = 'person' THEN 1 ELSE 0 END) AS with_person,"
    " min(asked_at) AS first_at, max(asked_at) AS last_at FROM gap_questions"
    " WHERE business_id = :business AND n <= :until GROUP BY gap_id) AS a JOIN gaps AS g ON g.id = a.gap_id"
)


async def _newest_question(transaction: Transaction, business_id: str) -> int:
    row = await transaction.one(
        "SELECT coalesce(max(n), 0) AS n FROM gap_questions WHERE business_id = :business", {"business": business_id}
    )
    return int(row["n"]) if row else 0


async def _gaps(transaction: Transaction, business_id: str, rows: Sequence[Row]) -> list[GapRow]:
    questions = await transaction.all(
        "SELECT gap_id, question, vector, turn_id FROM (SELECT gap_id, question, vector, turn_id, n, row_number() OVER"
        " (PARTITION BY gap_id ORDER BY n DESC) AS rank FROM gap_questions WHERE business_id = :business"
        " AND gap_id IN (SELECT value FROM json_each(:ids))) WHERE rank <= :newest ORDER BY gap_id, n DESC",
        {"business": business_id, "ids": json.dumps([row["id"] for row in rows]), "newest": NEWEST},
    )
    newest: dict[str, list[tuple[str, bytes, str | None]]] = {}
    for each in questions:
        newest.setdefault(each["gap_id"], []).append((each["question"], each["vector"], each["turn_id"]))
    return [
        GapRow(**{**dict(row), "state": GapState(row["state"])}, newest=tuple(newest.get(row["id"], ())))
        for row in rows
    ]

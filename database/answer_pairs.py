"""Questions with their answers as their owner wrote them. A pair has the id of the document that is made of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from database.records import new_id
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class StoredPair:
    """`pending`: the document does not have it yet."""

    document_id: str
    business_id: str
    question: str
    question_key: str
    answer: str
    tags: tuple[str, ...]
    pending: bool
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class PairContent:
    """What an owner says. `key` is the question without what makes no difference; no tags: those that it has stay."""

    question: str
    key: str
    answer: str
    tags: tuple[str, ...] | None = ()


_PAIR = (
    "SELECT document_id, business_id, question, question_key, answer, tags, pending, created_at, updated_at "
    "FROM answers AS a WHERE business_id = :business "
    "AND NOT EXISTS (SELECT 1 FROM documents WHERE id = a.document_id AND deleted_at IS NOT NULL)"
)


def put_pair(business_id: str, content: PairContent, now: int) -> Unit[StoredPair]:
    """A new pair, or another answer to the same question; `pending`."""

    async def unit(transaction: Transaction) -> StoredPair:
        return await write_pair(transaction, business_id, content, now)

    return unit


async def write_pair(transaction: Transaction, business_id: str, content: PairContent, now: int) -> StoredPair:
    """`put_pair` as a part of a larger unit."""
    await _let_go(transaction, business_id, content.key)
    row = await transaction.one(
        "INSERT INTO answers "
        "(document_id, business_id, question, question_key, answer, tags, pending, created_at, updated_at) "
        "VALUES (:id, :business, :question, :key, :answer, :tags, 1, :now, :now) "
        "ON CONFLICT (business_id, question_key) DO UPDATE SET question = excluded.question, "
        "answer = excluded.answer, tags = CASE WHEN :keep_tags THEN tags ELSE excluded.tags END, pending = 1, "
        "updated_at = excluded.updated_at "
        "RETURNING document_id, business_id, question, question_key, answer, tags, pending, created_at, updated_at",
        {"id": new_id(), "business": business_id, "now": now, "keep_tags": content.tags is None, **_columns(content)},
    )
    if row is None:
        raise LookupError("the pair was written a moment ago")
    return _pair(row)


def change_pair(business_id: str, document_id: str, content: PairContent, now: int) -> Unit[StoredPair | str | None]:
    """The pair with another content, `pending`; None when there is none, the other's id when the question is taken."""

    async def unit(transaction: Transaction) -> StoredPair | str | None:
        if await _one(transaction, business_id, document_id) is None:
            return None
        taken = await pair_with(transaction, business_id, content.key)
        if taken not in {None, document_id}:
            return taken
        await transaction.run(
            "UPDATE answers SET question = :question, question_key = :key, answer = :answer, tags = :tags, "
            "pending = 1, updated_at = :now WHERE document_id = :id",
            {"id": document_id, "now": now, **_columns(content)},
        )
        return await _one(transaction, business_id, document_id)

    return unit


def pair_of(business_id: str, document_id: str) -> Unit[StoredPair | None]:
    """One pair of a business."""

    async def unit(transaction: Transaction) -> StoredPair | None:
        return await _one(transaction, business_id, document_id)

    return unit


def pairs_page(business_id: str, limit: int, after: tuple[int, str] | None = None) -> Unit[list[StoredPair]]:
    """Pairs of a business, the oldest first; `after` is created_at and id of the last one of the page before."""
    created_at, last = after or (-1, "")

    async def unit(transaction: Transaction) -> list[StoredPair]:
        rows = await transaction.all(
            f"{_PAIR} AND (created_at, document_id) > (:created_at, :id) ORDER BY created_at, document_id LIMIT :limit",
            {
                "business": business_id,
                "created_at": created_at,
                "id": last,
                "limit": limit,
            },
        )
        return [_pair(row) for row in rows]

    return unit


def pending_pairs(before: int, limit: int, after: tuple[int, str]) -> Unit[list[StoredPair]]:
    """Pairs of all businesses that their documents do not have yet, written before this moment, in this order.

    `after` is updated_at and id of the last one of the page before.
    """

    async def unit(transaction: Transaction) -> list[StoredPair]:
        rows = await transaction.all(
            "SELECT document_id, business_id, question, question_key, answer, tags, pending, created_at, updated_at "
            "FROM answers WHERE pending = 1 AND updated_at < :before "
            "AND (updated_at, document_id) > (:updated_at, :id) ORDER BY updated_at, document_id LIMIT :limit",
            {"before": before, "limit": limit, "updated_at": after[0], "id": after[1]},
        )
        return [_pair(row) for row in rows]

    return unit


def settle_pair(pair: StoredPair) -> Unit[int]:
    """The document has it; one that was changed meanwhile stays pending."""

    async def unit(transaction: Transaction) -> int:
        return await transaction.run(
            "UPDATE answers SET pending = 0 WHERE document_id = :id AND question = :question AND answer = :answer "
            "AND tags = :tags",
            {
                "id": pair.document_id,
                "question": pair.question,
                "answer": pair.answer,
                "tags": json.dumps(pair.tags, ensure_ascii=False),
            },
        )

    return unit


def remove_pair(business_id: str, document_id: str) -> Unit[bool]:
    """Forget a pair; its document is deleted by itself. False when there is none."""

    async def unit(transaction: Transaction) -> bool:
        if await _one(transaction, business_id, document_id) is None:
            return False
        await transaction.run("DELETE FROM answers WHERE document_id = :id", {"id": document_id})
        return True

    return unit


async def pair_with(transaction: Transaction, business_id: str, key: str) -> str | None:
    """The id of the pair that answers this question, or None; a part of a larger unit."""
    await _let_go(transaction, business_id, key)
    row = await transaction.one(
        "SELECT document_id FROM answers WHERE business_id = :business AND question_key = :key",
        {"business": business_id, "key": key},
    )
    return str(row["document_id"]) if row else None


async def _let_go(transaction: Transaction, business_id: str, key: str) -> None:
    """A pair whose document was deleted is in nobody's way."""
    await transaction.run(
        "DELETE FROM answers WHERE business_id = :business AND question_key = :key AND EXISTS "
        "(SELECT 1 FROM documents WHERE id = answers.document_id AND deleted_at IS NOT NULL)",
        {"business": business_id, "key": key},
    )


async def _one(transaction: Transaction, business_id: str, document_id: str) -> StoredPair | None:
    row = await transaction.one(f"{_PAIR} AND document_id = :id", {"business": business_id, "id": document_id})
    return _pair(row) if row else None


def _columns(content: PairContent) -> dict[str, str]:
    return {
        "question": content.question,
        "key": content.key,
        "answer": content.answer,
        "tags": json.dumps(content.tags or (), ensure_ascii=False),
    }


def _pair(row: Row) -> StoredPair:
    fields = dict(row)
    tags: Sequence[str] = json.loads(fields["tags"])
    return StoredPair(**{**fields, "tags": tuple(tags), "pending": bool(fields["pending"])})

"""Questions and answers that were read out of a chat: proposed once, then taken or refused by a person."""

from collections.abc import Sequence
from dataclasses import dataclass

from database.answer_pairs import PairContent, StoredPair, pair_with, write_pair
from database.records import new_id
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class ProposedAnswer:
    """`state` is open, taken or refused; `document_id` is the pair's that was made of it.

    `times`: how often it was asked; `asked_at`: when last, as the phone wrote it, ISO 8601 without a zone.
    """

    id: str
    business_id: str
    filename: str
    question: str
    answer: str
    times: int
    asked_at: str | None
    state: str
    document_id: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class NewProposal:
    """A pair as it was read; `key` is the question without what makes no difference."""

    question: str
    key: str
    answer: str
    times: int
    asked_at: str | None


_COLUMNS = "id, business_id, filename, question, answer, times, asked_at, state, document_id, created_at"


def propose(business_id: str, filename: str, proposals: Sequence[NewProposal], now: int) -> Unit[int]:
    """How many are new: what is answered, or was proposed once, is passed over."""

    async def unit(transaction: Transaction) -> int:
        rows = await transaction.all(
            "SELECT question_key FROM answers WHERE business_id = :business", {"business": business_id}
        )
        answered = {row["question_key"] for row in rows}
        return await transaction.bulk(
            "INSERT INTO proposed_answers "
            "(id, business_id, filename, question, question_key, answer, times, asked_at, created_at) "
            "VALUES {rows} ON CONFLICT (business_id, question_key) DO NOTHING",
            [
                (new_id(), business_id, filename, each.question, each.key, each.answer, each.times, each.asked_at, now)
                for each in proposals
                if each.key not in answered
            ],
        )

    return unit


def proposed_page(
    business_id: str, limit: int, state: str | None = None, after: str = ""
) -> Unit[list[ProposedAnswer]]:
    """Proposals of a business, in the order in which they came; `after` is the id of the last one before."""

    async def unit(transaction: Transaction) -> list[ProposedAnswer]:
        rows = await transaction.all(
            f"SELECT {_COLUMNS} FROM proposed_answers WHERE business_id = :business AND id > :after "
            "AND (:state IS NULL OR state = :state) ORDER BY id LIMIT :limit",
            {"business": business_id, "after": after, "state": state, "limit": limit},
        )
        return [_proposed(row) for row in rows]

    return unit


def proposed_answer(business_id: str, proposal_id: str) -> Unit[ProposedAnswer | None]:
    """One proposal of a business."""

    async def unit(transaction: Transaction) -> ProposedAnswer | None:
        return await _one(transaction, business_id, proposal_id)

    return unit


def take_proposal(business_id: str, proposal_id: str, content: PairContent, now: int) -> Unit[StoredPair | str | None]:
    """A proposal becomes a pair; None when it is not open any more, a pair's id when that answers the question."""

    async def unit(transaction: Transaction) -> StoredPair | str | None:
        found = await _one(transaction, business_id, proposal_id)
        if found is None or found.state != "open":
            return None
        if taken := await pair_with(transaction, business_id, content.key):
            return taken
        pair = await write_pair(transaction, business_id, content, now)
        await transaction.run(
            "UPDATE proposed_answers SET state = 'taken', document_id = :document WHERE id = :id",
            {"document": pair.document_id, "id": proposal_id},
        )
        return pair

    return unit


def refuse_proposal(business_id: str, proposal_id: str) -> Unit[bool]:
    """It is not wanted, and is not proposed again. False when there is none that is open or refused."""

    async def unit(transaction: Transaction) -> bool:
        changed = await transaction.run(
            "UPDATE proposed_answers SET state = 'refused' "
            "WHERE business_id = :business AND id = :id AND state IN ('open', 'refused')",
            {"business": business_id, "id": proposal_id},
        )
        return changed == 1

    return unit


async def _one(transaction: Transaction, business_id: str, proposal_id: str) -> ProposedAnswer | None:
    row = await transaction.one(
        f"SELECT {_COLUMNS} FROM proposed_answers WHERE business_id = :business AND id = :id",
        {"business": business_id, "id": proposal_id},
    )
    return _proposed(row) if row else None


def _proposed(row: Row) -> ProposedAnswer:
    return ProposedAnswer(**dict(row))

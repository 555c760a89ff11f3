"""What `concierge eval` measured of a business's knowledge, in knowledge.db, to be compared with the next time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from database.records import new_id
from database.transaction import Row, Transaction, Unit

KEPT = 100


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run over a file of questions; `name` is the file's, a figure is None where no question tells it."""

    id: str
    name: str
    questions: int
    figures: Mapping[str, float | None]
    created_at: int


def keep_evaluation(
    business_id: str, name: str, questions: int, figures: Mapping[str, float | None], now: int
) -> Unit[Evaluation]:
    """Remember a run; of each name a business keeps the newest hundred."""

    async def unit(transaction: Transaction) -> Evaluation:
        kept = Evaluation(new_id(), name, questions, dict(figures), now)
        await transaction.run(
            "INSERT INTO evaluations (id, business_id, name, questions, figures, created_at)"
            " VALUES (:id, :business, :name, :questions, :figures, :now)",
            {
                "id": kept.id,
                "business": business_id,
                "name": name,
                "questions": questions,
                "figures": json.dumps(kept.figures),
                "now": now,
            },
        )
        await transaction.run(
            "DELETE FROM evaluations WHERE business_id = :business AND name = :name AND id NOT IN (SELECT id"
            " FROM evaluations WHERE business_id = :business AND name = :name ORDER BY id DESC LIMIT :kept)",
            {"business": business_id, "name": name, "kept": KEPT},
        )
        return kept

    return unit


def evaluations_page(
    business_id: str, limit: int, name: str | None = None, before: str | None = None
) -> Unit[list[Evaluation]]:
    """Runs of a business, the newest first; `before` is the id of the last one of the page before."""

    async def unit(transaction: Transaction) -> list[Evaluation]:
        rows = await transaction.all(
            "SELECT id, name, questions, figures, created_at FROM evaluations WHERE business_id = :business"
            " AND (:name IS NULL OR name = :name) AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
            {"business": business_id, "name": name, "before": before, "limit": limit},
        )
        return [_evaluation(row) for row in rows]

    return unit


def _evaluation(row: Row) -> Evaluation:
    return Evaluation(row["id"], row["name"], row["questions"], json.loads(row["figures"]), row["created_at"])

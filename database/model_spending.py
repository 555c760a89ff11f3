"""What chat models cost, by business, day and model: the daily budget is kept against it."""

from collections.abc import Sequence
from dataclasses import dataclass

from database.transaction import Transaction, Unit


@dataclass(frozen=True, slots=True)
class Spending:
    """What a business spent on a model. `day` is UTC, YYYY-MM-DD; `cost_usd` is by the price table of the settings."""

    business_id: str
    day: str
    model: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


def add_spending(spent: Sequence[Spending]) -> Unit[None]:
    """Add to what is on record. What was spent for a business that does not exist is dropped."""

    async def unit(transaction: Transaction) -> None:
        await transaction.many(
            "INSERT INTO model_spending (business_id, day, model, calls, input_tokens, output_tokens, cost_usd)"
            " SELECT id, :day, :model, :calls, :input_tokens, :output_tokens, :cost_usd FROM businesses"
            " WHERE id = :business_id"
            " ON CONFLICT (business_id, day, model) DO UPDATE SET calls = model_spending.calls + excluded.calls,"
            " input_tokens = model_spending.input_tokens + excluded.input_tokens,"
            " output_tokens = model_spending.output_tokens + excluded.output_tokens,"
            " cost_usd = model_spending.cost_usd + excluded.cost_usd",
            [
                {
                    "business_id": each.business_id,
                    "day": each.day,
                    "model": each.model,
                    "calls": each.calls,
                    "input_tokens": each.input_tokens,
                    "output_tokens": each.output_tokens,
                    "cost_usd": each.cost_usd,
                }
                for each in spent
            ],
        )

    return unit


def spent_on(day: str) -> Unit[dict[str, float]]:
    """US dollars by business on a day; businesses that spent nothing are absent."""

    async def unit(transaction: Transaction) -> dict[str, float]:
        rows = await transaction.all(
            "SELECT business_id, sum(cost_usd) AS cost FROM model_spending WHERE day = :day GROUP BY business_id",
            {"day": day},
        )
        return {row["business_id"]: row["cost"] for row in rows}

    return unit

"""The line to the models: memory, the daily budget, the chosen model, and another one when it fails."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agents.chat_model import OpenAIChatModel
from agents.circuit_breaker import BreakerState
from agents.model_budget import ModelBudget
from agents.model_memory import ModelMemory
from agents.ports import Completion, ModelError, Usage
from database.clock import Clock
from database.metrics import Metrics

# What the first model may take of a customer's patience while another one stands behind it.
_FIRST_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class LineState:
    """How each model is (by its name, the chosen one first), and how many businesses have spent today's budget."""

    breakers: dict[str, BreakerState]
    businesses_without_money: int


class ModelLine:
    """Implements agents.ports.LanguageModel. `models` are asked in their order, until one answers.

    `timeout_seconds` is how long a customer waits for all of them together.
    """

    def __init__(
        self,
        models: Sequence[OpenAIChatModel],
        budget: ModelBudget,
        memory: ModelMemory,
        clock: Clock,
        metrics: Metrics,
        *,
        timeout_seconds: float,
    ) -> None:
        self._models = tuple(models)
        self._budget = budget
        self._memory = memory
        self._clock = clock
        self._metrics = metrics
        self._timeout_seconds = timeout_seconds

    async def complete(
        self, system: str, user: str, *, business_id: str = "", knowledge_version: int | None = None
    ) -> Completion:
        """One answer. Raises ModelError when no model gave one, or the business's daily budget is spent.

        With a `knowledge_version` it may come from memory, or from the same call of somebody else: it costs nothing.
        """
        if knowledge_version is None:
            return await self._paid(system, user, business_id)
        key = (business_id, knowledge_version, _fingerprint(system, user))
        completion, known = await self._memory.get(key, lambda: self._paid(system, user, business_id))
        if not known:
            return completion
        self._count("cached")
        return replace(completion, usage=Usage(completion.usage.model, completion.usage.prompt_hash))

    @property
    def budget(self) -> ModelBudget:
        """For other models that the same money pays."""
        return self._budget

    def state(self) -> LineState:
        """For readiness: nothing is called for it."""
        breakers = {model.name: model.breaker for model in self._models}
        return LineState(breakers, self._budget.businesses_without_money)

    async def _paid(self, system: str, user: str, business_id: str) -> Completion:
        if not self._budget.allows(business_id):
            self._count("over_budget")
            raise ModelError("the daily budget is spent")

        def charge(usage: Usage) -> None:
            self._budget.charge(business_id, usage)

        return await self._first_answer(system, user, charge)

    async def _first_answer(self, system: str, user: str, charge: Callable[[Usage], None]) -> Completion:
        began = self._clock.monotonic()
        failures: list[ModelError] = []
        for model in self._models:
            left = self._timeout_seconds - (self._clock.monotonic() - began)
            share = 1.0 if model is self._models[-1] else _FIRST_SHARE
            try:
                return await model.ask(system, user, seconds=left * share, charge=charge)
            except ModelError as exc:
                failures.append(exc)
        raise failures[0] if len(failures) == 1 else ModelError("; then ".join(map(str, failures))) from failures[-1]

    def _count(self, outcome: str) -> None:
        self._metrics.model_calls.labels(self._models[0].name, outcome).inc()


def _fingerprint(system: str, user: str) -> bytes:
    """Stands for both texts: keeping them would keep whole conversations in memory."""
    parts = (hashlib.sha256(text.encode(errors="surrogatepass")).digest() for text in (system, user))
    return b"".join(parts)

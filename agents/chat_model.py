"""The line to a chat model: langchain-openai chat completions, with our own retries, limits, metrics and prices."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agents.ports import Completion, ModelError, Usage
from database.clock import Clock
from database.metrics import Metrics

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

_TOKENS_A_PRICE_UNIT = 1_000_000
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
_FAILURES_UNTIL_AWAY = 3
_AWAY_SECONDS = 15.0
_TOO_MANY_REQUESTS = 429
_RETRIED_STATUSES = frozenset({408, 409, 425, _TOO_MANY_REQUESTS})
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model, and how to call it.

    `base_url` "" is OpenAI's own. `timeout_seconds` is how long a customer waits: for a free
    place among `concurrency` calls, for every attempt and the pauses between; `retries` come after the first one.
    `prices` are US dollars a million tokens, in and out, by model; a model without a price costs 0.
    `tracing` lets LangSmith see the calls, texts included: only when the owner asked for it.
    """

    model: str
    api_key: str = field(repr=False)
    base_url: str = ""
    timeout_seconds: float = 20.0
    retries: int = 2
    concurrency: int = 16
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tracing: bool = False


class OpenAIChatModel:
    """Implements agents.ports.LanguageModel for any server that speaks OpenAI's chat completions.

    langchain is imported by `load`, or at the first call, in a thread: it takes a second.
    """

    def __init__(self, options: ModelOptions, clock: Clock, dice: random.Random, metrics: Metrics) -> None:
        self._options = options
        self._clock = clock
        self._dice = dice
        self._metrics = metrics
        self._slots = asyncio.Semaphore(options.concurrency)
        self._opening = asyncio.Lock()
        self._chat: ChatOpenAI | None = None
        self._failures = 0
        self._away_until = 0.0

    async def complete(
        self,
        system: str,
        user: str,
        *,
        business_id: str = "",  # noqa: ARG002 - the port's
        knowledge_version: int | None = None,  # noqa: ARG002 - the port's
    ) -> Completion:
        """One answer. Raises ModelError when time or attempts ran out, or at once when another one cannot help."""
        chat = await self._opened()
        if self._clock.monotonic() < self._away_until:
            self._count("skipped")
            raise ModelError("the model is away")
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                completion = await self._tried(chat, system, user)
        except TimeoutError as exc:
            self._count("timeout")
            self._remember_failure()
            raise ModelError("the model failed: timeout") from exc
        self._failures = 0
        self._record(completion.usage)
        return completion

    async def load(self) -> None:
        """Import langchain now, so that the first customer does not wait for it."""
        await self._opened()

    async def close(self) -> None:
        """Close its connections."""
        if self._chat is not None:
            await self._chat.root_async_client.close()
            await asyncio.to_thread(self._chat.root_client.close)

    async def _opened(self) -> "ChatOpenAI":
        async with self._opening:
            if self._chat is None:
                self._chat = await asyncio.to_thread(_open, self._options)
            return self._chat

    async def _tried(self, chat: "ChatOpenAI", system: str, user: str) -> Completion:
        for attempt in range(self._options.retries + 1):
            try:
                return await self._attempt(chat, system, user)
            except _FailedAttemptError as exc:
                self._count(exc.outcome)
                if not exc.may_help_again or attempt == self._options.retries:
                    self._remember_failure()
                    raise ModelError(f"the model failed: {exc.outcome}") from exc.__cause__
                await self._clock.sleep(self._pause(attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, chat: "ChatOpenAI", system: str, user: str) -> Completion:
        async with self._slots:
            try:
                message = await _invoke(chat, system, user, tracing=self._options.tracing)
            except Exception as exc:  # the border to langchain, openai and httpx, which raise anything at a bad answer
                raise _failed(exc) from exc
        return Completion(_text(message), self._usage(message))

    def _remember_failure(self) -> None:
        """Calls that fail one after another mean that the model is away: nobody waits for it for a while."""
        self._failures += 1
        if self._failures >= _FAILURES_UNTIL_AWAY:
            self._away_until = self._clock.monotonic() + _AWAY_SECONDS

    def _pause(self, attempt: int) -> float:
        return self._dice.uniform(0.5, 1.0) * min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**attempt)

    def _usage(self, message: Any) -> Usage:
        counted = message.usage_metadata or {}
        tokens_in, tokens_out = counted.get("input_tokens", 0), counted.get("output_tokens", 0)
        price_in, price_out = self._options.prices.get(self._options.model, (0.0, 0.0))
        cost = (tokens_in * price_in + tokens_out * price_out) / _TOKENS_A_PRICE_UNIT
        return Usage(self._options.model, None, tokens_in, tokens_out, cost)

    def _record(self, usage: Usage) -> None:
        self._count("answered")
        self._metrics.model_tokens.labels(self._options.model, "input").inc(usage.input_tokens)
        self._metrics.model_tokens.labels(self._options.model, "output").inc(usage.output_tokens)
        self._metrics.model_cost.labels(self._options.model).inc(usage.cost_usd)

    def _count(self, outcome: str) -> None:
        self._metrics.model_calls.labels(self._options.model, outcome).inc()


class _FailedAttemptError(Exception):
    def __init__(self, outcome: str, *, may_help_again: bool) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.may_help_again = may_help_again


def _open(options: ModelOptions) -> "ChatOpenAI":
    import langsmith.run_helpers  # noqa: F401, PLC0415 - so that no import is left for the event loop
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - takes a second to import; only with a key
    from pydantic import SecretStr  # noqa: PLC0415 - with its only user

    return ChatOpenAI(
        model=options.model,
        api_key=SecretStr(options.api_key),
        base_url=options.base_url or None,
        timeout=options.timeout_seconds,
        max_retries=0,  # we retry ourselves, on our own clock
        stream_usage=False,
        disable_streaming=True,
    )


async def _invoke(chat: "ChatOpenAI", system: str, user: str, *, tracing: bool) -> Any:
    from langsmith.run_helpers import tracing_context  # noqa: PLC0415 - comes with langchain

    # Said in both directions: a variable left over in somebody's shell must not send customers' texts away.
    with tracing_context(enabled=tracing):
        return await chat.ainvoke([("system", system), ("human", user)])


def _failed(exc: Exception) -> _FailedAttemptError:
    status = getattr(exc, "status_code", None)
    if isinstance(status, int):
        may_help = status in _RETRIED_STATUSES or status >= _SERVER_FAULT
        return _FailedAttemptError(f"status_{status}", may_help_again=may_help)
    from openai import APIConnectionError, APITimeoutError  # noqa: PLC0415 - comes with langchain_openai

    if isinstance(exc, APITimeoutError):
        return _FailedAttemptError("timeout", may_help_again=True)
    if isinstance(exc, APIConnectionError):
        return _FailedAttemptError("connection", may_help_again=True)
    return _FailedAttemptError("nonsense", may_help_again=True)


def _text(message: Any) -> str:
    content = message.content
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content)

"""One chat model on one server: langchain-openai chat completions, with our own retries, limits, metrics and prices."""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from agents.circuit_breaker import BreakerState, CircuitBreaker, Permit
from agents.ports import Completion, ModelError, Usage
from agents.prompt_files import prompt_hash
from database.clock import Clock
from database.metrics import Metrics

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

logger = logging.getLogger(__name__)

# A server without accounts (Ollama, vLLM) wants no key, but the client wants one to send.
NO_KEY = "not-needed"
_TOKENS_A_PRICE_UNIT = 1_000_000
_BYTES_A_TOKEN = 4
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
_TOO_MANY_REQUESTS = 429
_RETRIED_STATUSES = frozenset({408, 409, 425, _TOO_MANY_REQUESTS})
_SERVER_FAULT = 500
# What is wrong with one request says nothing about the next: too long, refused by a filter, not understood.
_OUR_FAULTS = frozenset({400, 413, 422})
# The server may have answered, and bills it; what it refused or never got costs nothing.
_BILLED_FAILURES = frozenset({"timeout", "nonsense"})
_BREAKER_LEVELS = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model, and how to call it.

    `base_url` "" is OpenAI's own; `api_key` "" is for servers that want none. `timeout_seconds` is how long a customer
    waits: for a free place among `concurrency` calls, for every attempt and the pauses between; `retries` come after
    the first one. After `breaker_failures` failed calls in a row the server is left alone for `breaker_seconds`.
    `prices` are US dollars a million tokens, in and out, by model; a model without a price costs 0.
    `tracing` lets LangSmith see the calls, texts included: only when the owner asked for it.
    """

    model: str
    api_key: str = field(repr=False)
    base_url: str = ""
    timeout_seconds: float = 20.0
    retries: int = 2
    concurrency: int = 16
    breaker_failures: int = 3
    breaker_seconds: float = 15.0
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
        self._breaker = CircuitBreaker(clock, failures=options.breaker_failures, seconds=options.breaker_seconds)
        self._shown_level = _BREAKER_LEVELS[BreakerState.CLOSED]
        metrics.model_breaker.labels(options.model).set(self._shown_level)

    @property
    def name(self) -> str:
        """The model's, as its server calls it."""
        return self._options.model

    @property
    def breaker(self) -> BreakerState:
        """Whether the model is left alone now."""
        return self._breaker.state

    async def complete(
        self,
        system: str,
        user: str,
        *,
        business_id: str = "",  # noqa: ARG002 - the port's
        knowledge_version: int | None = None,  # noqa: ARG002 - the port's
    ) -> Completion:
        """One answer. Raises ModelError when time or attempts ran out, or at once when another one cannot help."""
        return await self.ask(system, user, seconds=self._options.timeout_seconds)

    async def ask(
        self, system: str, user: str, *, seconds: float, charge: Callable[[Usage], None] | None = None
    ) -> Completion:
        """The same within so many seconds.

        `charge` hears of every answer that has a price, also of useless ones; of those that nobody heard, by what went
        in.
        """
        chat = await self._opened()
        permit = self._breaker.admit()
        if permit is None:
            self._count("skipped")
            raise ModelError("the model is away")
        self._show_breaker()
        call = _Call(system, user, seconds, permit, charge)
        try:
            async with asyncio.timeout(seconds):
                completion = await self._tried(chat, call)
        except TimeoutError as exc:
            self._give_up(call)
            raise ModelError("the model failed: timeout") from exc
        finally:
            permit.withdrawn()  # heard only if nothing else was said: the caller gave up
            self._show_breaker()
        self._count("answered")
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

    async def _tried(self, chat: "ChatOpenAI", call: "_Call") -> Completion:
        for attempt in range(self._options.retries + 1):
            try:
                completion = await self._attempt(chat, call)
            except _FailedAttemptError as exc:
                self._count(exc.outcome)
                pause = max(self._pause(attempt), exc.retry_after_seconds(self._clock.now()))
                # A server that asks for a longer pause than the customer waits is not asked again.
                if not exc.may_help_again or attempt == self._options.retries or pause >= call.seconds:
                    call.permit.failed() if exc.blames_server else call.permit.withdrawn()
                    raise ModelError(f"the model failed: {exc.outcome}") from exc.__cause__
                await self._clock.sleep(pause)
            else:
                call.permit.succeeded()
                return completion
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, chat: "ChatOpenAI", call: "_Call") -> Completion:
        async with self._slots:
            call.reached_server = True
            try:
                message = await _invoke(chat, call.system, call.user, tracing=self._options.tracing)
                text = _text(message)
            except asyncio.CancelledError:  # out of time, or nobody waits: the server goes on, and bills it
                self._bill(call, self._priced(call, *_unheard(call)))
                raise
            except Exception as exc:  # the border to langchain, openai and httpx, which raise anything at a bad answer
                failed = _failed(exc)
                if failed.outcome in _BILLED_FAILURES:
                    self._bill(call, self._priced(call, *_unheard(call)))
                raise failed from exc
        usage = self._usage(message, call, text)
        self._bill(call, usage)
        if not text.strip():
            raise _FailedAttemptError("empty", may_help_again=True)
        return Completion(text, usage)

    def _give_up(self, call: "_Call") -> None:
        """The time is over: the server's fault if it was asked at all, else there were too many before us."""
        self._count("timeout" if call.reached_server else "busy")
        if call.reached_server:
            call.permit.failed()

    def _pause(self, attempt: int) -> float:
        return self._dice.uniform(0.5, 1.0) * min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**attempt)

    def _usage(self, message: Any, call: "_Call", text: str) -> Usage:
        """What the server counted; what it did not is estimated, so that a budget holds with any server."""
        counted = message.usage_metadata or {}
        tokens_in = counted.get("input_tokens") or _unheard(call)[0]
        return self._priced(call, tokens_in, counted.get("output_tokens") or _estimated(text))

    def _priced(self, call: "_Call", tokens_in: int, tokens_out: int) -> Usage:
        price_in, price_out = self._options.prices.get(self._options.model, (0.0, 0.0))
        cost = (tokens_in * price_in + tokens_out * price_out) / _TOKENS_A_PRICE_UNIT
        return Usage(self._options.model, prompt_hash(call.system), tokens_in, tokens_out, cost)

    def _bill(self, call: "_Call", usage: Usage) -> None:
        if call.charge is not None:
            call.charge(usage)
        self._metrics.model_tokens.labels(self._options.model, "input").inc(usage.input_tokens)
        self._metrics.model_tokens.labels(self._options.model, "output").inc(usage.output_tokens)
        self._metrics.model_cost.labels(self._options.model).inc(usage.cost_usd)

    def _count(self, outcome: str) -> None:
        self._metrics.model_calls.labels(self._options.model, outcome).inc()

    def _show_breaker(self) -> None:
        level = _BREAKER_LEVELS[self._breaker.state]
        if level != self._shown_level:
            self._shown_level = level
            self._metrics.model_breaker.labels(self._options.model).set(level)
            logger.warning("the model %s: circuit breaker %s", self._options.model, self._breaker.state.value)


@dataclass(slots=True)
class _Call:
    """One call on its way; `reached_server` is false while it waits for a free place."""

    system: str
    user: str
    seconds: float
    permit: Permit
    charge: Callable[[Usage], None] | None
    reached_server: bool = False


class _FailedAttemptError(Exception):
    def __init__(
        self,
        outcome: str,
        *,
        may_help_again: bool,
        blames_server: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.may_help_again = may_help_again
        self.blames_server = blames_server
        self._headers = headers or {}

    def retry_after_seconds(self, now: int) -> float:
        """How long the server asks us to wait (RFC 9110, 10.2.3: seconds or a date); 0 when it does not say."""
        said = self._headers.get("retry-after", "").strip()
        with suppress(ValueError):
            seconds = float(said)
            return max(0.0, seconds) if math.isfinite(seconds) else 0.0
        with suppress(ValueError, TypeError, OverflowError):
            return max(0.0, parsedate_to_datetime(said).timestamp() - now / 1000)
        return 0.0


def _open(options: ModelOptions) -> "ChatOpenAI":
    import langsmith.run_helpers  # noqa: F401, PLC0415 - so that no import is left for the event loop
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - takes a second to import; only with a key
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient  # noqa: PLC0415 - comes with langchain_openai
    from pydantic import SecretStr  # noqa: PLC0415 - with its only user

    return ChatOpenAI(
        model=options.model,
        api_key=SecretStr(options.api_key or NO_KEY),
        base_url=options.base_url or None,
        timeout=options.timeout_seconds,
        # Its own: left to itself langchain hands the same connections to every model with this address and time-out,
        # also after one of them was closed.
        http_client=DefaultHttpxClient(),
        http_async_client=DefaultAsyncHttpxClient(),
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
        out_of_quota = getattr(exc, "code", None) == "insufficient_quota"  # 429 as well, but no pause mends it
        return _FailedAttemptError(
            f"status_{status}",
            may_help_again=(status in _RETRIED_STATUSES or status >= _SERVER_FAULT) and not out_of_quota,
            blames_server=status not in _OUR_FAULTS,
            headers=getattr(getattr(exc, "response", None), "headers", None),
        )
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


def _unheard(call: "_Call") -> tuple[int, int]:
    """The tokens of a call whose answer was not heard: what went in, roughly; what came out is not known."""
    return _estimated(call.system) + _estimated(call.user), 0


def _estimated(text: str) -> int:
    """Tokens, roughly: about four bytes each, whatever the script."""
    return math.ceil(len(text.encode(errors="replace")) / _BYTES_A_TOKEN)

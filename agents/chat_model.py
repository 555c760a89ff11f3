"""One chat model on one server: langchain-openai chat completions, with our own retries, limits, metrics and prices."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agents.circuit_breaker import BreakerState, CircuitBreaker, Permit
from agents.model_costs import cost_usd, estimated_tokens, record
from agents.ports import Completion, ModelError, Usage
from agents.prompt_files import prompt_hash
from database.clock import Clock
from database.metrics import Metrics
from vectorstore.model_attempts import Attempts, FailedAttemptError, failure_of
from vectorstore.openai_embedder import NO_KEY

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

logger = logging.getLogger(__name__)

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
        self._metrics = metrics
        self._attempts = Attempts(options.retries, clock, dice, self._count)
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
        try:
            completion = await self._attempts.until_answered(lambda: self._attempt(chat, call), seconds=call.seconds)
        except FailedAttemptError as exc:
            call.permit.failed() if exc.blames_server else call.permit.withdrawn()
            raise ModelError(f"the model failed: {exc.outcome}") from exc.__cause__
        call.permit.succeeded()
        return completion

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
                failed = failure_of(exc)
                if failed.is_billed:
                    self._bill(call, self._priced(call, *_unheard(call)))
                raise failed from exc
        usage = self._usage(message, call, text)
        self._bill(call, usage)
        if not text.strip():
            raise FailedAttemptError("empty", may_help_again=True)
        return Completion(text, usage)

    def _give_up(self, call: "_Call") -> None:
        """The time is over: the server's fault if it was asked at all, else there were too many before us."""
        self._count("timeout" if call.reached_server else "busy")
        if call.reached_server:
            call.permit.failed()

    def _usage(self, message: Any, call: "_Call", text: str) -> Usage:
        """What the server counted; what it did not is estimated, so that a budget holds with any server."""
        counted = message.usage_metadata or {}
        tokens_in = counted.get("input_tokens") or _unheard(call)[0]
        return self._priced(call, tokens_in, counted.get("output_tokens") or estimated_tokens(text))

    def _priced(self, call: "_Call", tokens_in: int, tokens_out: int) -> Usage:
        cost = cost_usd(tokens_in, tokens_out, self._options.prices.get(self._options.model, (0.0, 0.0)))
        return Usage(self._options.model, prompt_hash(call.system), tokens_in, tokens_out, cost)

    def _bill(self, call: "_Call", usage: Usage) -> None:
        if call.charge is not None:
            call.charge(usage)
        record(self._metrics, usage)

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


def _text(message: Any) -> str:
    content = message.content
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content)


def _unheard(call: "_Call") -> tuple[int, int]:
    """The tokens of a call whose answer was not heard: what went in, roughly; what came out is not known."""
    return estimated_tokens(call.system) + estimated_tokens(call.user), 0

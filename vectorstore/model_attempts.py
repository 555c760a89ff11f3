"""Calls of OpenAI's API, or of any server that speaks it: what a failure means, and when to try again.

Here and not beside the chat model's line, since embeddings are asked for in the same way.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from database.clock import Clock
from vectorstore.retry_after import retry_after_seconds

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
_TOO_MANY_REQUESTS = 429
_RETRIED_STATUSES = frozenset({408, 409, 425, _TOO_MANY_REQUESTS})
_SERVER_FAULT = 500
# What is wrong with one request says nothing about the next: too long, refused by a filter, not understood.
_OUR_FAULTS = frozenset({400, 413, 422})
# The server may have answered, and bills it; what it refused or never got costs nothing.
_BILLED_FAILURES = frozenset({"timeout", "nonsense"})
T = TypeVar("T")


class FailedAttemptError(Exception):
    """One try that failed, by what it is called in metrics; its cause is chained."""

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

    @property
    def is_billed(self) -> bool:
        """Whether it may cost something all the same."""
        return self.outcome in _BILLED_FAILURES

    def retry_after_seconds(self, now: int) -> float:
        """How long the server asks us to wait; 0 when it does not say."""
        return retry_after_seconds(self._headers.get("retry-after", ""), now)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Tries again where that may help, `retries` times at most; `count` hears how each failed try is called."""

    retries: int
    clock: Clock
    dice: random.Random
    count: Callable[[str], None]

    async def until_answered(self, attempt: Callable[[], Awaitable[T]], *, seconds: float) -> T:
        """What `attempt` returns. Raises its last FailedAttemptError; `seconds` is how long somebody waits for it.

        A server that asks for a longer pause than that is not asked again.
        """
        for past in range(self.retries + 1):
            try:
                return await attempt()
            except FailedAttemptError as exc:
                self.count(exc.outcome)
                pause = max(self._pause(past), exc.retry_after_seconds(self.clock.now()))
                if not exc.may_help_again or past == self.retries or pause >= seconds:
                    raise
            await self.clock.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pause(self, past: int) -> float:
        return self.dice.uniform(0.5, 1.0) * min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**past)


def failure_of(exc: Exception) -> FailedAttemptError:
    """What an exception of openai's client, or of whoever reads its answer, means."""
    status = getattr(exc, "status_code", None)
    if isinstance(status, int):
        out_of_quota = getattr(exc, "code", None) == "insufficient_quota"  # 429 as well, but no pause mends it
        return FailedAttemptError(
            f"status_{status}",
            may_help_again=(status in _RETRIED_STATUSES or status >= _SERVER_FAULT) and not out_of_quota,
            blames_server=status not in _OUR_FAULTS,
            headers=getattr(getattr(exc, "response", None), "headers", None),
        )
    from openai import APIConnectionError, APITimeoutError  # noqa: PLC0415 - takes its time; it has been imported by now

    if isinstance(exc, APITimeoutError | TimeoutError):
        return FailedAttemptError("timeout", may_help_again=True)
    if isinstance(exc, APIConnectionError):
        return FailedAttemptError("connection", may_help_again=True)
    return FailedAttemptError("nonsense", may_help_again=True)

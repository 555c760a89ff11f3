"""A circuit breaker: leaves a server alone that fails call after call, and asks it again with one call at a time."""

from enum import StrEnum

from database.clock import Clock

LONGEST_FACTOR = 8


class BreakerState(StrEnum):
    """`closed` lets every call through, `open` none, `half_open` one: the probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Permit:
    """Leave to make one call. Its holder says once what came of it; what comes too late to matter is not heard."""

    def __init__(self, breaker: "CircuitBreaker", era: int) -> None:
        self._breaker = breaker
        self._era = era

    def succeeded(self) -> None:
        """The server answered."""
        self._breaker.hear(self._era, failed=False)

    def failed(self) -> None:
        """The server did not, and that was its own fault."""
        self._breaker.hear(self._era, failed=True)

    def withdrawn(self) -> None:
        """Nothing was learned of the server: the call was given up, or was wrong in itself."""
        self._breaker.hear(self._era, failed=None)


class CircuitBreaker:
    """Opens after `failures` failed calls in a row, for `seconds`; each failed probe doubles that, up to eight times.

    An era lasts from one change of state to the next: a call that was let through in another one changes nothing.
    """

    def __init__(self, clock: Clock, *, failures: int, seconds: float) -> None:
        self._clock = clock
        self._failures_to_open = failures
        self._seconds = seconds
        self._state = BreakerState.CLOSED
        self._era = 0
        self._failures = 0
        self._factor = 1
        self._open_until = 0.0

    @property
    def state(self) -> BreakerState:
        """An open one stays so until somebody asks for a permit after its time."""
        return self._state

    def admit(self) -> Permit | None:
        """Leave to make a call, or None while the server is left alone or probed."""
        if self._state is BreakerState.HALF_OPEN:
            return None
        if self._state is BreakerState.OPEN:
            if self._clock.monotonic() < self._open_until:
                return None
            self._become(BreakerState.HALF_OPEN)
        return Permit(self, self._era)

    def hear(self, era: int, *, failed: bool | None) -> None:
        """For permits: what came of a call of that era; None for nothing."""
        if era != self._era:
            return
        if failed is None:
            if self._state is BreakerState.HALF_OPEN:
                self._become(BreakerState.OPEN)  # its time is over: the next caller probes
        elif failed:
            self._count_failure()
        else:
            self._failures, self._factor = 0, 1
            if self._state is not BreakerState.CLOSED:
                self._become(BreakerState.CLOSED)

    def _count_failure(self) -> None:
        self._failures += 1
        if self._state is BreakerState.HALF_OPEN:
            self._factor = min(self._factor * 2, LONGEST_FACTOR)
        elif self._failures < self._failures_to_open:
            return
        self._open_until = self._clock.monotonic() + self._seconds * self._factor
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self._state = state
        self._era += 1

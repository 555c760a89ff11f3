"""How fast a number may send: to one customer, and in all (WHATSAPP.md 6)."""

from bot.simulator.customers import Customer
from bot.simulator.refusals import MetaRefusalError
from database.clock import Clock

PAIR_SECONDS = 6.0
PAIR_BURST = 45


class PairRate:
    """One message in six seconds to one customer; a burst of 45 at once borrows from the future."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def check(self, customer: Customer) -> None:
        """Count a message, or refuse it. Raises MetaRefusalError."""
        now = self._clock.monotonic()
        if now >= customer.burst_at + PAIR_SECONDS * customer.burst_size:
            customer.burst_at, customer.burst_size = now, 0
        elif customer.burst_size >= PAIR_BURST or now >= customer.burst_at + PAIR_SECONDS:
            raise MetaRefusalError(131056, "Too many messages sent to this customer in a short time.")
        customer.burst_size += 1


class NumberRate:
    """Messages a second, in and out together; only sends are refused. `rate` None takes everything."""

    def __init__(self, clock: Clock, rate: float | None) -> None:
        self._clock = clock
        self._rate = rate
        self._left = rate or 0.0
        self._at = clock.monotonic()

    def check_send(self) -> None:
        """Count a message that the business sends, or refuse it. Raises MetaRefusalError."""
        if self._rate is None:
            return
        self._refill(self._rate)
        if self._left < 1:
            raise MetaRefusalError(130429, "The number's throughput has been reached.")
        self._left -= 1

    def count_received(self) -> None:
        """Count a message that a customer sends."""
        if self._rate is not None:
            self._refill(self._rate)
            self._left = max(self._left - 1, 0.0)

    def _refill(self, rate: float) -> None:
        now = self._clock.monotonic()
        self._left = min(self._left + (now - self._at) * rate, rate)
        self._at = now

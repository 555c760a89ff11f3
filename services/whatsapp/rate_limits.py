"""How fast Meta lets us send: per number, and per customer (WHATSAPP.md 6). Nothing here waits: it says how long to."""

from collections import deque
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from database.clock import Clock

_PAIR_SECONDS = 6.0
_PAIR_BURST = 45
PAIR_MEMORY_SECONDS = 270  # when all that may be owed has been paid
_WORST_REFUSALS = 6
_FORGET_EVERY = 1_000
_LEAST_WAIT = 0.001  # seconds; less would spin on the rounding of floats


class NumberRate:
    """At most `rate_per_second` messages in any second, in and out together; 80 is Meta's default.

    What comes in is counted but never stopped, up to nine tenths of the rate: a flood of it slows replies down,
    it cannot end them.
    """

    def __init__(self, rate_per_second: float, clock: Clock) -> None:
        self._limit = max(1, int(rate_per_second))
        self._window_seconds = self._limit / rate_per_second
        self._clock = clock
        self._sent: deque[float] = deque()
        self._received: deque[float] = deque(maxlen=self._limit - max(1, self._limit // 10))

    def count_inbound(self, n: int = 1) -> None:
        """Note `n` messages that came in now."""
        self._received.extend([self._clock.monotonic()] * min(n, self._limit))

    def wait_seconds(self) -> float:
        """Seconds until a message may go; 0 means now. Takes nothing."""
        now = self._clock.monotonic()
        for moments in (self._sent, self._received):
            while moments and moments[0] <= now - self._window_seconds:
                moments.popleft()
        excess = len(self._sent) + len(self._received) - self._limit
        if excess < 0:
            return 0.0
        freed_by = next(islice(merge(self._sent, self._received), excess, None))
        return max(freed_by + self._window_seconds - now, _LEAST_WAIT)

    def reserve(self) -> float:
        """0 when a message may go now, which it then counts as; else the seconds to wait, and nothing is counted."""
        wait = self.wait_seconds()
        if not wait:
            self._sent.append(self._clock.monotonic())
        return wait


@dataclass(slots=True)
class _Pair:
    paid_until: float
    refusals: int = 0
    blocked_until: float = 0.0


class PairRate:
    """One message every 6 seconds to a customer, with a burst of 45 that borrows from the future.

    Each message costs 6 seconds; up to 45 messages may be owed (docs/decisions/0004). A customer is any text that
    names one pair of number and person. Only those who owe time are remembered.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pairs: dict[str, _Pair] = {}
        self._reservations = 0

    def wait_seconds(self, customer: str) -> float:
        """Seconds until a message may go to this customer; 0 means now. Takes nothing."""
        now = self._clock.monotonic()
        pair = self._pairs.get(customer)
        if pair is None:
            return 0.0
        free_at = max(pair.paid_until - (_PAIR_BURST - 1) * _PAIR_SECONDS, pair.blocked_until)
        return max(free_at - now, _LEAST_WAIT) if free_at > now else 0.0

    def reserve(self, customer: str) -> float:
        """0 when a message may go now, which it then counts as; else the seconds to wait, and nothing is counted."""
        wait = self.wait_seconds(customer)
        if wait:
            return wait
        now = self._clock.monotonic()
        pair = self._pairs.setdefault(customer, _Pair(now))
        pair.paid_until = max(pair.paid_until, now) + _PAIR_SECONDS
        self._forget_the_idle(now)
        return 0.0

    def remember(self, customer: str, seconds_ago: float) -> None:
        """Count a message that an earlier process sent; the oldest first."""
        sent_at = self._clock.monotonic() - seconds_ago
        pair = self._pairs.setdefault(customer, _Pair(sent_at))
        pair.paid_until = max(pair.paid_until, sent_at) + _PAIR_SECONDS

    def refused(self, customer: str) -> float:
        """Meta said 131056: wait 4^X seconds, X counting refusals in a row from 0; the seconds to wait.

        What was refused did not go, and is not owed.
        """
        now = self._clock.monotonic()
        pair = self._pairs.setdefault(customer, _Pair(now))
        pause = 4.0 ** min(pair.refusals, _WORST_REFUSALS)
        pair.refusals += 1
        pair.paid_until = max(pair.paid_until - _PAIR_SECONDS, now)
        pair.blocked_until = now + pause
        return self.wait_seconds(customer)

    def accepted(self, customer: str) -> None:
        """Meta took a message: refusals are counted from 0 again."""
        pair = self._pairs.get(customer)
        if pair is not None:
            pair.refusals = 0

    def __len__(self) -> int:
        """How many customers are remembered."""
        return len(self._pairs)

    def _forget_the_idle(self, now: float) -> None:
        self._reservations += 1
        if self._reservations % _FORGET_EVERY == 0:
            worst_pause = 4.0**_WORST_REFUSALS
            self._pairs = {
                customer: pair
                for customer, pair in self._pairs.items()
                if now < max(pair.paid_until, pair.blocked_until) + (worst_pause if pair.refusals else 0.0)
            }

"""How many vectors go to the store at once: many cost less each, few let a question through sooner.

Every call has a price of its own, about as much as 12 vectors (measured): slices that are too small make a busy machine
busier. Nobody's question should wait long for one either.
"""

SMALLEST = 16
ASKED_MOST, ASKED_SECONDS = 128, 0.015
QUIET_MOST, QUIET_SECONDS = 256, 0.080
# Who asked a moment ago asks again.
ASKING_SECONDS = 2.0


class SliceSize:
    """Follows what slices take. `now` is any clock in seconds that goes forward."""

    def __init__(self) -> None:
        self._size = ASKED_MOST
        self._asked_at = float("-inf")

    def asked(self, now: float) -> None:
        """Somebody has asked the store."""
        self._asked_at = now

    def took(self, rows: int, seconds: float, now: float) -> None:
        """A slice of so many rows took so long."""
        aim = ASKED_SECONDS if self.asks(now) else QUIET_SECONDS
        fitting = int(rows * aim / seconds) if seconds > 0 else QUIET_MOST
        self._size = max(SMALLEST, min(QUIET_MOST, (self._size + fitting) // 2))

    def rows(self, now: float) -> int:
        """For the next slice."""
        return min(self._size, ASKED_MOST) if self.asks(now) else self._size

    def asks(self, now: float) -> bool:
        """Whether somebody asked a moment ago, and so is likely to ask again."""
        return now - self._asked_at < ASKING_SECONDS

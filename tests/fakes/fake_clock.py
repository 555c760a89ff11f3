"""A clock that stands still until a test moves it."""

import asyncio
import heapq
import itertools


class FakeClock:
    """Implements database.clock.Clock; `advance(seconds)` wakes whoever slept long enough, in order."""

    def __init__(self, now: int = 1_760_000_000_000) -> None:
        self._now = now
        self._seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def now(self) -> int:
        return self._now + int(self._seconds * 1000)

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._seconds + seconds, next(self._count), woken))
        await woken

    def set_back(self, seconds: float) -> None:
        """The time of day is another from now on; sleepers wait as long as before."""
        self._now -= int(seconds * 1000)

    @property
    def sleepers(self) -> int:
        """How many wait."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move on; sleepers wake in order, each at its own moment, with time for what they start."""
        end = self._seconds + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            self._seconds = max(self._seconds, due)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self._seconds = end
        await settle()


async def settle(rounds: int = 20) -> None:
    """Let tasks that are ready run."""
    for _ in range(rounds):
        await asyncio.sleep(0)

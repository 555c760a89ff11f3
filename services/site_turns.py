"""Who may ask which web site when: one at a time, with the pause that the site wants between two pages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from database.clock import Clock

_MOST_PAUSES = 500


class SiteTurns:
    """For all who read the web together, whatever makes them: a sweep, an address that is added, a look."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._next: dict[str, float] = {}

    @asynccontextmanager
    async def turn(self, site: str) -> AsyncIterator[None]:
        """The site is ours for the length of the block; who came first goes first."""
        async with self._turns.setdefault(site, asyncio.Lock()):
            yield

    async def wait(self, site: str) -> None:
        """Until the site's pause is over. Needs its turn."""
        seconds = self._next.get(site, 0.0) - self._clock.monotonic()
        if seconds > 0:
            await self._clock.sleep(seconds)

    def rest(self, site: str, seconds: float) -> None:
        """The site wants this pause from now on."""
        now = self._clock.monotonic()
        self._next.pop(site, None)
        if len(self._next) >= _MOST_PAUSES:
            self._next = {each: until for each, until in self._next.items() if until > now}
        if seconds > 0:
            self._next[site] = now + seconds

"""What sites ask of programs: their robots.txt (RFC 9309), read with our own fetcher and remembered for an hour."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from database.clock import Clock
from services.robots_rules import RobotsRules
from services.web_addresses import origin
from services.web_errors import ROBOTS, WebError, WebRefusedError
from services.web_fetch import Fetched

_FIRST_BYTES = 500 * 1024  # RFC 9309, 2.5
_REMEMBERED_SECONDS = 3600.0
_FAILURE_SECONDS = 60.0
_MOST_SITES = 500
_NO_RULES = range(400, 500)  # RFC 9309, 2.3.1.3: then nothing is forbidden; 2.3.1.4: beyond, all of it is
_LONGEST_DELAY_SECONDS = 10.0


class Fetcher(Protocol):
    """What fetches an address."""

    @property
    def user_agent(self) -> str:
        """How it names itself."""
        ...

    async def fetch(
        self, address: str, *, etag: str | None = None, last_modified: str | None = None, first_bytes: int | None = None
    ) -> Fetched:
        """What is at the address. Raises WebError."""
        ...


@dataclass(frozen=True, slots=True)
class _Remembered:
    rules: RobotsRules | WebError
    until: float


class WebRobots:
    """May be asked by many at once."""

    def __init__(self, fetcher: Fetcher, clock: Clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._name = fetcher.user_agent.partition("/")[0]
        self._sites: OrderedDict[str, _Remembered] = OrderedDict()

    async def admit(self, address: str) -> float:
        """How many seconds the site wants between two pages, at most 10. Raises WebError when it wants none read."""
        rules = await self._rules(origin(address))
        if isinstance(rules, WebError):
            # a new one: the traceback of the first asker is nobody else's
            raise type(rules)(str(rules), rules.status)
        if not await asyncio.to_thread(rules.allow, address):
            raise WebRefusedError(ROBOTS)
        return min(rules.delay, _LONGEST_DELAY_SECONDS)

    async def _rules(self, site: str) -> RobotsRules | WebError:
        known = self._sites.get(site)
        if known is not None and known.until > self._clock.monotonic():
            return known.rules
        rules = await self._read(site)
        seconds = _FAILURE_SECONDS if isinstance(rules, WebError) else _REMEMBERED_SECONDS
        self._sites[site] = _Remembered(rules, self._clock.monotonic() + seconds)
        self._sites.move_to_end(site)
        while len(self._sites) > _MOST_SITES:
            self._sites.popitem(last=False)
        return rules

    async def _read(self, site: str) -> RobotsRules | WebError:
        try:
            fetched = await self._fetcher.fetch(f"{site}/robots.txt", first_bytes=_FIRST_BYTES)
        except WebError as error:
            return RobotsRules() if error.status in _NO_RULES else type(error)(f"Its robots.txt: {error}", error.status)
        content = fetched.content or b""
        if len(content) == _FIRST_BYTES:
            content = content.rpartition(b"\n")[0]  # what is left of a line may mean something else
        return await asyncio.to_thread(RobotsRules.read, content.decode("utf-8-sig", "replace"), self._name)

"""Completions that were given before: bounded in number and age; identical calls under way are made once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace

from agents.ports import Completion
from database.clock import Clock


@dataclass(slots=True)
class _Flight:
    """A call under way, and how many wait for it."""

    task: asyncio.Task[Completion]
    waiting: int = 0


class ModelMemory:
    """`entries` 0 remembers nothing and joins nothing; `seconds` is how long an answer is given again.

    Whoever finds an answer useless calls its `reject`, and it is forgotten.
    """

    def __init__(self, clock: Clock, *, entries: int, seconds: float) -> None:
        self._clock = clock
        self._entries = entries
        self._seconds = seconds
        self._kept: OrderedDict[Hashable, tuple[float, Completion]] = OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[Completion]]) -> tuple[Completion, bool]:
        """The completion of `key`, asked for if need be, and whether somebody else had paid for it.

        Raises what `ask` raises, for everybody who waits for it; that is not remembered.
        """
        if not self._entries:
            return await ask(), False
        kept = self._remembered(key)
        if kept is not None:
            return kept, True
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = _Flight(asyncio.create_task(self._asked(key, ask), name="a model call that others may join"))
            self._flights[key] = flight
        return await self._landed(key, flight), joined

    def __len__(self) -> int:
        return len(self._kept)

    def _remembered(self, key: Hashable) -> Completion | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        until, completion = kept
        if self._clock.monotonic() >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return completion

    async def _landed(self, key: Hashable, flight: _Flight) -> Completion:
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                # Everybody gave up, so nobody pays for an answer that nobody reads.
                self._leave(key, flight)
                flight.task.cancel()
                await asyncio.gather(flight.task, return_exceptions=True)

    async def _asked(self, key: Hashable, ask: Callable[[], Awaitable[Completion]]) -> Completion:
        flight = self._flights[key]
        try:
            completion = replace(await ask(), reject=lambda: self._forget(key))
        finally:
            self._leave(key, flight)
        self._kept[key] = (self._clock.monotonic() + self._seconds, completion)
        while len(self._kept) > self._entries:
            self._kept.popitem(last=False)
        return completion

    def _leave(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _forget(self, key: Hashable) -> None:
        self._kept.pop(key, None)

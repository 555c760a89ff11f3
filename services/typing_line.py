"""Shows the customer that they were read, and that somebody is typing while a turn thinks.

A quick turn only marks its messages as read: a typing indicator that comes after the reply would be a lie, and it
cannot be shown without marking read (WHATSAPP.md 4.3).
"""

import asyncio
import logging
from typing import Protocol

from database.claims import Claim
from database.clock import Clock

logger = logging.getLogger(__name__)

TYPING_AFTER_SECONDS = 0.3
CALL_TIMEOUT_SECONDS = 5.0
AT_ONCE = 32


class ReadLine(Protocol):
    """What we need of the line to Meta."""

    async def mark_read(self, number_id: str, wamid: str, *, typing: bool, timeout_seconds: float) -> None:
        """Mark a message and all before it as read, with or without the typing indicator."""
        ...


class TypingLine:
    """One small task a turn; nobody waits for it, and its failure costs nothing but a log line."""

    def __init__(self, line: ReadLine, clock: Clock) -> None:
        self._line = line
        self._clock = clock
        self._waits: dict[str, asyncio.Task[None]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    def begin(self, held: Claim) -> None:
        """A turn thinks: if it takes long enough to notice, the customer sees somebody typing."""
        if held.mode != "bot" or held.opted_out or held.blocked:
            return
        task = asyncio.create_task(self._type_later(held), name="typing")
        self._waits[held.turn_id] = task

    def end(self, held: Claim) -> None:
        """The turn has thought: a quick one is marked as read now."""
        wait = self._waits.pop(held.turn_id, None)
        if wait is not None and not wait.done():
            wait.cancel()
            self._call(held, typing=False)

    async def drain(self) -> None:
        """Drop what is under way."""
        tasks = [*self._waits.values(), *self._calls]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _type_later(self, held: Claim) -> None:
        await self._clock.sleep(TYPING_AFTER_SECONDS)
        self._call(held, typing=True)

    def _call(self, held: Claim, *, typing: bool) -> None:
        if len(self._calls) >= AT_ONCE:
            return  # a courtesy, not a promise: under load the reply matters more
        task = asyncio.create_task(self._mark(held, typing=typing), name="mark read")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _mark(self, held: Claim, *, typing: bool) -> None:
        try:
            await self._line.mark_read(
                held.number_id, held.messages[-1].wamid, typing=typing, timeout_seconds=CALL_TIMEOUT_SECONDS
            )
        except Exception as error:  # noqa: BLE001 - a courtesy call must not disturb anything
            logger.info("marking as read failed: %s", type(error).__name__)

"""Joins a customer's burst of messages: how long to wait for more, and the timers that end the wait.

The due time lives in the database, set in the unit that stores the message; the timers here are only the fast path.
A sweep finds what a lost timer would have left behind.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable
from dataclasses import dataclass

from database.clock import Clock
from database.records import InboundMessage

logger = logging.getLogger(__name__)

# Most pauses inside a burst are far longer than anybody would wait for an answer (median 22 s in support chats that
# were measured), so the window is the quiet time alone unless something says that more is coming, and a newer message
# supersedes the turn. What says so was looked for in `make bench`: texts that end in the middle, texts of
# a word or three, and people who are typing one line after another. Texts without a full stop do not.
ENDINGS = (".", "?", "!", "。", "？", "！", "؟", "।", "…", ")")  # noqa: RUF001 - how other scripts end a sentence
UNFINISHED = (",", ";", ":", "-", "،", "、", "，", "：")  # noqa: RUF001 - how other scripts go on
SHORT_WORDS = 3
UNFINISHED_FACTOR = 3.0
PACE_FACTOR = 1.5
LONGEST_PACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class BatchWindow:
    """How long a burst may grow: the quiet time after a message, and the hard cap from the first one. Seconds."""

    quiet_seconds: float = 1.0
    max_seconds: float = 6.0

    def due_at(self, now: int, burst_at: int, message: InboundMessage, pause: int | None = None) -> int:
        """When the turn is due after this message, in epoch milliseconds.

        `pause` is how long the customer had been quiet before it, in milliseconds; None for a burst's first message.
        Never sooner than the quiet time after it, except for a button, which says all there is to say; never later
        than the hard cap after the burst began.
        """
        if message.button_id is not None:
            return now
        wait = max(self.quiet_seconds * _factor(message.text or ""), self.quiet_seconds + _pace(pause))
        return min(now + int(wait * 1000), max(burst_at + int(self.max_seconds * 1000), now))


def _factor(text: str) -> float:
    typed = text.strip()
    if typed.endswith(ENDINGS):
        return 1.0
    goes_on = typed.endswith(UNFINISHED) or (len(typed.split()) <= SHORT_WORDS and typed.isascii())
    return UNFINISHED_FACTOR if goes_on else 1.0


def _pace(pause: int | None) -> float:
    """What somebody needs for another line who typed the last one in so many milliseconds; 0 for who does not hurry."""
    seconds = (pause or 0) / 1000
    return PACE_FACTOR * seconds if 0 < seconds <= LONGEST_PACE_SECONDS else 0.0


class MessageBatcher:
    """One timer a conversation; `on_due(conversation_id)` is called on the loop when its wait is over."""

    def __init__(self, clock: Clock, on_due: Callable[[str], None]) -> None:
        self._clock = clock
        self._on_due = on_due
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._serve(), name="message batcher")

    def add(self, conversation_id: str, due_at: int) -> None:
        """Wait until `due_at` (epoch milliseconds); a newer due time replaces an older one. On the loop only."""
        if self._due.get(conversation_id) == due_at:
            return
        self._due[conversation_id] = due_at
        heapq.heappush(self._heap, (due_at, conversation_id))
        if self._heap[0] == (due_at, conversation_id):
            self._changed.set()

    def add_threadsafe(self, conversation_id: str, due_at: int) -> None:
        """The same from any thread."""
        self._loop.call_soon_threadsafe(self.add, conversation_id, due_at)

    @property
    def waiting(self) -> int:
        """Conversations whose wait is not over."""
        return len(self._due)

    async def close(self) -> None:
        """Stop the timers; what waits is in the database and is taken up at the next start."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self) -> None:
        while True:
            self._changed.clear()
            self._fire()
            await self._until_next()

    def _fire(self) -> None:
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            due_at, conversation_id = heapq.heappop(self._heap)
            if self._due.get(conversation_id) != due_at:
                continue  # replaced by a newer due time
            del self._due[conversation_id]
            try:
                self._on_due(conversation_id)
            except Exception:
                logger.exception("a due conversation could not be started")

    async def _until_next(self) -> None:
        if not self._heap:
            await self._changed.wait()
            return
        pause = asyncio.ensure_future(self._clock.sleep(max(self._heap[0][0] - self._clock.now(), 0) / 1000))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((pause, changed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            changed.cancel()

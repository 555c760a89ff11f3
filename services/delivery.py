"""Sends what is queued: once, in order, and again only when nothing tells that it arrived.

One message is in flight per conversation. An attempt is on disk before the first byte leaves; its id comes back in
the statuses. Without a definite answer the message stays unconfirmed until a status settles it, or until the grace
(services/delivery_grace.py) is over and every status in the inbox has been handled.
"""

import asyncio
import logging
import random
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from database.clock import Clock
from database.engine import Database, DatabaseClosedError
from database.metrics import Metrics
from database.outbox import (
    Attempt,
    begin,
    correct_send_times,
    due_rows,
    expire_attempts,
    next_due_at,
    queue_depths,
    recent_sends,
    take_over,
    unconfirmed_rows,
)
from database.send_results import Refusal, accepted, refused, send_again, unsure
from database.transaction import Unit
from services.delivery_grace import Grace, OpenDoor
from services.delivery_rules import DeliveryOptions, Rules
from services.whatsapp.error_codes import RetryClass, classify, explain
from services.whatsapp.errors import NotSentError, RefusedError, SendError
from services.whatsapp.rate_limits import PAIR_MEMORY_SECONDS

logger = logging.getLogger(__name__)

IDLE_SECONDS = 3600.0  # when nothing is queued: whoever queues something wakes us
LAST_TRIES = 5
PAIR_LIMIT = 131056
BATCH = 100


class SendLine(Protocol):
    """What we need of the line to Meta."""

    async def send(
        self,
        number_id: str,
        message: Mapping[str, Any],
        *,
        phone: str | None,
        bsuid: str | None,
        attempt_id: str,
        timeout_seconds: float,
    ) -> str:
        """The wamid. Raises RefusedError, NotSentError or UnsureError."""
        ...


class Delivery:
    """One task that begins attempts, and a task for each that is under way."""

    def __init__(
        self,
        database: Database,
        line: SendLine,
        clock: Clock,
        dice: random.Random,
        metrics: Metrics,
        options: DeliveryOptions,
        door: OpenDoor,
        *,
        caught_up: Callable[[], Awaitable[bool]],
    ) -> None:
        self._database = database
        self._line = line
        self._clock = clock
        self._dice = dice
        self._metrics = metrics
        self._options = options
        self.rules = Rules(options, clock)
        self._door = door
        self._grace = Grace(door, options.grace_seconds)
        self._caught_up = caught_up
        self._wake = asyncio.Event()
        self._sends: set[asyncio.Task[None]] = set()
        self._results: set[asyncio.Task[None]] = set()
        self._fence = 0
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def take_over(self) -> None:
        """At start, as the owner of the data: what an earlier process was sending is unconfirmed now."""
        self._fence = await self._database.write(take_over(self._clock.now()))
        for outbox_id in await self._database.read(unconfirmed_rows()):
            self._grace.begin(outbox_id)
        now = self._clock.now()
        for conversation_id, sent_at in await self._database.read(recent_sends(now - 1000 * PAIR_MEMORY_SECONDS)):
            self.rules.pairs.remember(conversation_id, (now - sent_at) / 1000)

    def start(self) -> None:
        """Begin to send."""
        self._wake.set()
        self._task = asyncio.create_task(self._serve(), name="delivery")

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def drain(self, grace_seconds: float) -> None:
        """Begin nothing new; wait for answers to what is under way. The rest is taken up at the next start.

        What is known about a send is stored, whatever happens to its task.
        """
        self._closing = True
        self._wake.set()
        if self._task:
            await self._task
        if self._sends:
            patience = asyncio.ensure_future(self._clock.sleep(grace_seconds))
            everyone = asyncio.gather(*self._sends, return_exceptions=True)
            await asyncio.wait((patience, everyone), return_when=asyncio.FIRST_COMPLETED)
            patience.cancel()
            for task in set(self._sends):
                task.cancel()
            await asyncio.wait((everyone,))
        await asyncio.gather(*self._results, return_exceptions=True)

    async def sweep(self) -> None:
        """Send again what stayed unconfirmed through its grace; look for what is due."""
        self._door.tick()
        now = self._clock.now()
        await self._database.write(correct_send_times(now + int(self._options.longest_wait_seconds * 1000)))
        for outbox_id in await self._database.write(
            expire_attempts(now - int(self._options.lease_seconds * 1000), now)
        ):
            self._grace.begin(outbox_id)
        over = self._grace.over()
        if over and await self._caught_up():
            again = await self._database.write(send_again(over, self._options.unconfirmed_attempts, self._clock.now()))
            self._grace.forget(over)
            if again:
                logger.warning("%d messages were never confirmed and are sent again", again)
        depths = await self._database.read(queue_depths())
        for state in ("queued", "sending", "unconfirmed"):
            self._metrics.queue_depth.labels(f"outbox_{state}").set(depths.get(state, 0))
        self.wake()

    def problems(self) -> dict[str, str]:
        """Why nothing is sent, by number; empty when all is well."""
        return self.rules.pauses.problems()

    def failed_later(self, number_id: str, code: int) -> None:
        """A webhook told of error `code`: a message that failed after it was accepted, or trouble of the account."""
        self._metrics.sends.labels("failed", str(code)).inc()
        if classify(code, HTTPStatus.BAD_REQUEST) is RetryClass.STOP:
            self._stop(number_id, code)

    async def _serve(self) -> None:
        while not self._closing:
            self._wake.clear()
            pause = 1.0
            try:
                while not self._closing and await self.begin_some():
                    pass
                pause = await self._pause()
            except Exception:
                logger.exception("delivery stumbled and goes on")
            await self._wait(pause)

    async def _pause(self) -> float:
        due_at = await self._database.read(next_due_at(self._clock.now()))
        if due_at is None:
            return IDLE_SECONDS
        return max((due_at - self._clock.now()) / 1000, 0.001)

    async def _wait(self, seconds: float) -> None:
        if self._closing:
            return
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((pause, woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            woken.cancel()

    async def begin_some(self) -> int:
        """Judge what is due and begin to send what may go; how many rows were judged."""
        free = self._options.sends_at_once - len(self._sends)
        if free <= 0:
            return 0  # a send that ends wakes us
        rows = await self._database.read(due_rows(self._clock.now(), min(free, BATCH)))
        if not rows:
            return 0
        verdicts = [self.rules.judge(row) for row in rows]
        attempts = await self._database.write(begin(verdicts, self._fence, self._clock.now()))
        for attempt in attempts:
            task = asyncio.create_task(self._send(attempt), name=f"send {attempt.id}")
            self._sends.add(task)
            task.add_done_callback(self._sent)
        return len(rows)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        self._wake.set()

    async def _send(self, attempt: Attempt) -> None:
        row = attempt.row
        try:
            with self._metrics.send_seconds.time():
                wamid = await self._line.send(
                    row.number_id,
                    row.body,
                    phone=row.phone,
                    bsuid=row.bsuid,
                    attempt_id=attempt.id,
                    timeout_seconds=self._options.send_timeout_seconds,
                )
        except (RefusedError, NotSentError) as error:
            self._refused(attempt, error)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it was, it may have gone
            self._unsure(attempt, error)
        else:
            self._accepted(attempt, wamid)

    def _accepted(self, attempt: Attempt, wamid: str) -> None:
        self._metrics.sends.labels("accepted", "").inc()
        self._door.reopen()
        self.rules.pairs.accepted(attempt.row.conversation_id)
        if self.rules.pauses.works(attempt.row.number_id):
            self._metrics.sending_paused.labels(attempt.row.number_id).set(0)
        self._store(accepted(attempt.id, wamid, self._clock.now()))

    def _unsure(self, attempt: Attempt, error: BaseException) -> None:
        code = error.code if isinstance(error, SendError) else None
        self._metrics.sends.labels("unsure", str(code or "")).inc()
        if not isinstance(error, (SendError, asyncio.CancelledError)):
            logger.error("a send failed in an unknown way", exc_info=error)
        # If a status settles it first, the end of the grace finds nothing to do.
        self._grace.begin(attempt.row.id)
        self._store(unsure(attempt.id, str(error) or type(error).__name__, self._clock.now()))

    def _refused(self, attempt: Attempt, error: SendError) -> None:
        self._metrics.sends.labels("refused", str(error.code or "")).inc()
        if isinstance(error, NotSentError):
            self._door.close()  # where we cannot reach Meta, it hardly reaches us
        else:
            self._door.reopen()
        self._store(refused(attempt.id, self._refusal(attempt, error), self._clock.now()))

    def _store(self, result: Unit[Any]) -> None:
        """Keep what is known about a send; not part of its task, so that nothing that ends the task loses it."""
        task = asyncio.create_task(self._stored(result), name="result of a send")
        self._results.add(task)
        task.add_done_callback(self._results.discard)

    async def _stored(self, result: Unit[Any]) -> None:
        tries = 0
        while True:
            try:
                await self._database.write(result)
            except (sqlite3.Error, TimeoutError, DatabaseClosedError) as fault:
                tries += 1
                logger.error("what became of a send cannot be stored yet: %s", fault)  # noqa: TRY400 - once a second
                if self._closing and tries >= LAST_TRIES:
                    return  # the next start takes it for unconfirmed
                await self._clock.sleep(1.0)
            else:
                self._wake.set()
                return

    def _refusal(self, attempt: Attempt, error: SendError) -> Refusal:
        now = self._clock.now()
        reason = str(error)
        kind = error.retry_class if isinstance(error, RefusedError) else RetryClass.BACK_OFF
        if kind is RetryClass.BACK_OFF:
            due_at = now + int(1000 * self._backoff(attempt, error))
            return Refusal("queued", reason, error.code, due_at)
        if kind is RetryClass.STOP:
            self._stop(attempt.row.number_id, error.code)
            return Refusal("queued", reason, error.code, now)
        if kind in (RetryClass.TEMPLATE, RetryClass.LATER):
            held = "window_closed" if kind is RetryClass.TEMPLATE else reason
            return Refusal("held", held, error.code, now)
        return Refusal("failed", reason, error.code, now)

    def _backoff(self, attempt: Attempt, error: SendError) -> float:
        if error.code == PAIR_LIMIT:
            return self.rules.pairs.refused(attempt.row.conversation_id)
        ceiling = min(2.0**attempt.row.attempts, self._options.longest_backoff_seconds)
        return ceiling / 2 + self._dice.uniform(0, ceiling / 2)

    def _stop(self, number_id: str, code: int | None) -> None:
        problem = f"Sending is paused. {explain(code)}"
        logger.error("number %s: %s", number_id, problem)
        self._metrics.sending_paused.labels(number_id).set(1)
        self.rules.pauses.stop(number_id, problem)

"""Takes events from the inbox into conversations: set-wise, in one unit with all that follows from them."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from database.clock import Clock
from database.engine import Database, DatabaseClosedError
from database.inbox import (
    WaitingEvent,
    bury_event,
    newest_waiting_event,
    oldest_waiting_at,
    settle_events,
    still_waiting,
    waiting_events,
)
from database.messages import Arrival, Due, take_in
from database.metrics import Metrics
from database.records import ClosedReason, InboundMessage
from database.send_results import StatusEvent, apply_statuses
from database.transaction import Transaction, Unit
from services.message_batcher import BatchWindow
from services.whatsapp.errors import MeaninglessEventError
from services.whatsapp.payloads import read_message, read_status, resolve
from services.whatsapp.splitting import parse

logger = logging.getLogger(__name__)

# So many take about 7 ms of the writer beside a busy event loop (measured); a unit is bounded at about 10.
UNIT_EVENTS = 100
# Under load, events are gathered for a moment; a lone message never waits.
BUSY_EVENTS = 16
GATHER_SECONDS = 0.01
# What a customer sent on purpose and expects an answer to; the rest happens around the conversation.
CONTENT_TYPES = frozenset(
    {"text", "button", "interactive", "image", "audio", "video", "voice", "document", "sticker", "location",
     "contacts", "order"}
)  # fmt: skip


@dataclass(slots=True)
class Batch:
    """Events sorted by what is to be done with them."""

    arrivals: list[Arrival] = field(default_factory=list)
    statuses: list[StatusEvent] = field(default_factory=list)
    handled: list[int] = field(default_factory=list)
    ignored: list[int] = field(default_factory=list)
    dead: dict[int, str] = field(default_factory=dict)
    failures: list[tuple[str, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Sorted:
    """Events with their POSTs' bodies, and what is to be done with them. `asked`: how often we had been woken."""

    asked: int
    events: list[WaitingEvent] = field(default_factory=list)
    bodies: dict[int, bytes] = field(default_factory=dict)
    batch: Batch = field(default_factory=Batch)


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What came of a batch: conversations that are due, and how many events were not for us."""

    due: list[Due]
    unknown_statuses: int


class Intake:
    """One task that empties the inbox.

    Called on the loop, once what they tell is on disk: `on_due(conversation_id, due_at)`, `on_status()`,
    `on_inbound(number_id)` a message, `on_failure(number_id, code)` an error that Meta tells by webhook.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        window: BatchWindow,
        numbers: dict[str, str],
        on_due: Callable[[str, int], None],
        on_status: Callable[[], None],
        on_inbound: Callable[[str], None],
        on_failure: Callable[[str, int], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._window = window
        self._numbers = numbers
        self._on_due = on_due
        self._on_status = on_status
        self._on_inbound = on_inbound
        self._on_failure = on_failure
        self._wake = asyncio.Event()
        self._idle = asyncio.Condition()
        self._asked = 0  # how often somebody said that there is something
        self._answered = 0  # up to which of these everything has been handled
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with what an earlier process left."""
        self.wake()
        self._task = asyncio.create_task(self._serve(), name="intake")

    def wake(self) -> None:
        """There may be something in the inbox."""
        self._asked += 1
        self._wake.set()

    async def settled(self) -> None:
        """Wait until what has arrived up to now is in its conversations; in no time when nothing waits.

        A turn that began before would answer a part of a burst.
        """
        asked = self._asked
        while self._answered < asked and not self._closing:
            async with self._idle:
                await self._idle.wait()

    async def drain(self) -> None:
        """Stop after the unit that runs now; what is left is in the inbox."""
        self._closing = True
        self._wake.set()
        if self._task:
            await self._task

    async def caught_up(self) -> bool:
        """Wait until every event that is in the inbox now has been handled.

        False when a whole round handled none of them: the database is at fault, and the caller comes again later.
        """
        newest = await self._database.read(newest_waiting_event())
        before = -1
        while newest and not self._closing:
            waiting, _ = await self._database.read(waiting_events(1))
            if not waiting or waiting[0].id > newest:
                return True
            if waiting[0].id == before:
                return False
            before = waiting[0].id
            self.wake()
            async with self._idle:
                await self._idle.wait()
        return not newest

    async def sweep(self) -> None:
        """Look again, and tell how old the oldest unhandled event is."""
        self.wake()
        oldest = await self._database.read(oldest_waiting_at())
        age = 0 if oldest is None else max(self._clock.now() - oldest, 0) / 1000
        self._metrics.oldest_event_seconds.set(age)

    async def _serve(self) -> None:
        while not self._closing:
            self._wake.clear()
            try:
                while (handled := await self._handle_some()) and not self._closing:
                    if handled >= BUSY_EVENTS:
                        await self._clock.sleep(GATHER_SECONDS)  # fewer, larger units leave the writer to the inbox
            except (sqlite3.Error, TimeoutError, DatabaseClosedError) as fault:
                logger.warning("intake waits for the database: %s", fault)
            except Exception:
                logger.exception("intake stumbled and goes on at the next sweep")
            async with self._idle:
                self._idle.notify_all()
            await self._wake.wait()

    async def _handle_some(self) -> int:
        """Handle what waits now, up to UNIT_EVENTS a unit; how many there were.

        While a unit is being written the next one is read and sorted. Raises sqlite3.Error when the file is at fault.
        """
        handled = 0
        batch = await self._next(after=0)
        while batch.events:
            writing = asyncio.create_task(self._handle(batch), name="intake unit")
            try:
                full = len(batch.events) == UNIT_EVENTS and not self._closing
                following = await self._next(after=batch.events[-1].id) if full else _Sorted(batch.asked)
            finally:
                await writing
            handled += len(batch.events)
            if not full:
                self._answered = batch.asked
            batch = following
            async with self._idle:
                self._idle.notify_all()
        self._answered = batch.asked
        return handled

    async def _next(self, *, after: int) -> _Sorted:
        asked = self._asked
        events, bodies = await self._database.read(waiting_events(UNIT_EVENTS, after))
        return self._sort(events, bodies, asked)

    async def _handle(self, found: _Sorted) -> None:
        try:
            taken = await self._write(found.batch)
        except sqlite3.OperationalError:
            raise  # the file's fault, not an event's: all of them wait
        except Exception:
            logger.exception("a unit of %d events failed; now one by one", len(found.events))
            for event in found.events:
                await self._handle_alone(event, found.bodies)
        else:
            self._tell(found.batch, taken)

    async def _handle_alone(self, event: WaitingEvent, bodies: dict[int, bytes]) -> None:
        batch = self._sort([event], bodies).batch
        try:
            taken = await self._write(batch)
        except sqlite3.OperationalError:
            raise
        except Exception as error:
            logger.exception("event %d goes to the dead letters", event.id)
            batch = Batch(dead={event.id: f"{type(error).__name__}: {error}"})
            taken = await self._write(batch)
        self._tell(batch, taken)

    async def _write(self, batch: Batch) -> TakenIn:
        return await self._database.write(_unit(batch, self._clock.now(), self._window))

    def _tell(self, batch: Batch, taken: TakenIn) -> None:
        """Count, and tell the others; an event that was handled before is told again, which harms nobody."""
        known = len(batch.arrivals) + len(batch.statuses) + len(batch.handled)
        self._metrics.intake_batch_size.observe(known + len(batch.ignored) + len(batch.dead))
        self._metrics.events_dead.inc(len(batch.dead))
        self._metrics.events_ignored.labels("status").inc(taken.unknown_statuses)
        self._metrics.events_ignored.labels("other").inc(len(batch.ignored))
        for due in taken.due:
            self._on_due(due.conversation_id, due.due_at)
        if batch.statuses:
            self._on_status()
        for arrival in batch.arrivals:
            self._on_inbound(arrival.message.phone_number_id)
        for number_id, code in batch.failures:
            self._on_failure(number_id, code)

    def _sort(self, events: list[WaitingEvent], bodies: dict[int, bytes], asked: int = 0) -> _Sorted:
        found = _Sorted(asked, events, bodies)
        documents: dict[int, Any] = {}
        for event in events:
            try:
                if event.post_id not in documents:
                    documents[event.post_id] = parse(bodies[event.post_id])
                self._sort_one(event, documents[event.post_id], found.batch)
            except MeaninglessEventError as reason:
                found.batch.dead[event.id] = str(reason)
            except Exception as error:
                # the edge: one event that our own code cannot bear must not keep its neighbours waiting
                logger.exception("event %d cannot be read", event.id)
                found.batch.dead[event.id] = f"{type(error).__name__}: {error}"
        return found

    def _sort_one(self, event: WaitingEvent, document: Any, batch: Batch) -> None:
        if event.kind == "status":
            status = read_status(document, event.pointer, received_at=event.received_at)
            if status.phone_number_id in self._numbers:
                batch.statuses.append(StatusEvent(event.id, status))
                if status.error_code is not None:
                    batch.failures.append((status.phone_number_id, status.error_code))
                return
        elif event.kind == "message":
            message = read_message(document, event.pointer, received_at=event.received_at)
            business_id = self._numbers.get(message.phone_number_id)
            if business_id is not None:
                batch.arrivals.append(_arrival(event, business_id, message))
                return
        elif event.kind == "errors" and event.phone_number_id in self._numbers:
            code = _code_of(resolve(document, event.pointer))
            if code is not None:
                batch.failures.append((event.phone_number_id, code))
        if event.phone_number_id in self._numbers:
            batch.handled.append(event.id)  # kept and counted: what it means is another part's business
        else:
            batch.ignored.append(event.id)


def _code_of(error: Any) -> int | None:
    """Meta's code of an error in a webhook, wherever it stands alone or in a list."""
    first = error[0] if isinstance(error, list) and error else error
    code = first.get("code") if isinstance(first, dict) else None
    return code if isinstance(code, int) else None


def _arrival(event: WaitingEvent, business_id: str, message: InboundMessage) -> Arrival:
    reason = None
    if message.group_id is not None:
        reason = ClosedReason.NOT_FOR_US
    elif message.type not in CONTENT_TYPES:
        reason = ClosedReason.UNSUPPORTED
    return Arrival(
        event_id=event.id,
        business_id=business_id,
        message=message,
        received_at=event.received_at,
        reason=reason,
        opens_window=message.type in CONTENT_TYPES and message.group_id is None,
    )


def _unit(batch: Batch, now: int, window: BatchWindow) -> Unit[TakenIn]:
    async def unit(transaction: Transaction) -> TakenIn:
        due: list[Due] = []
        if batch.arrivals:
            # handled meanwhile, by a unit whose answer was lost: never a second message
            new = await still_waiting(transaction, [arrival.event_id for arrival in batch.arrivals])
            arrivals = [arrival for arrival in batch.arrivals if arrival.event_id in new]
            due = await take_in(transaction, arrivals, now, window.due_at)
            await settle_events(transaction, "handled", [arrival.event_id for arrival in batch.arrivals])
        unknown = await apply_statuses(transaction, batch.statuses, now)
        strange = set(unknown)
        known = [event.event_id for event in batch.statuses if event.event_id not in strange]
        await settle_events(transaction, "handled", known + batch.handled)
        await settle_events(transaction, "ignored", unknown + batch.ignored)
        for event_id, error in batch.dead.items():
            await bury_event(transaction, event_id, error)
        return TakenIn(due, len(unknown))

    return unit

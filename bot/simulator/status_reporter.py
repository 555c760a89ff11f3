"""Tells the business what became of its messages: in time, late, twice, out of order, or never (WHATSAPP.md 2.3)."""

import asyncio
from dataclasses import dataclass

from bot.simulator.customers import Bubble, Customer, move
from bot.simulator.faults import FaultKind
from bot.simulator.send_fields import Send
from bot.simulator.webhook_events import WebhookEvent, failed_item, status_item, webhook_body
from bot.simulator.world import World

HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was accepted. `customer` is None when WhatsApp loses it without a word (WHATSAPP.md 3.4)."""

    wamid: str
    send: Send
    bubble: Bubble
    customer: Customer | None


@dataclass(frozen=True, slots=True)
class _Fate:
    """The statuses as they will be told. `late` is in seconds, `copies` how often each comes."""

    statuses: tuple[str, ...]
    told: bool = True
    code: int = 0
    late: float = 0.0
    copies: int = 1


class StatusReporter:
    """`report` for statuses that come by themselves, `report_now` for those that overtake the answer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reports: set[asyncio.Task[None]] = set()

    def report(self, taken: Taken) -> None:
        """Have the statuses posted, each after its delay."""
        if taken.customer is None:
            return
        fate = self._fate(taken, taken.customer)
        if fate.late or any(self._world.settings.status_delays_seconds):
            task = asyncio.create_task(self._report_slowly(taken, taken.customer, fate), name="statuses")
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)
        else:
            self._world.webhooks.post(self._events(taken, taken.customer, fate))

    async def report_now(self, taken: Taken) -> None:
        """Post the statuses and return when the business has taken them, or could not."""
        if taken.customer is None:
            return
        events = self._events(taken, taken.customer, self._fate(taken, taken.customer))
        if not events or self._world.account.subscribed is None:
            return
        if await self._world.webhooks.post_body(webhook_body(self._world.settings, events)) != HTTP_OK:
            self._world.webhooks.post(events)

    async def close(self) -> None:
        """Drop the statuses that are still to come."""
        reports = list(self._reports)
        for report in reports:
            report.cancel()
        await asyncio.gather(*reports, return_exceptions=True)

    def _fate(self, taken: Taken, customer: Customer) -> _Fate:
        faults = self._world.faults
        if failed := faults.strikes(FaultKind.FAILED_LATER, customer.id):
            return _Fate(("sent", "failed"), code=failed.code)
        statuses = _usual(taken.send)
        if len(statuses) > 1 and faults.strikes(FaultKind.STATUS_SKIP, customer.id):
            statuses = tuple(status for status in statuses if status != "delivered")
        if faults.strikes(FaultKind.STATUS_SHUFFLE, customer.id):
            statuses = tuple(self._world.dice.sample(statuses, len(statuses)))
        late, double = (faults.strikes(kind, customer.id) for kind in (FaultKind.STATUS_LATE, FaultKind.STATUS_DOUBLE))
        return _Fate(
            statuses,
            told=not faults.strikes(FaultKind.STATUS_LOST, customer.id),
            late=late.seconds if late else 0.0,
            copies=max(double.times, 1) if double else 1,
        )

    def _events(self, taken: Taken, customer: Customer, fate: _Fate) -> list[WebhookEvent]:
        for status in fate.statuses:
            self._move(taken.bubble, status)
        self._tell(customer, taken.bubble)
        told = [self._event(taken, customer, status, fate.code) for status in fate.statuses if fate.told]
        return [event for event in told for _ in range(fate.copies)]

    async def _report_slowly(self, taken: Taken, customer: Customer, fate: _Fate) -> None:
        delays = self._world.settings.status_delays_seconds
        late = fate.late
        for place, status in enumerate(fate.statuses):
            await self._world.clock.sleep(late + (delays[place] if place < len(delays) else 0.0))
            late = 0.0
            self._move(taken.bubble, status)
            self._tell(customer, taken.bubble)
            if fate.told:
                self._world.webhooks.post([self._event(taken, customer, status, fate.code)] * fate.copies)

    def _event(self, taken: Taken, customer: Customer, status: str, code: int) -> WebhookEvent:
        now, send = self._world.clock.now(), taken.send
        if status == "failed":
            item = failed_item(customer, taken.bubble, now, code, by_bsuid=send.by_bsuid, callback=send.callback_data)
            return WebhookEvent("statuses", item | {"id": taken.wamid}, customer.id)
        item = status_item(customer, taken.bubble, status, now, send.callback_data, send.category)
        return WebhookEvent("statuses", item | {"id": taken.wamid}, customer.id, customer.contact())

    @staticmethod
    def _move(bubble: Bubble, status: str) -> None:
        if status != "played":
            move(bubble, status)

    def _tell(self, customer: Customer, bubble: Bubble) -> None:
        change = {"customer": customer.id, "wamid": bubble.wamid, "status": bubble.status}
        self._world.feed.tell("status", change)


def _usual(send: Send) -> tuple[str, ...]:
    """A reaction is only ever sent; a voice note is played in the end (WHATSAPP.md 2.3)."""
    if send.reacts_to is not None:
        return ("sent",)
    played = send.attachment is not None and send.attachment.kind == "voice"
    return ("sent", "delivered", "read", *(["played"] if played else []))

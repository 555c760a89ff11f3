"""The business's side: takes messages and read marks, and reports what became of the messages."""

import asyncio
from dataclasses import dataclass
from typing import Any

from bot.simulator.customers import BSUID, Bubble, Customer, SentMessage, move
from bot.simulator.faults import FaultKind
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.send_rules import Send, read_send
from bot.simulator.webhook_events import WebhookEvent, failed_item, status_item, webhook_body
from bot.simulator.world import World, new_wamid

WINDOW_MS = 24 * 3600 * 1000
PAIR_SECONDS = 6.0
PAIR_BURST = 45
HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was accepted. `customer` is None when WhatsApp loses it without a word (WHATSAPP.md 3.4)."""

    answer: dict[str, Any]
    send: Send
    bubble: Bubble
    customer: Customer | None


class MessageTaker:
    """`take`, then `report` or `report_now`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reports: set[asyncio.Task[None]] = set()

    def take(self, envelope: dict[str, Any]) -> Taken:
        """Accept a message and put it on the customer's phone. Raises MetaRefusalError."""
        send = read_send(envelope)
        customer = self._recipient(send)
        wamid, now = new_wamid(send.address), self._world.clock.now()
        bubble = _bubble(send, wamid, now)
        if customer is None:
            self._world.counts["vanished"] += 1
        else:
            self._check_window(customer, now)
            self._check_pair_rate(customer)
            self._world.customers.add(customer, bubble)
            sent = SentMessage(wamid, customer.id, send.text, send.callback_data, now, envelope)
            self._world.record(customer, sent)
            self._world.feed.tell("message", bubble.shown(customer.id))
        return Taken(_answer(send, customer, wamid), send, bubble, customer)

    def addressee(self, envelope: dict[str, Any]) -> str | None:
        """Whom faults for one customer know the recipient by: the phone's digits or the BSUID."""
        address = envelope.get("to") or envelope.get("recipient")
        return address.removeprefix("+") if isinstance(address, str) else None

    def mark_read(self, envelope: dict[str, Any]) -> dict[str, Any]:
        """Mark a customer's message and all before it as read; show "typing" if asked. Raises MetaRefusalError."""
        wamid, typing = envelope.get("message_id"), envelope.get("typing_indicator")
        customer = self._world.customers.owner(wamid) if isinstance(wamid, str) else None
        if customer is None:
            raise MetaRefusalError(131009, "Parameter message_id is not a message of a customer.")
        if typing is not None and typing != {"type": "text"}:
            raise MetaRefusalError(100, 'typing_indicator must be {"type": "text"}.')
        self._world.counts["reads"] += 1
        self._world.read_marks.append(str(wamid))
        for bubble in customer.bubbles:
            if bubble.by_customer and move(bubble, "read"):
                self._tell_status(customer, bubble)
            if bubble.wamid == wamid:
                break
        if typing:
            self._world.counts["typing"] += 1
            self._world.feed.tell("typing", {"customer": customer.id})
        return {"success": True}

    def report(self, taken: Taken) -> None:
        """Have the statuses posted, each after its delay."""
        if taken.customer is None:
            return
        if any(self._world.settings.status_delays_seconds):
            task = asyncio.create_task(self._report_slowly(taken, taken.customer), name="statuses")
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)
        else:
            self._world.webhooks.post(self._events(taken, taken.customer))

    async def report_now(self, taken: Taken) -> None:
        """Post the statuses and return when the business has taken them, or could not."""
        if taken.customer is None:
            return
        events = self._events(taken, taken.customer)
        if events and await self._world.webhooks.post_body(webhook_body(self._world.settings, events)) != HTTP_OK:
            self._world.webhooks.post(events)

    async def close(self) -> None:
        """Drop the statuses that are still to come."""
        reports = list(self._reports)
        for report in reports:
            report.cancel()
        await asyncio.gather(*reports, return_exceptions=True)

    def _recipient(self, send: Send) -> Customer | None:
        address = send.address
        if not send.by_bsuid and BSUID.fullmatch(address):
            return None
        if not send.by_bsuid and not address.startswith("+"):
            # Meta may take such a number for one of the business's own country.
            address = self._world.settings.country_code + address
        customer = self._world.customers.find(address)
        if customer is not None:
            return customer
        if not self._world.settings.check_window:
            return self._world.customers.meet(address)
        if send.by_bsuid:
            raise MetaRefusalError(131009, "Parameter recipient is not a user of this business.")
        raise MetaRefusalError(131047, "More than 24 hours have passed since the customer last replied.")

    def _check_window(self, customer: Customer, now: int) -> None:
        last = customer.last_wrote_at
        if self._world.settings.check_window and (last is None or now - last > WINDOW_MS):
            raise MetaRefusalError(131047, "More than 24 hours have passed since the customer last replied.")

    def _check_pair_rate(self, customer: Customer) -> None:
        if not self._world.settings.check_pair_rate:
            return
        now = self._world.clock.monotonic()
        if now >= customer.burst_at + PAIR_SECONDS * customer.burst_size:
            customer.burst_at, customer.burst_size = now, 0
        elif customer.burst_size >= PAIR_BURST or now >= customer.burst_at + PAIR_SECONDS:
            raise MetaRefusalError(131056, "Too many messages sent to this customer in a short time.")
        customer.burst_size += 1

    def _events(self, taken: Taken, customer: Customer) -> list[WebhookEvent]:
        fate = self._fate()
        for status in fate.statuses:
            move(taken.bubble, status)
        self._tell_status(customer, taken.bubble)
        return [self._event(taken, customer, status, fate.code) for status in fate.statuses if fate.told]

    async def _report_slowly(self, taken: Taken, customer: Customer) -> None:
        fate = self._fate()
        for status, seconds in zip(fate.statuses, self._world.settings.status_delays_seconds, strict=False):
            await self._world.clock.sleep(seconds)
            move(taken.bubble, status)
            self._tell_status(customer, taken.bubble)
            if fate.told:
                self._world.webhooks.post([self._event(taken, customer, status, fate.code)])

    def _fate(self) -> "_Fate":
        if failed := self._world.faults.strikes(FaultKind.FAILED_LATER):
            return _Fate(("sent", "failed"), code=failed.code)
        return _Fate(("sent", "delivered", "read"), told=not self._world.faults.strikes(FaultKind.STATUS_LOST))

    def _event(self, taken: Taken, customer: Customer, status: str, code: int) -> WebhookEvent:
        now, send = self._world.clock.now(), taken.send
        if status == "failed":
            item = failed_item(customer, taken.bubble, now, code, by_bsuid=send.by_bsuid, callback=send.callback_data)
            return WebhookEvent("statuses", item, customer.id)
        item = status_item(customer, taken.bubble, status, now, send.callback_data)
        return WebhookEvent("statuses", item, customer.id, customer.contact())

    def _tell_status(self, customer: Customer, bubble: Bubble) -> None:
        change = {"customer": customer.id, "wamid": bubble.wamid, "status": bubble.status}
        self._world.feed.tell("status", change)


@dataclass(frozen=True, slots=True)
class _Fate:
    statuses: tuple[str, ...]
    told: bool = True
    code: int = 0


def _bubble(send: Send, wamid: str, now: int) -> Bubble:
    return Bubble(
        wamid,
        by_customer=False,
        text=send.text,
        at=now,
        quoted=send.quoted,
        buttons=send.buttons,
        menu=send.menu,
        header=send.header,
        footer=send.footer,
    )


def _answer(send: Send, customer: Customer | None, wamid: str) -> dict[str, Any]:
    contact: dict[str, Any] = {"input": send.address}
    if send.by_bsuid and customer:
        contact["user_id"] = customer.user_id
    elif customer:
        contact["wa_id"] = customer.phone
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": wamid}]}

"""The customers' side: they write, press buttons, and read what the business sent."""

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.simulator.customers import Attachment, Bubble, Customer, SentMessage, move
from bot.simulator.webhook_events import WebhookEvent, message_item
from bot.simulator.world import World, new_wamid


class CustomerSide:
    """A customer is named by phone ("+" or not) or, when the phone is hidden, by BSUID."""

    def __init__(self, world: World) -> None:
        self._world = world

    def meet(self, customer: str, name: str | None = None, username: str | None = None) -> Customer:
        """Introduce a customer, or find one. Raises ValueError for what is neither a phone nor a BSUID."""
        known = self._world.customers.find(customer) is not None
        person = self._world.customers.meet(customer, name, username)
        if not known:
            self._world.feed.tell("customer", person.shown())
        return person

    def says(
        self,
        customer: str,
        texts: Sequence[str],
        *,
        wamid: str | None = None,
        quoted: str | None = None,
        at: int | None = None,
        times: int = 1,
        shuffle: bool = False,
    ) -> list[str]:
        """Write messages; their wamids. `times` posts each so often; `shuffle` posts them in any order."""
        person = self.meet(customer)
        events = []
        wamids = []
        for text in texts:
            bubble = self._bubble(person, text, wamid, quoted, at)
            wamids.append(bubble.wamid)
            content = {"type": "text", "text": {"body": text}}
            events += [self._event(person, bubble, content, alone=times > 1)] * times
        if shuffle:
            self._world.dice.shuffle(events)
        self._world.webhooks.post(events)
        return wamids

    def presses(self, customer: str, button_id: str, *, quoted: str) -> str:
        """Press a button of a message, or choose a row of its list; the wamid. Raises ValueError."""
        person = self.meet(customer)
        asked = next((bubble for bubble in person.bubbles if bubble.wamid == quoted), None)
        chosen = next((choice for choice in asked.buttons if choice.id == button_id), None) if asked else None
        if asked is None or chosen is None:
            raise ValueError("this message has no such button")
        bubble = self._bubble(person, chosen.title, None, quoted, None)
        kind = "list_reply" if asked.menu else "button_reply"
        reply = {"type": kind, kind: {name: value for name, value in chosen._asdict().items() if value}}
        content: dict[str, Any] = {"type": "interactive", "interactive": reply}
        if asked.kind == "template":
            content = {"type": "button", "button": {"payload": chosen.id, "text": chosen.title}}
        self._world.webhooks.post([self._event(person, bubble, content)])
        return bubble.wamid

    def sends(
        self,
        customer: str,
        content: dict[str, Any],
        *,
        shown: str | None = None,
        attachment: Attachment | None = None,
        quoted: str | None = None,
    ) -> str:
        """Send a message of any type: `content` brings `type` and the object of that name; the wamid.

        `shown` is its text on the phone, `attachment` its file.
        """
        person = self.meet(customer)
        kind = str(content.get("type"))
        text = shown if shown is not None else "" if attachment else f"[{kind}]"
        bubble = self._bubble(person, text, None, quoted, None, kind, attachment)
        self._world.webhooks.post([self._event(person, bubble, content)])
        return bubble.wamid

    async def next_reply(self, customer: str, *, timeout_seconds: float) -> SentMessage:
        """The next message to the customer that was not returned before. Raises TimeoutError."""
        person = self.meet(customer)
        async with asyncio.timeout(timeout_seconds):
            while not person.unseen:
                await self._world.arrival()
        return person.unseen.popleft()

    def _bubble(
        self,
        person: Customer,
        text: str,
        wamid: str | None,
        quoted: str | None,
        at: int | None,
        kind: str = "text",
        attachment: Attachment | None = None,
    ) -> Bubble:
        now = self._world.clock.now() if at is None else at
        known = wamid or new_wamid(person.id)
        self._world.rate.count_received()
        bubble = Bubble(known, True, text, now, "sent", quoted, kind=kind, attachment=attachment)
        if self._world.customers.owner(bubble.wamid) is None:
            person.last_wrote_at = max(person.last_wrote_at or 0, now)
            self._world.customers.add(person, bubble)
            self._world.feed.tell("message", bubble.shown(person.id))
        return bubble

    def _event(self, person: Customer, bubble: Bubble, content: dict[str, Any], *, alone: bool = False) -> WebhookEvent:
        def arrived() -> None:
            if move(bubble, "delivered"):
                change = {"customer": person.id, "wamid": bubble.wamid, "status": bubble.status}
                self._world.feed.tell("status", change)

        item = message_item(person, bubble, content, self._world.settings.display_phone_number)
        return WebhookEvent("messages", item, person.id, person.contact(), alone, arrived)

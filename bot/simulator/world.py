"""What all parts of the simulated WhatsApp share."""

import asyncio
import base64
import random
from collections import Counter, deque
from typing import Any
from uuid import UUID

from bot.simulator.account import Account
from bot.simulator.customers import Customer, Customers, SentMessage
from bot.simulator.faults import Faults
from bot.simulator.feed import Feed
from bot.simulator.media_store import MediaStore
from bot.simulator.rate_rules import NumberRate
from bot.simulator.settings import SimulatorSettings
from bot.simulator.templates import TemplateShelf
from bot.simulator.webhook_events import WebhookEvent
from bot.simulator.webhook_sender import WebhookSender
from database.clock import Clock
from database.records import new_id


class World:
    """One business number, its customers and the line between them.

    `sent` is what was taken, oldest first; `read_marks` are the wamids that the business marked as read;
    `counts` says how often: taken, vanished, refused, reads, typing.
    """

    def __init__(self, settings: SimulatorSettings, clock: Clock, dice: random.Random) -> None:
        self.settings = settings
        self.clock = clock
        self.dice = dice
        self.began_at = clock.now()
        self.account = Account.of(settings)
        self.feed = Feed()
        self.media = MediaStore(settings.keep_media_bytes)
        self.customers = Customers(settings.keep_customers, settings.keep_messages)
        self.faults = Faults(dice, self.customers.names)
        self.templates = TemplateShelf(reviewed_at_once=settings.templates_reviewed)
        self.rate = NumberRate(clock, settings.number_rate)
        self.webhooks = WebhookSender(settings, clock, dice, self.faults, self.account)
        self.sent: deque[SentMessage] = deque(maxlen=settings.keep_sent)
        self.read_marks: deque[str] = deque(maxlen=settings.keep_sent)
        self.counts: Counter[str] = Counter()
        self._arrival = asyncio.Event()

    def record(self, customer: Customer, message: SentMessage) -> None:
        """Count a message as taken, and wake whoever waits for one."""
        self.sent.append(message)
        self.counts["taken"] += 1
        customer.unseen.append(message)
        arrival, self._arrival = self._arrival, asyncio.Event()
        arrival.set()

    def tell_account(self, field: str, value: dict[str, Any]) -> None:
        """Post an update that is not about a message: template, account, preference (WHATSAPP.md 2.4)."""
        self.webhooks.post([WebhookEvent(field, value | {}, field, at=self.clock.now())])

    async def arrival(self) -> None:
        """Return when the next message has been taken."""
        await self._arrival.wait()


def new_wamid(phone_or_bsuid: str) -> str:
    """A message id as WhatsApp's look, unique over all runs."""
    address = phone_or_bsuid.encode()[-20:]
    return "wamid." + base64.b64encode(b"\x1d\x18" + bytes([len(address)]) + address + UUID(new_id()).bytes).decode()

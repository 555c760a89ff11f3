"""WhatsApp on loopback: takes what a business sends, shows it on its customers' phones, posts signed webhooks."""

import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bot.simulator.account import Account
from bot.simulator.attachments import Attachments
from bot.simulator.cloud_api import CloudApi
from bot.simulator.control_api import ControlApi
from bot.simulator.customer_side import CustomerSide
from bot.simulator.customers import Bubble, Customer, Customers, SentMessage
from bot.simulator.faults import Faults
from bot.simulator.knowledge import Knowledge
from bot.simulator.media_store import MediaStore
from bot.simulator.message_taker import MessageTaker
from bot.simulator.phone_actions import PhoneActions
from bot.simulator.script_api import ScriptApi
from bot.simulator.settings import SimulatorSettings
from bot.simulator.status_reporter import StatusReporter
from bot.simulator.template_api import decide
from bot.simulator.traces import Traces
from bot.simulator.world import World
from database.clock import Clock

UPLOAD_LIMIT = 3 * 1024 * 1024


class Simulator:
    """One business number and its customers, on a socket of its own at `url`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._people = CustomerSide(world)
        self._phone = PhoneActions(world, self._people)
        self._taker = MessageTaker(world)
        self._reporter = StatusReporter(world)
        self._runner: web.AppRunner
        self._site: web.TCPSite
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def running(
        cls, clock: Clock, dice: random.Random, settings: SimulatorSettings
    ) -> AsyncIterator["Simulator"]:
        """Listen on `settings.host` and `port` (0: any free one) and post webhooks until the end of the block."""
        world = World(settings, clock, dice)
        simulator = cls(world)
        async with world.webhooks.running():
            await simulator._open(settings.port)
            try:
                yield simulator
            finally:
                await simulator._runner.cleanup()
                await simulator._reporter.close()

    def install_page(self, app: web.Application) -> None:
        """Show the chat page in another application, too (before it starts)."""
        app.add_routes(ControlApi(self._world, self._people).routes())
        app.add_routes(ScriptApi(self._world, self._phone).routes())
        app.add_routes(Attachments(self._world, self._phone).routes())
        settings = self._world.settings
        if settings.server_url is not None and settings.admin_token is not None:
            app.add_routes(Knowledge(settings.server_url, settings.admin_token).routes())
            app.add_routes(Traces(settings.server_url, settings.admin_token).routes())

        async def let_listeners_go(_app: web.Application) -> None:
            self._world.feed.close()

        app.on_shutdown.append(let_listeners_go)

    async def customer_says(
        self,
        customer: str,
        text: str,
        *,
        wamid: str | None = None,
        quoted: str | None = None,
        at: int | None = None,
        times: int = 1,
    ) -> str:
        """Write as a customer (phone or BSUID; made when new); the wamid. `times` posts the same event so often."""
        return self._people.says(customer, [text], wamid=wamid, quoted=quoted, at=at, times=times)[0]

    async def customer_says_all(self, customer: str, texts: Sequence[str], *, shuffle: bool = False) -> list[str]:
        """Write a burst; its wamids in the order of the texts. `shuffle` posts it in any order."""
        return self._people.says(customer, texts, shuffle=shuffle)

    async def customer_presses(self, customer: str, button_id: str, *, quoted: str) -> str:
        """Press a button (or choose a list's row) of the message `quoted`; the wamid. Raises ValueError."""
        return self._people.presses(customer, button_id, quoted=quoted)

    async def customer_sends(self, customer: str, content: dict[str, Any], *, shown: str = "") -> str:
        """Send a message of any type: `content` brings `type` and the object of that name; the wamid."""
        return self._people.sends(customer, content, shown=shown or None)

    def add_customer(self, address: str, *, name: str | None = None, username: str | None = None) -> Customer:
        """Introduce a customer by phone, or by BSUID when the phone is hidden. Raises ValueError."""
        return self._people.meet(address, name, username)

    async def next_reply(self, customer: str, *, timeout_seconds: float = 10.0) -> SentMessage:
        """The next message to the customer that was not returned before. Raises TimeoutError."""
        return await self._people.next_reply(customer, timeout_seconds=timeout_seconds)

    def conversation(self, customer: str) -> list[Bubble]:
        """What is on the customer's phone, oldest first."""
        return list(self._people.meet(customer).bubbles)

    async def post_body(self, body: bytes, headers: dict[str, str] | None = None) -> int:
        """Post bytes to the webhook once, signed unless `headers` say otherwise; the HTTP status, 0 for no answer."""
        return await self._world.webhooks.post_body(body, headers)

    async def webhooks_settled(self) -> None:
        """Return when the business has answered 200 to every webhook."""
        await self._world.webhooks.settled()

    async def stop_listening(self) -> None:
        """Refuse connections, as a host that is down does. `listen_again` ends it."""
        await self._runner.cleanup()

    async def listen_again(self) -> None:
        """Listen at the same address as before."""
        await self._open(int(self.url.rpartition(":")[2]))

    @property
    def phone(self) -> PhoneActions:
        """What customers do beyond writing and pressing: files, places, reactions, edits, a new number."""
        return self._phone

    @property
    def media(self) -> MediaStore:
        """The files of both sides."""
        return self._world.media

    def decide_template(self, name: str, language: str, status: str, reason: str = "NONE") -> None:
        """Review a template: APPROVED, REJECTED, PAUSED, DISABLED; told by webhook. Raises ValueError."""
        decide(self._world, name, language, status, reason)

    def tell_account(self, field: str, value: dict[str, Any]) -> None:
        """Post an update that is not about a message, such as `account_update` (WHATSAPP.md 2.4)."""
        self._world.tell_account(field, value)

    @property
    def customers(self) -> Customers:
        """Everybody who wrote or was introduced."""
        return self._world.customers

    @property
    def sent(self) -> deque[SentMessage]:
        """What was taken, oldest first, up to `keep_sent`."""
        return self._world.sent

    @property
    def read_marks(self) -> deque[str]:
        """The wamids that the business marked as read, oldest first."""
        return self._world.read_marks

    @property
    def counts(self) -> Counter[str]:
        """How often: taken, vanished (sent to a BSUID in `to`), refused, reads, typing."""
        return self._world.counts

    @property
    def webhook_answers(self) -> Counter[int]:
        """How often the business gave each HTTP status; 0 is no answer."""
        return self._world.webhooks.answers

    @property
    def faults(self) -> Faults:
        """Put faults in: `faults.set(FaultKind.REFUSED, next=3, code=131056)`."""
        return self._world.faults

    @property
    def account(self) -> Account:
        """Token, permissions, number and subscription: change its fields, and the Graph API answers accordingly."""
        return self._world.account

    async def _open(self, port: int) -> None:
        app = web.Application(client_max_size=UPLOAD_LIMIT)
        app.add_routes(CloudApi(self._world, self._taker, self._reporter).routes())
        self.install_page(app)
        settings = self._world.settings
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, settings.host, port).start()
        self.url = f"http://{settings.host}:{self._runner.addresses[0][1]}"

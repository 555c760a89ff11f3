"""Posts signed webhooks and does not give up: first retry at once, then ever more seldom (WHATSAPP.md 1.3)."""

import asyncio
import io
import logging
import random
import zlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from bot.simulator.account import Account
from bot.simulator.faults import FaultKind, Faults
from bot.simulator.settings import SimulatorSettings
from bot.simulator.webhook_events import MESSAGE_LISTS, WebhookEvent, signature, webhook_body
from database.clock import Clock

logger = logging.getLogger(__name__)
HTTP_OK = 200
MOST_UPDATES = 1000  # a POST (WHATSAPP.md 1.3)
LARGE_BODY = 1024 * 1024
BODY_LIMIT = 3 * 1024 * 1024


@dataclass(slots=True)
class _Lane:
    waiting: deque[WebhookEvent] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)


class WebhookSender:
    """A few lanes, each posting one body after another; a customer's updates share a lane, so they keep their order."""

    def __init__(
        self, settings: SimulatorSettings, clock: Clock, dice: random.Random, faults: Faults, account: Account
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._dice = dice
        self._faults = faults
        self._account = account
        self._lanes = [_Lane() for _ in range(settings.webhook_connections)]
        self._next_lane = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._outstanding = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self._session: aiohttp.ClientSession
        self.answers: Counter[int] = Counter()  # HTTP status → how often; 0 is "no answer"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Post until the end of the block; what has not arrived by then is dropped."""
        connector = aiohttp.TCPConnector(limit=2 * len(self._lanes))
        # Not `total`: that would count the wait for a free connection, too.
        seconds = self._settings.webhook_timeout_seconds
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self._session:
            for number, lane in enumerate(self._lanes):
                self._start(self._serve(lane), f"webhook lane {number}")
            try:
                yield
            finally:
                tasks = list(self._tasks)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def post(self, events: Sequence[WebhookEvent]) -> None:
        """Have updates posted, in this order as far as the faults allow; an account without subscription gets none."""
        if self._account.subscribed is None:
            return
        shuffle = self._faults.strikes(FaultKind.WEBHOOK_SHUFFLE, *_customers(events))
        ordered = list(events)
        if shuffle:
            self._dice.shuffle(ordered)
        for event in ordered:
            delay = self._faults.strikes(FaultKind.WEBHOOK_DELAY, event.customer_id)
            seconds = delay.seconds if delay else 0.0
            seconds += self._dice.uniform(0, shuffle.seconds) if shuffle and shuffle.seconds else 0.0
            duplicate = self._faults.strikes(FaultKind.WEBHOOK_DUPLICATE, event.customer_id)
            for copy in [replace(event, alone=True)] * duplicate.times if duplicate else [event]:
                self._outstanding += 1
                self._settled.clear()
                if seconds:
                    self._start(self._later(copy, seconds), "webhook that waits")
                else:
                    self._enqueue(copy)

    async def settled(self) -> None:
        """Return when the business has answered 200 to everything."""
        await self._settled.wait()

    def answered(self) -> dict[str, int]:
        """How often the business gave each HTTP status; "0" is no answer."""
        return {str(status): number for status, number in self.answers.items()}

    async def post_body(self, body: bytes, headers: dict[str, str] | None = None) -> int:
        """Post bytes once to where messages go, signed unless `headers` bring a signature.

        The HTTP status, or 0 without an answer.
        """
        return await self._post(self._address("messages"), body, headers)

    async def _post(self, url: str, body: bytes, headers: dict[str, str] | None = None) -> int:
        signed = {"Content-Type": "application/json"}
        signed["X-Hub-Signature-256"] = signature(self._settings.app_secret, body)
        try:
            # aiohttp warns of larger bytes: it would send them in one piece.
            sent = body if len(body) < LARGE_BODY else io.BytesIO(body)
            async with self._session.post(url, data=sent, headers=signed | (headers or {})) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            status = 0
        self.answers[status] += 1
        return status

    async def handshake(self, url: str, verify_token: str) -> bool:
        """Whether a callback URL returns the challenge (WHATSAPP.md 1.1)."""
        challenge = str(self._dice.randrange(10**9, 10**10))
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            async with self._session.get(url, params=query) as answer:
                return answer.status == HTTP_OK and await answer.text() == challenge
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError):
            return False

    def _address(self, list_name: str) -> str:
        """An account's own callback is for messages; all else goes to the app's (WHATSAPP.md 1.7)."""
        own = (self._account.subscribed or {}).get("override_callback_uri")
        return own if own and list_name in MESSAGE_LISTS else self._settings.webhook_url

    def _enqueue(self, event: WebhookEvent) -> None:
        # Copies go to lanes in turn, so that they meet in the business's door.
        number = self._next_lane if event.alone else zlib.crc32(event.customer_id.encode())
        self._next_lane += 1
        lane = self._lanes[number % len(self._lanes)]
        lane.waiting.append(event)
        lane.filled.set()

    async def _later(self, event: WebhookEvent, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._enqueue(event)

    async def _serve(self, lane: _Lane) -> None:
        while True:
            await lane.filled.wait()
            events, body = self._fitting(lane)
            if self._faults.strikes(FaultKind.WEBHOOK_FORGED, *_customers(events)):
                forged = {"X-Hub-Signature-256": signature("a stranger's secret", body)}
                await self._post(self._address(events[0].list_name), body, forged)
            if await self._delivered(body, events):
                self._arrived(events)
            else:
                self._start(self._retry(body, events), "webhook retry")

    async def _delivered(self, body: bytes, events: Sequence[WebhookEvent]) -> bool:
        """Post; whether the business's 200 was heard."""
        status = await self._post(self._address(events[0].list_name), body)
        return status == HTTP_OK and not self._faults.strikes(FaultKind.WEBHOOK_UNHEARD, *_customers(events))

    def _fitting(self, lane: _Lane) -> tuple[list[WebhookEvent], bytes]:
        """The next updates and their body, which is never over WhatsApp's limit unless one update alone is."""
        events = self._taken(lane)
        body = webhook_body(self._settings, events)
        while len(body) > BODY_LIMIT and len(events) > 1:
            half = len(events) // 2
            lane.waiting.extendleft(reversed(events[half:]))
            lane.filled.set()
            events = events[:half]
            body = webhook_body(self._settings, events)
        return events, body

    def _taken(self, lane: _Lane) -> list[WebhookEvent]:
        events = [lane.waiting.popleft()]
        while lane.waiting and len(events) < min(self._settings.webhook_batch, MOST_UPDATES):
            if (
                events[0].alone
                or lane.waiting[0].alone
                or _about_messages(events[0]) != _about_messages(lane.waiting[0])
            ):
                break
            events.append(lane.waiting.popleft())
        if not lane.waiting:
            lane.filled.clear()
        return events

    async def _retry(self, body: bytes, events: list[WebhookEvent]) -> None:
        began, pause = self._clock.monotonic(), 0.0
        while self._clock.monotonic() - began < self._settings.retry_for_seconds:
            if pause:
                await self._clock.sleep(pause * self._dice.uniform(0.5, 1.0))
            if await self._delivered(body, events):
                self._arrived(events)
                return
            pause = min(pause * 2 or self._settings.retry_first_seconds, self._settings.retry_max_seconds)
        logger.warning("gave up on a webhook after %.0f s", self._settings.retry_for_seconds)
        self._count_down(len(events))

    def _arrived(self, events: list[WebhookEvent]) -> None:
        for event in events:
            if event.on_arrival:
                event.on_arrival()
        self._count_down(len(events))

    def _count_down(self, number: int) -> None:
        self._outstanding -= number
        if not self._outstanding:
            self._settled.set()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _customers(events: Sequence[WebhookEvent]) -> set[str]:
    return {event.customer_id for event in events}


def _about_messages(event: WebhookEvent) -> bool:
    return event.list_name in MESSAGE_LISTS

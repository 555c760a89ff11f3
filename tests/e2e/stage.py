"""A stage for tests through the front door: the real server as a process, WhatsApp's simulator, an owner's hands."""

import asyncio
import contextlib
import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from bot.simulator.customers import SentMessage
from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import SystemClock
from tests.e2e.processes import ACCESS_TOKEN, APP_SECRET, NUMBER, Server, running_server

T = TypeVar("T")

BUSINESS = "/api/v1/businesses/default"
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.05
QUICK = {
    "CONCIERGE_BATCH_QUIET_SECONDS": "0.1",
    "CONCIERGE_BATCH_MAX_SECONDS": "0.5",
    "CONCIERGE_API_RATE": "1000",
    "CONCIERGE_METRICS_PUBLIC": "true",
}


@dataclass
class Stage:
    """`server` and `simulator` may be used directly, too; `session` speaks to the server's API."""

    server: Server
    simulator: Simulator
    session: aiohttp.ClientSession

    async def ask(self, customer: str, text: str) -> str:
        """Write as a customer; the next message that comes back."""
        await self.simulator.customer_says(customer, text)
        return (await self.reply(customer)).text

    async def reply(self, customer: str) -> SentMessage:
        """The next message to a customer. Raises TimeoutError."""
        return await self.simulator.next_reply(customer, timeout_seconds=PATIENCE_SECONDS)

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Ask the API: status, and the JSON that came back (None without a body)."""
        async with self.session.request(method, path, json=body) as answer:
            raw = await answer.read()
            return answer.status, await answer.json(content_type=None) if raw else None

    async def upload(self, files: Iterable[tuple[str, bytes]]) -> list[dict[str, Any]]:
        """Hand over files in one request, follow them to their ends; the documents in the same order."""
        form = aiohttp.FormData()
        for name, content in files:
            form.add_field("files", io.BytesIO(content), filename=name, content_type="application/octet-stream")
        async with self.session.post(f"{BUSINESS}/documents", data=form) as answer:
            assert answer.status == 202, await answer.text()
            taken = (await answer.json())["documents"]
        return [await until(partial(self._ended, each["id"]), f"{each['filename']} to end") for each in taken]

    async def conversation(self, customer: str) -> dict[str, Any]:
        """What the API says of a customer's conversation."""
        _, page = await self.call("GET", f"{BUSINESS}/conversations?limit=100")
        found: dict[str, Any] = next(each for each in page["conversations"] if each["contact"]["phone"] == customer)
        return found

    async def messages(self, customer: str) -> list[dict[str, Any]]:
        """A customer's conversation as the API shows it, newest last."""
        conversation = await self.conversation(customer)
        _, page = await self.call("GET", f"/api/v1/conversations/{conversation['id']}/messages?limit=100")
        found: list[dict[str, Any]] = page["messages"]
        return found

    async def ready(self) -> dict[str, Any]:
        """What /health/ready says; it must be 200."""
        status, content = await self.call("GET", "/health/ready")
        assert status == 200, content
        return dict(content)

    async def healthy(self) -> None:
        """Return once every component is as it should be."""
        await until(self._all_ok, "the server to be healthy")

    async def settled(self) -> None:
        """Return when nothing waits any more: no event, no message, no reply."""
        await self.simulator.webhooks_settled()
        await until(self._nothing_open, "every event, message and reply to end")

    async def _ended(self, document_id: str) -> dict[str, Any] | None:
        _, document = await self.call("GET", f"{BUSINESS}/documents/{document_id}")
        return document if document["status"] in {"ready", "failed"} else None

    async def _all_ok(self) -> bool:
        return bool((await self.ready())["status"] == "ok")

    async def _nothing_open(self) -> bool:
        return self.server.rows(
            "SELECT (SELECT count(*) FROM inbox_events WHERE state = 'waiting')"
            " + (SELECT count(*) FROM messages WHERE status = 'received')"
            " + (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending', 'unconfirmed', 'accepted')) AS n"
        ) == [{"n": 0}]


async def until(look: Callable[[], Awaitable[T | None]], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """The first true value that `look` brings. Raises AssertionError when none comes in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            if found := await look():
                return found
        assert asyncio.get_running_loop().time() < deadline, f"waited {seconds:g} s in vain for {what}"
        await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def simulator_for(server: Server) -> AsyncIterator[Simulator]:
    """WhatsApp for a server that need not run yet."""
    settings = SimulatorSettings(
        APP_SECRET, ACCESS_TOKEN, NUMBER, server.webhook_url, retry_max_seconds=0.5, webhook_timeout_seconds=10.0
    )
    async with Simulator.running(SystemClock(), random.Random(1), settings) as simulator:
        server.api_url = simulator.url
        yield simulator


@asynccontextmanager
async def running_stage(folder: Path, **settings: str) -> AsyncIterator[Stage]:
    """Server and simulator, started; `settings` are environment variables of the server."""
    server = Server(folder / "data", "", settings=QUICK | settings)
    async with simulator_for(server) as simulator, running_server(server), server.api() as session:
        yield Stage(server, simulator, session)

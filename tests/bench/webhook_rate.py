"""The webhook on disk beside a bare aiohttp route: same process, same client, same machine."""

import asyncio
import multiprocessing
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from bot.conversation import ConversationOptions, running_conversation
from bot.interpreter import settle
from bot.webhook import DEFAULT_APP, MAX_BODY_BYTES, WEBHOOK, Webhook, install_webhook
from database.businesses import ensure_default
from database.clock import SystemClock
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from services.message_batcher import BatchWindow
from tests.bench.figures import Figure
from tests.fakes import webhook_posts
from tests.fakes.fake_line import FakeLine
from tests.fakes.scripted_responder import ScriptedResponder

CONNECTIONS = 64
REQUESTS = 20_000
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Load:
    """What a load of requests took."""

    per_second: float
    p99_ms: float


class _Client(asyncio.Protocol):
    """The leanest client there is: one request in flight, answers counted by their status line."""

    def __init__(self, requests: Sequence[bytes], times: list[float], done: "asyncio.Future[None]") -> None:
        self._requests = iter(requests)
        self._times = times
        self._done = done
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(AssertionError(data[:200]))
            return
        self._times.append(time.perf_counter() - self._sent_at)
        self._next()

    def _next(self) -> None:
        assert self._transport
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def load(port: int, requests: Sequence[bytes]) -> Load:
    """Send all requests over 64 connections; every answer must be 200."""
    loop = asyncio.get_running_loop()
    times: list[float] = []
    waits = []
    began = time.perf_counter()
    for n in range(CONNECTIONS):
        done: asyncio.Future[None] = loop.create_future()
        share = requests[n::CONNECTIONS]
        await loop.create_connection(lambda share=share, done=done: _Client(share, times, done), "127.0.0.1", port)  # type: ignore[misc]
        waits.append(done)
    await asyncio.gather(*waits)
    seconds = time.perf_counter() - began
    times.sort()
    return Load(len(requests) / seconds, 1000 * times[int(len(times) * 0.99)])


def request(path: str, body: bytes) -> bytes:
    """A whole POST as bytes, signed."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: {webhook_posts.signature(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def requests(path: str, round_: int) -> list[bytes]:
    """As Meta sends them: three statuses a message, none twice, a thousand customers."""
    now = SystemClock().now()
    made = []
    for n in range(REQUESTS):
        name = f"{round_}.{n}"
        if n % 4:
            body = webhook_posts.status(f"wamid.{name}", "delivered", f"attempt-{name}", now)
        else:
            body = webhook_posts.text(f"49151{n % 1000:07d}", f"Question {name}?", now, f"wamid.{name}")
        made.append(request(path, body))
    return made


@asynccontextmanager
async def serving(install: Callable[[web.Application], Awaitable[None]]) -> AsyncIterator[int]:
    """An application on a free port of loopback."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    await install(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _bare(app: web.Application) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    app.router.add_post("/bare", answer)


@asynccontextmanager
async def conversation_door(folder: Path) -> AsyncIterator[tuple[int, Database]]:
    """A listening webhook with everything behind it; the mind and the line to Meta are fakes that cost nothing."""
    async with AsyncExitStack() as stack:
        metrics, clock = Metrics(), SystemClock()
        database = await stack.enter_async_context(
            Database.open(folder / "concierge.db", DatabaseOptions("chat"), metrics)
        )
        await database.write(ensure_default(webhook_posts.NUMBER, clock.now()))
        parts = await stack.enter_async_context(
            running_conversation(
                database, ScriptedResponder(), FakeLine(), clock, random.Random(1), metrics,
                # turns are another figure's business: nobody is due while this one is taken
                ConversationOptions(window=BatchWindow(600, 600)),
            )
        )  # fmt: skip

        async def install(app: web.Application) -> None:
            install_webhook(app)
            app[WEBHOOK] = Webhook(parts.inbox, {DEFAULT_APP: (webhook_posts.SECRET,)}, "verify", metrics)

        port = await stack.enter_async_context(serving(install))
        settle()  # as `serve` does
        yield port, database


def _load_from_outside(port: int, path: str, round_: int) -> Load:
    """In a process of its own: the client's work is not the server's."""
    return asyncio.run(load(port, requests(path, round_)))


async def run() -> list[Figure]:
    """Requests a second on disk ÷ a bare route's, and p99 at 64 connections, with intake working meanwhile."""
    loop = asyncio.get_running_loop()
    bare, ours = [], []
    with TemporaryDirectory() as folder, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as outside:
        async with serving(_bare) as bare_port, conversation_door(Path(folder)) as (port, _):
            for round_ in range(ROUNDS):
                bare.append(await loop.run_in_executor(outside, _load_from_outside, bare_port, "/bare", round_))
                ours.append(await loop.run_in_executor(outside, _load_from_outside, port, "/webhooks/whatsapp", round_))
    bare_rate = sorted(load.per_second for load in bare)[ROUNDS // 2]
    rate = sorted(load.per_second for load in ours)[ROUNDS // 2]
    p99 = sorted(load.p99_ms for load in ours)[ROUNDS // 2]
    bare_p99 = sorted(load.p99_ms for load in bare)[ROUNDS // 2]
    beside = "bare aiohttp route"
    return [
        Figure("webhook on disk, intake working", rate, "requests/s", bare_rate, beside),
        Figure("… as a share of the bare route", rate / bare_rate, "", 1.0, beside, floor=0.20, goal=0.28),
        Figure("webhook p99, 64 connections", p99, "ms", bare_p99, beside, 40, 15, higher_is_better=False),
    ]

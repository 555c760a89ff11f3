"""The conversation's parts, wired as in production, with a scripted mind, a fake line and a clock that stands still."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.conversation import Conversation, ConversationOptions, running_conversation
from database.businesses import ensure_default
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from database.transaction import Transaction, Unit
from tests.fakes import webhook_posts
from tests.fakes.fake_clock import FakeClock, settle
from tests.fakes.fake_line import FakeLine
from tests.fakes.ingestion_desk import Desks, Opener
from tests.fakes.scripted_responder import ScriptedResponder
from tests.fakes.web_site import WebSite, web_site


@dataclass
class Stage:
    """A small world: what a test says, what the customer gets, what the database holds."""

    database: Database
    clock: FakeClock
    metrics: Metrics
    line: FakeLine = field(default_factory=FakeLine)
    responder: ScriptedResponder = field(default_factory=ScriptedResponder)
    options: ConversationOptions = field(default_factory=ConversationOptions)
    parts: Conversation | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Conversation]:
        """Start the parts, as a process would."""
        dice = random.Random(7)
        async with running_conversation(
            self.database, self.responder, self.line, self.clock, dice, self.metrics, self.options
        ) as parts:
            parts.door.open()
            self.parts = parts
            yield parts

    async def post(self, body: bytes) -> None:
        """Meta posts; returns when intake has handled it."""
        assert self.parts
        await self.parts.inbox.keep("default", body)
        await self.quiet()

    async def say(self, sender: str, *texts: str, wamid: str | None = None) -> None:
        for text in texts:
            await self.post(webhook_posts.text(sender, text, self.clock.now(), wamid))

    async def quiet(self) -> None:
        """Let everything that is ready happen: until nobody but us has asked the database for three rounds."""
        units = self.metrics.group_size.labels("chat")._sum
        idle = 0
        while idle < 3:
            before = units.get()
            await settle(5)
            await self.database.write(_nothing)
            reading = self.database._free.qsize() < 3
            idle = 0 if reading or units.get() - before > 1 else idle + 1

    async def wait(self, seconds: float) -> None:
        """Time passes, with the sweeps that it brings."""
        assert self.parts
        whole = int(seconds * 10)
        for step in range(whole):
            await self.clock.advance(0.1)
            await self.quiet()
            if step % 10 == 9:
                for sweep, _ in list(self.parts.sweeps.values())[:3]:
                    await sweep()
                await self.quiet()

    async def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        async def unit(transaction: Transaction) -> list[dict[str, Any]]:
            return [dict(row) for row in await transaction.all(sql, parameters)]

        return await self.database.read(unit)

    async def run(self, sql: str, **parameters: Any) -> None:
        await self.database.write(_run(sql, parameters))


async def _nothing(transaction: Transaction) -> None:
    await transaction.one("SELECT 1")


def _run(sql: str, parameters: dict[str, Any]) -> Unit[int]:
    async def unit(transaction: Transaction) -> int:
        return await transaction.run(sql, parameters)

    return unit


@pytest.fixture
async def stage(tmp_path: Path, metrics: Metrics, clock: FakeClock) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            Database.open(tmp_path / "concierge.db", DatabaseOptions("chat"), metrics)
        )
        await database.write(ensure_default(webhook_posts.NUMBER, clock.now()))
        yield Stage(database, clock, metrics)


@pytest.fixture
async def opened(knowledge: Database, metrics: Metrics, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens ingestion desks on one database and one folder, one after another, as restarts do."""
    desks = Desks(knowledge, metrics, clock, tmp_path)
    yield desks.open
    await desks.close()


@pytest.fixture
async def site() -> AsyncIterator[WebSite]:
    """A web site on this machine that is read anew at each look: it names no versions of its pages."""
    async with web_site() as site:
        site.etags = False
        yield site

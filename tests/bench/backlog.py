"""How fast a backlog of webhooks is drained: statuses of messages that we sent, and messages of many customers."""

import random
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.conversation import ConversationOptions, running_conversation
from database.businesses import ensure_default
from database.clock import SystemClock
from database.engine import Database, DatabaseOptions
from database.inbox import Post, keep_posts, oldest_waiting_at
from database.metrics import Metrics
from database.records import new_id
from database.transaction import Transaction
from services.message_batcher import BatchWindow
from services.whatsapp.splitting import split
from tests.bench.figures import Figure
from tests.fakes import webhook_posts
from tests.fakes.fake_line import FakeLine
from tests.fakes.scripted_responder import ScriptedResponder

EVENTS = 30_000
CUSTOMERS = 3_000
STATUSES_A_POST = 3  # sent, delivered and read of one message


async def _fill_sent(database: Database, count: int, now: int) -> None:
    """As many messages on their way as there will be statuses for."""

    async def unit(transaction: Transaction) -> None:
        business = await transaction.one("SELECT id FROM businesses")
        assert business
        parts = {"b": business["id"], "n": webhook_posts.NUMBER, "now": now}
        await transaction.run(
            "INSERT INTO contacts (id, business_id, phone, created_at) VALUES ('c', :b, '1', :now)", parts
        )
        await transaction.run(
            "INSERT INTO conversations (id, business_id, number_id, contact_id, last_message_at, created_at)"
            " VALUES ('v', :b, :n, 'c', :now, :now)", parts,
        )  # fmt: skip
        await transaction.many(
            "INSERT INTO outbox (id, business_id, number_id, conversation_id, contact_id, seq, type, body, state,"
            " attempts, due_at, created_at, updated_at)"
            " VALUES (?, ?, ?, 'v', 'c', ?, 'text', '{}', 'accepted', 1, 0, 0, 0)",
            [(f"o{n}", business["id"], webhook_posts.NUMBER, n) for n in range(count)],
        )
        await transaction.many(
            "INSERT INTO send_attempts (id, outbox_id, n, wamid, state, fence, started_at)"
            " VALUES (?, ?, 1, ?, 'accepted', 1, 0)",
            [(f"a{n}", f"o{n}", f"wamid.{n}") for n in range(count)],
        )

    await database.write(unit)


def _statuses(now: int) -> list[bytes]:
    posts = []
    for n in range(EVENTS // STATUSES_A_POST):
        values = [
            {"id": f"wamid.{n}", "status": state, "timestamp": str(now // 1000), "biz_opaque_callback_data": f"a{n}"}
            for state in ("sent", "delivered", "read")
        ]
        posts.append(webhook_posts.envelope(webhook_posts.value(statuses=values)))
    return posts


def _messages(now: int) -> list[bytes]:
    return [
        webhook_posts.text(f"49151{n % CUSTOMERS:07d}", f"Question {n}, please?", now, f"wamid.{new_id()}")
        for n in range(EVENTS)
    ]


async def _drained(posts: list[bytes], *, sent: int) -> float:
    """Events a second from the start of intake until nothing waits."""
    clock, metrics = SystemClock(), Metrics()
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(
                Database.open(Path(folder) / "concierge.db", DatabaseOptions("chat"), metrics)
            )
            await database.write(ensure_default(webhook_posts.NUMBER, clock.now()))
            if sent:
                await _fill_sent(database, sent, clock.now())
            for start in range(0, len(posts), 100):
                kept = [Post("default", body, split(body), clock.now()) for body in posts[start : start + 100]]
                await database.write(keep_posts(kept))
            began = time.perf_counter()
            parts = await stack.enter_async_context(
                running_conversation(
                    database, ScriptedResponder(), FakeLine(), clock, random.Random(1), metrics,
                    # turns are another figure's business: nobody is due while this one is taken
                    ConversationOptions(window=BatchWindow(600, 600)),
                )
            )  # fmt: skip
            await parts.intake.caught_up()
            seconds = time.perf_counter() - began
            assert await database.read(oldest_waiting_at()) is None
            return EVENTS / seconds


async def run() -> list[Figure]:
    """Statuses and messages a second."""
    now = SystemClock().now()
    statuses = await _drained(_statuses(now), sent=EVENTS // STATUSES_A_POST)
    messages = await _drained(_messages(now), sent=0)
    return [
        Figure("backlog of statuses drained", statuses, "statuses/s", floor=10_000, goal=50_000),
        Figure("backlog of messages drained", messages, "messages/s", floor=3_000, goal=20_000),
    ]

"""Customers write while the server is killed again and again: nothing is lost, nothing is answered twice."""

import asyncio
import os
import random
import secrets
from pathlib import Path

import pytest

from bot.simulator.faults import FaultKind
from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import SystemClock
from tests.e2e.ledger import check_dispositions, check_replies
from tests.e2e.processes import ACCESS_TOKEN, APP_SECRET, NUMBER, Server, running_server

pytestmark = pytest.mark.blocking_allowed  # looks into files and starts processes

KILLS = int(os.environ.get("CONCIERGE_TEST_KILLS", "25"))
CUSTOMERS = 12
SETTLE_SECONDS = 90.0
SETTINGS = {
    "CONCIERGE_DELIVERY_GRACE_SECONDS": "4",
    "CONCIERGE_BATCH_QUIET_SECONDS": "0.15",
    "CONCIERGE_BATCH_MAX_SECONDS": "0.8",
    "CONCIERGE_NUMBER_RATE": "1000",
    "CONCIERGE_LOG_LEVEL": "warning",
}


async def chat(simulator: Simulator, customer: str, dice: random.Random, over: asyncio.Event) -> list[str]:
    """One customer: bursts of one to three messages, some of them posted again; the wamids."""
    written: list[str] = []
    while not over.is_set():
        for part in range(dice.randint(1, 3)):
            times = 3 if dice.random() < 0.1 else 1
            text = f"Question {len(written)}, part {part}?"
            written.append(await simulator.customer_says(customer, text, times=times))
            await asyncio.sleep(dice.uniform(0, 0.1))
        await asyncio.sleep(dice.uniform(4.0, 7.0))
    return written


async def settled(server: Server) -> None:
    """Return when nothing waits any more: no event, no message, no reply."""
    open_rows = (
        "SELECT (SELECT count(*) FROM inbox_events WHERE state = 'waiting')"
        " + (SELECT count(*) FROM messages WHERE status = 'received')"
        " + (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending', 'unconfirmed')) AS n"
    )
    quiet = 0
    for _ in range(int(SETTLE_SECONDS * 2)):
        quiet = quiet + 1 if server.rows(open_rows)[0]["n"] == 0 else 0
        if quiet == 6:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(f"not settled: {server.rows(open_rows)}\n{server.log()}")


@pytest.mark.timeout(600)
async def test_killed_again_and_again_it_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Through at least 25 SIGKILLs and 5 % faulty sends, each message ends once and each reply goes once."""
    seed = int(os.environ.get("CONCIERGE_TEST_SEED") or secrets.randbelow(2**31))
    print(f"\ncrash test: seed {seed} (CONCIERGE_TEST_SEED={seed} repeats its choices), {KILLS} kills")  # noqa: T201
    dice = random.Random(seed)
    server = Server(tmp_path / "data", "", settings=SETTINGS)
    settings = SimulatorSettings(
        APP_SECRET, ACCESS_TOKEN, NUMBER, server.webhook_url, retry_max_seconds=0.5, webhook_timeout_seconds=2.0
    )
    async with Simulator.running(SystemClock(), random.Random(seed), settings) as simulator:
        server.api_url = simulator.url
        for kind in (FaultKind.REFUSED, FaultKind.ANSWER_LOST, FaultKind.ANSWER_500):
            code = {"code": 130429} if kind is FaultKind.REFUSED else {}
            simulator.faults.set(kind, probability=0.05 / 3, **code)
        async with running_server(server):
            over = asyncio.Event()
            customers = [f"49151{n:08d}" for n in range(CUSTOMERS)]
            chats = [
                asyncio.create_task(chat(simulator, customer, random.Random(f"{seed}/{customer}"), over))
                for customer in customers
            ]
            for _ in range(KILLS):
                await asyncio.sleep(dice.uniform(0.05, 1.5))
                await server.kill()
                await server.start()
            over.set()
            written = [wamid for wamids in await asyncio.gather(*chats) for wamid in wamids]
            await simulator.webhooks_settled()
            await settled(server)
            assert await server.stop() == 0
    check_dispositions(server, written)
    check_replies(server, simulator)

"""How fast `concierge serve` is ready with 10,000 chunks, and how much memory it holds when idle."""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import SystemClock
from tests.bench.figures import Figure
from tests.bench.served import fill
from tests.e2e.processes import ACCESS_TOKEN, APP_SECRET, NUMBER, Server, running_server

CHUNKS = 10_000
STARTS = 5
IDLE_SECONDS = 20.0
MEGABYTE = 1024 * 1024


def _memory(pid: int) -> tuple[float, float]:
    """(resident, proportional) megabytes of a process and all its children; shared pages count in each, or once."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    found = [process.memory_full_info() for process in processes]
    return sum(each.rss for each in found) / MEGABYTE, sum(each.pss for each in found) / MEGABYTE


async def run() -> list[Figure]:
    """The middle of five starts, and the memory twenty seconds after the last one, a question answered between."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = Server(folder / "data", "", settings={"CONCIERGE_LOG_LEVEL": "warning"})
        simulated = SimulatorSettings(APP_SECRET, ACCESS_TOKEN, NUMBER, server.webhook_url)
        simulator = await stack.enter_async_context(Simulator.running(SystemClock(), random.Random(1), simulated))
        server.api_url = simulator.url
        async with running_server(server):
            await fill(server, CHUNKS)
            await server.stop()
        seconds = []
        for _ in range(STARTS - 1):
            began = time.perf_counter()
            async with running_server(server):
                seconds.append(time.perf_counter() - began)
                await server.stop()
        async with running_server(server):
            await simulator.customer_says("491700000000", "When was it founded?")
            await simulator.next_reply("491700000000", timeout_seconds=30)
            await asyncio.sleep(IDLE_SECONDS)
            assert server.process
            resident, proportional = _memory(server.process.pid)
            await server.stop()
    middle = sorted(seconds)[len(seconds) // 2]
    return [
        Figure("serve until ready, 10,000 chunks", middle, "s", floor=3, goal=1.5, higher_is_better=False),
        Figure("memory of all processes, idle (RSS)", resident, "MB", floor=450, goal=300, higher_is_better=False),
        Figure("… shared pages counted once (PSS)", proportional, "MB", higher_is_better=False),
    ]

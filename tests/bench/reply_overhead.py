"""How long a reply takes beyond the batcher's window: fifty customers chatting, default settings."""

import asyncio
import random
import time

from bot.simulator.simulator import Simulator
from tests.bench.figures import Figure
from tests.bench.served import questions, served

CHUNKS = 2_000
CUSTOMERS = 50
SECONDS = 25.0
WINDOW_SECONDS = 1.0  # the default quiet time, after a question that ends with its mark


async def _chat(
    simulator: Simulator, customer: str, asked: list[str], dice: random.Random, until: float
) -> list[float]:
    overheads = []
    await asyncio.sleep(dice.uniform(0, 3.0))  # people do not begin in step
    while time.perf_counter() < until:
        question = dice.choice(asked).rstrip("? ") + "?"
        began = time.perf_counter()
        await simulator.customer_says(customer, question)
        await simulator.next_reply(customer, timeout_seconds=30)
        overheads.append(time.perf_counter() - began - WINDOW_SECONDS)
        await asyncio.sleep(dice.uniform(0.5, 3.0))
    return overheads


async def run() -> list[Figure]:
    """p50 and p95 over all replies; WhatsApp's own time, simulated on the same machine, is in it."""
    async with served({}, CHUNKS) as (_, simulator):
        asked = questions()
        await simulator.customer_says("491700000000", asked[0])
        await simulator.next_reply("491700000000", timeout_seconds=30)
        until = time.perf_counter() + SECONDS
        chats = [_chat(simulator, f"49151{n:07d}", asked, random.Random(n), until) for n in range(CUSTOMERS)]
        found = sorted(seconds for chat in await asyncio.gather(*chats) for seconds in chat)
    p50, p95 = found[len(found) // 2], found[int(len(found) * 0.95)]
    return [
        Figure("reply overhead p50, 50 customers", 1000 * p50, "ms", higher_is_better=False),
        Figure("reply overhead p95, 50 customers", 1000 * p95, "ms", floor=250, goal=50, higher_is_better=False),
    ]

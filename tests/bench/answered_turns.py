"""Answered turns a second: extractive answers over 2,000 chunks, WhatsApp simulated on the same machine."""

import asyncio
import time

from tests.bench.figures import Figure
from tests.bench.served import questions, served

CHUNKS = 2_000
CUSTOMERS = 1_500
WARM_UP = 50
SETTINGS = {
    "CONCIERGE_NUMBER_RATE": "100000",
    "CONCIERGE_BATCH_QUIET_SECONDS": "0.05",
    "CONCIERGE_BATCH_MAX_SECONDS": "0.2",
}


async def run() -> list[Figure]:
    """From the first of 1,500 customers' questions to the last reply that WhatsApp took."""
    async with served(SETTINGS, CHUNKS) as (server, simulator):
        asked = questions()
        for n in range(WARM_UP):
            await simulator.customer_says(f"49170{n:07d}", asked[n])
        while len(simulator.sent) < WARM_UP:
            await asyncio.sleep(0.05)
        began = time.perf_counter()
        for n in range(CUSTOMERS):
            await simulator.customer_says(f"49151{n:07d}", asked[n % len(asked)])
        while len(simulator.sent) < WARM_UP + CUSTOMERS:
            await asyncio.sleep(0.02)
            assert time.perf_counter() - began < 120, server.log()
        seconds = time.perf_counter() - began
        rows = server.rows("SELECT count(*) AS n, sum(outcome = 'answered') AS answered FROM turns")[0]
    return [
        Figure("answered turns, extractive, 2,000 chunks", CUSTOMERS / seconds, "turns/s", floor=60, goal=300),
        Figure("… of which found an answer", 100 * rows["answered"] / rows["n"], "%"),
    ]

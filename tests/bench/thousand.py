"""A thousand customers at once, three messages each within two seconds, a model that takes a second a call.

Overhead is what passes beyond the batcher's window after a customer's last message and the model's own seconds: a turn
asks it twice, to classify and to answer. WhatsApp is simulated on the same machine. The model is played inside the
server, so the client of a real one, which costs milliseconds of CPU a call, is not in these figures. All settings but
the number's rate are the defaults: 100 turns at once, of two seconds each, are 50 a second at the most, and so the last
of a thousand waits for 20 s however fast the machine is.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from bot.simulator.simulator import Simulator
from database.records import InboundMessage
from services.message_batcher import BatchWindow
from tests.bench.figures import Figure
from tests.bench.served import questions, served
from tests.bench.slow_server import MODEL_SECONDS, TOKENS_A_CALL
from tests.e2e.processes import Server

CUSTOMERS = 1_000
TYPING_SECONDS = 2.0
CHUNKS = 100
PATIENCE_SECONDS = 120
OPENINGS = ("Hello there.", "I have got a question.")
SLOW_SERVER = (sys.executable, "-m", "tests.bench.slow_server")
RATES = {"80 messages/s": "80", "rate raised": "100000"}


async def run() -> list[Figure]:
    """With the number's rate as it is set, and raised."""
    rushes = [await _rush(name, {"CONCIERGE_NUMBER_RATE": rate}) for name, rate in RATES.items()]
    return [figure for rush in rushes for figure in rush]


async def _rush(name: str, settings: dict[str, str]) -> list[Figure]:
    async with served(settings, CHUNKS, prefix=SLOW_SERVER) as (server, simulator):
        asked = [question.rstrip("? ") + "?" for question in questions()]
        await simulator.customer_says("491700000000", asked[0])  # the first call imports the client's library
        await simulator.next_reply("491700000000", timeout_seconds=30)
        already = len(simulator.sent)
        customers = [f"49151{n:07d}" for n in range(CUSTOMERS)]
        await asyncio.gather(
            *(_writes(simulator, each, asked[n % len(asked)], random.Random(n)) for n, each in enumerate(customers))
        )
        await _replies(simulator, already + CUSTOMERS)
        heard = Counter(message.customer for message in simulator.sent)
        overheads = sorted(_overheads(server, {message.customer: message.at for message in simulator.sent}))
    right = sum(heard[customer] == 1 for customer in customers)
    goal = 2.0 if name != "80 messages/s" else None  # at that rate 1,000 replies alone take 12 s
    return [
        Figure(f"{name}: customers with exactly one reply", right, "of 1,000", floor=CUSTOMERS, goal=CUSTOMERS),
        Figure(f"{name}: overhead p50", overheads[len(overheads) // 2], "s", higher_is_better=False),
        Figure(f"{name}: overhead p95", overheads[int(len(overheads) * 0.95)], "s", goal=goal, higher_is_better=False),
    ]


async def _writes(simulator: Simulator, customer: str, question: str, dice: random.Random) -> None:
    texts = (*OPENINGS, question)
    moments = sorted(dice.uniform(0, TYPING_SECONDS) for _ in texts)
    began = asyncio.get_running_loop().time()
    for text, moment in zip(texts, moments, strict=True):
        await asyncio.sleep(began + moment - asyncio.get_running_loop().time())
        await simulator.customer_says(customer, text)


async def _replies(simulator: Simulator, wanted: int) -> None:
    """Until all have come, or none comes any more; then a little longer, for those that should not come."""
    for _ in range(PATIENCE_SECONDS):
        if len(simulator.sent) >= wanted:
            break
        await asyncio.sleep(1)
    await asyncio.sleep(5)


def _overheads(server: Server, replied_at: Mapping[str, int]) -> list[float]:
    """Seconds by customer, from what the server wrote down and when WhatsApp took the reply."""
    rows = server.rows(
        "SELECT c.phone, m.text, m.sent_at, m.received_at, t.input_tokens FROM messages m"
        " JOIN turns t ON t.id = m.turn_id JOIN contacts c ON c.id = m.contact_id"
        " WHERE m.event_id IS NOT NULL ORDER BY m.contact_id, m.seq"
    )
    by_customer: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_customer.setdefault(row["phone"], []).append(row)
    return [
        (replied_at[phone] - _due(messages)) / 1000 - MODEL_SECONDS * messages[-1]["input_tokens"] / TOKENS_A_CALL
        for phone, messages in by_customer.items()
        if phone in replied_at and len(messages) > len(OPENINGS)
    ]


def _due(messages: list[dict[str, Any]]) -> int:
    """When the batcher's window ends, had each message been taken in the moment it arrived."""
    window, began = BatchWindow(), messages[0]["received_at"]
    due, before = 0, None
    for row in messages:
        message = InboundMessage(wamid="", phone_number_id="", type="text", sent_at=row["sent_at"], text=row["text"])
        pause = None if before is None else row["sent_at"] - before
        due, before = max(due, window.due_at(row["received_at"], began, message, pause)), row["sent_at"]
    return due

"""Customers who chat like people, and what became of what they wrote."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from bot.simulator.simulator import Simulator
from database.clock import Clock
from tests.load.timings import Typing

REMARKS = ("hello", "quick question", "sorry to bother you,", "I looked everywhere", "about my last message:")
REPLY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Play:
    """The script: who types how fast, and what about. `seconds` is when nobody begins a burst any more."""

    customers: int
    seconds: float
    speed: float
    seed: int
    typing: Typing
    questions: tuple[str, ...]


@dataclass(slots=True)
class Spoken:
    """When each message was written (epoch milliseconds, by wamid), and how many bursts there were."""

    written: dict[str, int] = field(default_factory=dict)
    bursts: int = 0


async def chat(simulator: Simulator, clock: Clock, play: Play) -> Spoken:
    """Everybody writes until the end; returns when all have had their last reply, or have given up on it."""
    spoken = Spoken()
    until = clock.monotonic() + play.seconds
    everybody = [f"49152{number:07d}" for number in range(play.customers)]
    await asyncio.gather(*(_customer(simulator, clock, play, spoken, each, until) for each in everybody))
    return spoken


async def _customer(
    simulator: Simulator, clock: Clock, play: Play, spoken: Spoken, customer: str, until: float
) -> None:
    dice = random.Random(f"{play.seed}/{customer}")
    await clock.sleep(dice.uniform(0, 5))
    while clock.monotonic() < until:
        spoken.bursts += 1
        gaps = play.typing.burst(dice, play.speed)
        for gap in gaps:
            await _says(simulator, clock, spoken, customer, dice.choice(REMARKS))
            await clock.sleep(gap)
        person = simulator.add_customer(customer)
        person.unseen.clear()  # replies to the beginning of the burst
        await _says(simulator, clock, spoken, customer, dice.choice(play.questions).rstrip("? ") + "?")
        with suppress(TimeoutError):
            await simulator.next_reply(customer, timeout_seconds=REPLY_SECONDS)
        await clock.sleep(dice.uniform(1, 5))


async def _says(simulator: Simulator, clock: Clock, spoken: Spoken, customer: str, text: str) -> None:
    wamid = await simulator.customer_says(customer, text)
    spoken.written[wamid] = clock.now()


def waits(simulator: Simulator, spoken: Spoken, answered: Mapping[str, str]) -> list[float]:
    """Seconds from the last message that a reply answers to its arrival, a figure a reply, ascending.

    `answered` tells for each message (wamid) which reply (wamid) answered it.
    """
    arrived = {sent.wamid: sent.at for sent in simulator.sent}
    last: dict[str, int] = {}
    for message, reply in answered.items():
        if message in spoken.written:
            last[reply] = max(last.get(reply, 0), spoken.written[message])
    return sorted((arrived[reply] - at) / 1000 for reply, at in last.items() if reply in arrived)

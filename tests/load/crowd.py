"""Customers who chat like people, and what became of what they wrote."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from bot.simulator.simulator import Simulator
from database.clock import Clock
from tests.load.timings import Typing

# What people say before their last line. As in irc_support_chat (1,003 messages that another follows) a sixth is short
# or ends in the middle, which is what our batcher waits longer for; a seventh ends with "?", a twelfth with ".".
REMARKS = (
    "hello",
    "sorry to bother you,",
    "I have looked through your page and could not find it",
    "somebody told me to write here about this",
    "it is about something I read yesterday evening",
    "are you there right now?",
    "my sister had the same thing on her mind last week",
    "I am on the train so my answers may take a little",
    "we were talking about it at home and nobody knew",
    "I tried to look it up on my phone first.",
    "I hope this is the right number to write to",
    "do you know about such things at all?",
    "it has been on my mind for a while now",
    "I thought that it would be on the first page",
    "my colleague says one thing and I say another",
    "there is a bet about it in our office",
    "quick question",
    "it would be good to know this before the weekend",
)
MARKED = 0.71  # of irc_support_chat's 160 messages that begin like a question, 113 end with "?"
REPLY_SECONDS = 30.0
EARLY_BIRD = "491700000000"


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
    """When each message was written (epoch milliseconds, by wamid), and which were the questions that end bursts."""

    written: dict[str, int] = field(default_factory=dict)
    questions: set[str] = field(default_factory=set)


async def chat(simulator: Simulator, clock: Clock, play: Play) -> Spoken:
    """Everybody writes until the end; returns when all have had their last reply, or have given up on it."""
    spoken = Spoken()
    until = clock.monotonic() + play.seconds
    everybody = [f"49152{number:07d}" for number in range(play.customers)]
    await asyncio.gather(*(_customer(simulator, clock, play, spoken, each, until) for each in everybody))
    return spoken


async def warm_up(simulator: Simulator, play: Play) -> None:
    """One question before the clock runs: what is loaded at the first use is not what a crowd waits for."""
    await simulator.customer_says(EARLY_BIRD, play.questions[0])
    await simulator.next_reply(EARLY_BIRD, timeout_seconds=2 * REPLY_SECONDS)


async def _customer(
    simulator: Simulator, clock: Clock, play: Play, spoken: Spoken, customer: str, until: float
) -> None:
    dice = random.Random(f"{play.seed}/{customer}")
    await clock.sleep(dice.uniform(0, 5))
    until -= dice.uniform(0, 5)  # people do not end in step either
    while clock.monotonic() < until:
        gaps = play.typing.burst(dice, play.speed)
        for gap in gaps:
            if (left := until - clock.monotonic()) <= 0:
                break  # it is late: to the question
            await _says(simulator, clock, spoken, customer, dice.choice(REMARKS))
            await clock.sleep(min(gap, left))
        person = simulator.add_customer(customer)
        person.unseen.clear()  # replies to the beginning of the burst
        question = dice.choice(play.questions).rstrip("? ") + ("?" if dice.random() < MARKED else "")
        spoken.questions.add(await _says(simulator, clock, spoken, customer, question))
        with suppress(TimeoutError):
            await simulator.next_reply(customer, timeout_seconds=REPLY_SECONDS)
        await clock.sleep(dice.uniform(1, 5))


async def _says(simulator: Simulator, clock: Clock, spoken: Spoken, customer: str, text: str) -> str:
    wamid = await simulator.customer_says(customer, text)
    spoken.written[wamid] = clock.now()
    return wamid


def waits(simulator: Simulator, spoken: Spoken, answered: Mapping[str, str]) -> tuple[list[float], list[float]]:
    """Seconds from the last message that a reply answers to its arrival, ascending: questions' replies, all replies.

    `answered` tells for each message (wamid) which reply (wamid) answered it.
    """
    arrived = {sent.wamid: sent.at for sent in simulator.sent}
    last: dict[str, int] = {}
    for message, reply in answered.items():
        last[reply] = max(last.get(reply, 0), spoken.written[message])
    every = {reply: (arrived[reply] - at) / 1000 for reply, at in last.items() if reply in arrived}
    to_questions = {answered[question] for question in spoken.questions if question in answered}
    return sorted(every[reply] for reply in to_questions & every.keys()), sorted(every.values())

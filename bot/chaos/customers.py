"""Scripted customers: they write in bursts, change their minds, and reach us a day late."""

import random
from contextlib import suppress

from bot.chaos.stage import Stage, Stop, Written

QUESTIONS = (
    "When are you open on Saturday?",
    "What does delivery of a bicycle cost?",
    "How much is it to rent a cargo bicycle for a week?",
    "Is the helmet included when I rent?",
    "Can I cancel a booking in the evening?",
    "Which tram stops near the shop?",
    "Do you ship parcels to France?",
    "What is the deposit for an e-bike?",
    "Are you closed on Mondays?",
    "Do you repair violins?",
)
REMARKS = ("hello", "one more thing,", "I mean the blue one", "thanks!", "sorry, typing on the bus")
LATE_MS = 25 * 3600 * 1000
REPLY_SECONDS = 20.0
SILENCE_SECONDS = 2.5
LATE_PAUSE_SECONDS = 4.0


async def play(stage: Stage, number: int) -> None:
    """One customer's part until it is over: most chat, one in four says stop and start, one in six comes late."""
    customer = f"49151{number:07d}"
    dice = stage.options.dice(customer)
    if number % 6 == 5:  # noqa: PLR2004 - one in six
        await _come_late(stage, customer)
    elif number % 4 == 1:
        await _change_mind(stage, customer, dice)
    elif number % 4 == 3:  # noqa: PLR2004 - one in four
        await _chat(stage, f"DE.{customer}", dice)  # hides the phone
    else:
        await _chat(stage, customer, dice)


async def _chat(stage: Stage, customer: str, dice: random.Random) -> None:
    await stage.clock.sleep(dice.uniform(0, 2))
    while not stage.over.is_set():
        burst, kills = [], stage.diary.kills["server"]
        for _ in range(dice.randint(0, 2)):
            burst.append(await _says(stage, customer, dice.choice(REMARKS), dice))
            await stage.clock.sleep(dice.uniform(0, 0.25))
        burst.append(await _says(stage, customer, dice.choice(QUESTIONS), dice))
        if len(burst) > 1 and stage.diary.kills["server"] == kills:
            stage.diary.bursts.append(tuple(burst))
        await _reply(stage, customer)
        await stage.clock.sleep(dice.uniform(0.2, 1.5))


async def _change_mind(stage: Stage, customer: str, dice: random.Random) -> None:
    await stage.clock.sleep(dice.uniform(0, 2))
    while not stage.over.is_set():
        await _says(stage, customer, dice.choice(QUESTIONS), dice)
        await _reply(stage, customer)
        stop = Stop(await _says(stage, customer, "stop", dice), customer)
        stage.diary.stops.append(stop)
        await _reply(stage, customer)
        for _ in range(2):
            await _says(stage, customer, dice.choice(QUESTIONS), dice)
        await stage.clock.sleep(SILENCE_SECONDS)
        if not stage.over.is_set():
            stop.until = stage.clock.now()
            await _says(stage, customer, "start", dice)
            await _reply(stage, customer)


async def _come_late(stage: Stage, customer: str) -> None:
    """Messages of yesterday, as WhatsApp brings them after an outage: nobody may be written to any more."""
    while not stage.over.is_set():
        text, at = QUESTIONS[0], stage.clock.now() - LATE_MS
        wamid = await stage.simulator.customer_says(customer, text, at=at)
        stage.diary.written[wamid] = Written(customer, text, at, late=True)
        await stage.clock.sleep(LATE_PAUSE_SECONDS)


async def _says(stage: Stage, customer: str, text: str, dice: random.Random) -> str:
    times = 3 if dice.random() < 0.1 else 1  # noqa: PLR2004 - one in ten is posted three times
    wamid = await stage.simulator.customer_says(customer, text, times=times)
    stage.diary.written[wamid] = Written(customer, text, stage.clock.now())
    return wamid


async def _reply(stage: Stage, customer: str) -> None:
    """Wait for a reply; who does not get one in time goes on, and the ledger finds out why."""
    with suppress(TimeoutError):
        await stage.simulator.next_reply(customer, timeout_seconds=REPLY_SECONDS)

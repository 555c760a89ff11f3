"""What goes wrong: faults between us and WhatsApp, and kills of the server and of its vector store."""

from contextlib import suppress

import psutil

from bot.chaos.stage import Stage
from bot.simulator.faults import FaultKind

THROUGHPUT_EXCEEDED = 130429  # WHATSAPP.md 5.4: nothing was taken, try again
# kind → how often, and how. Late statuses stay well below the delivery's grace.
FAULTS = {
    FaultKind.REFUSED: {"probability": 0.03, "code": THROUGHPUT_EXCEEDED},
    FaultKind.DOWN: {"probability": 0.02},
    FaultKind.ANSWER_LOST: {"probability": 0.03},
    FaultKind.ANSWER_500: {"probability": 0.03},
    FaultKind.STATUS_FIRST: {"probability": 0.05},
    FaultKind.STATUS_LATE: {"probability": 0.05, "seconds": 1.0},
    FaultKind.STATUS_DOUBLE: {"probability": 0.10},
    FaultKind.STATUS_SHUFFLE: {"probability": 0.10},
    FaultKind.WEBHOOK_DUPLICATE: {"probability": 0.05},
    FaultKind.WEBHOOK_DELAY: {"probability": 0.05, "seconds": 1.0},
    FaultKind.WEBHOOK_SHUFFLE: {"probability": 0.10, "seconds": 0.5},
}
VECTOR_SHARE = 0.25


async def make_trouble(stage: Stage) -> None:
    """Faults all the time, kills at random instants of it; a killed server starts again at once."""
    for kind, how in FAULTS.items():
        stage.simulator.faults.set(kind, **how)
    dice, began = stage.options.dice("troubles"), stage.clock.monotonic()
    seconds = stage.options.minutes * 60
    for instant in sorted(dice.uniform(0, seconds) for _ in range(stage.options.kills)):
        await stage.clock.sleep(max(0.0, began + instant - stage.clock.monotonic()))
        child = stage.server.vector_process() if dice.random() < VECTOR_SHARE else None
        if child is None:
            # perhaps it has not even finished starting: that is an instant like any other
            _note_death(stage)
            await stage.server.kill()
            stage.diary.kills["server"] += 1
            await stage.server.launch()
        else:
            with suppress(psutil.NoSuchProcess):
                child.kill()
            stage.diary.kills["vector store"] += 1
    await stage.clock.sleep(max(0.0, began + seconds - stage.clock.monotonic()))


async def end_trouble(stage: Stage) -> None:
    """All behaves from now on. Raises CommandError when the server does not start any more."""
    stage.simulator.faults.clear()
    if not stage.server.alive:
        _note_death(stage)
        await stage.server.launch()
    await stage.server.ready()


def _note_death(stage: Stage) -> None:
    """That a server is dead whom nobody killed."""
    process = stage.server.process
    if process is not None and process.returncode is not None:
        stage.diary.deaths.append(process.returncode)

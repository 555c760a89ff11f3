"""`concierge chaos`: scripted customers, faults and kills, and a table of which promises were kept."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.chaos.customers import play
from bot.chaos.evidence import Evidence, collect
from bot.chaos.librarian import keep_shelves, listen, measure_document
from bot.chaos.promises import Verdict, judged, table
from bot.chaos.stage import ChaosOptions, Stage, open_stage
from bot.chaos.strangers import knock
from bot.chaos.troubles import end_trouble, make_trouble
from bot.commands.failures import Exit
from bot.commands.printing import complain, say, say_json
from database.clock import Clock

PROGRESS_SECONDS = 5.0


async def chaos(options: ChaosOptions, clock: Clock, *, as_json: bool) -> Exit:
    """Print the table; FAILED when a promise was broken, whose data and log are then kept to be looked at."""
    _stop_on_signals()
    complain("Starting a server of its own, beside a simulated WhatsApp, in a temporary directory ...")
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="concierge-chaos-"))
    ended = Exit.INTERRUPTED
    try:
        async with open_stage(options, clock, folder) as stage:
            await perform(stage)
            complain("Over. Waiting for the last replies, then looking at everything ...")
            evidence = await collect(stage)
        ended = report(options, evidence, as_json=as_json)
    except asyncio.CancelledError:
        complain("Stopped; nothing was judged.")
    finally:
        if ended is Exit.FAILED:
            complain(f"Data and log of this run are kept in {folder}; --seed {options.seed} repeats its choices.")
        else:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return ended


def _stop_on_signals() -> None:
    """The first signal ends everything in order; more of them do not hurry it."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    asked: list[int] = []

    def stop(number: int) -> None:
        asked.append(number)
        if task is not None and len(asked) == 1:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)


async def perform(stage: Stage) -> None:
    """Let everybody play their part until the time is over; then all behaves, and the server is ready."""
    await measure_document(stage)
    _announce(stage.options)
    async with _actors(stage):
        await make_trouble(stage)
        stage.over.set()
    await end_trouble(stage)


@asynccontextmanager
async def _actors(stage: Stage) -> AsyncIterator[None]:
    """Everybody at work; leaving the block waits for them, and a fault in one of them ends all."""
    async with asyncio.TaskGroup() as group:
        for number in range(stage.options.customers):
            group.create_task(play(stage, number), name=f"customer {number}")
        for part in (keep_shelves, listen, knock, _tell):
            group.create_task(part(stage), name=part.__name__)
        yield


async def _tell(stage: Stage) -> None:
    began = stage.clock.monotonic()
    while not stage.over.is_set():
        await stage.clock.sleep(PROGRESS_SECONDS)
        diary, passed = stage.diary, int(stage.clock.monotonic() - began)
        complain(
            f"{passed // 60}:{passed % 60:02d}  {len(diary.written)} messages, {len(stage.simulator.sent)} replies, "
            f"{diary.kills['server']} kills of the server, {diary.kills['vector store']} of its vector store, "
            f"{sum(stage.simulator.faults.struck.values())} faults, {len(diary.uploads)} documents"
        )


def _announce(options: ChaosOptions) -> None:
    complain(
        f"{options.customers} customers write for {options.minutes:g} minutes while {options.kills} kills and many "
        f"faults happen (--seed {options.seed}). Your own data are not touched. Ctrl-C ends it."
    )


def report(options: ChaosOptions, evidence: Evidence, *, as_json: bool) -> Exit:
    """Judge and print; FAILED when a promise was broken."""
    verdicts = judged(evidence)
    kept = not any(verdict.broken for verdict in verdicts)
    if as_json:
        say_json(_document(options, evidence, verdicts) | {"kept": kept})
    else:
        say(table(verdicts))
    return Exit.OK if kept else Exit.FAILED


def _document(options: ChaosOptions, evidence: Evidence, verdicts: list[Verdict]) -> dict[str, Any]:
    return {
        "seed": options.seed,
        "minutes": options.minutes,
        "customers": options.customers,
        "kills": dict(evidence.diary.kills),
        "faults": evidence.struck,
        "promises": [
            {
                "promise": verdict.promise,
                "tested": verdict.tested,
                "unit": verdict.unit,
                "result": verdict.word,
                "evidence": verdict.note,
                "broken": list(verdict.broken),
            }
            for verdict in verdicts
        ],
    }

"""`concierge chaos`: scripted customers, faults and kills, and a table of which promises were kept."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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
    task = asyncio.current_task()
    if task is not None:  # SIGINT is asyncio's own business
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    complain("Starting a server of its own, beside a simulated WhatsApp, in a temporary directory ...")
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="concierge-chaos-"))
    keep = False
    try:
        async with open_stage(options, clock, folder) as stage:
            await perform(stage)
            complain("Over. Waiting for the last replies, then looking at everything ...")
            evidence = await collect(stage)
        verdicts = judged(evidence)
        keep = any(verdict.broken for verdict in verdicts)
    finally:
        if not keep:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    _print(options, evidence, verdicts, as_json=as_json)
    if keep:
        complain(f"Data and log of this run are kept in {folder}; --seed {options.seed} repeats its choices.")
    return Exit.FAILED if keep else Exit.OK


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


def _print(options: ChaosOptions, evidence: Evidence, verdicts: list[Verdict], *, as_json: bool) -> None:
    if not as_json:
        say(table(verdicts))
        return
    say_json(
        {
            "seed": options.seed,
            "minutes": options.minutes,
            "customers": options.customers,
            "kills": dict(evidence.diary.kills),
            "faults": evidence.struck,
            "kept": not any(verdict.broken for verdict in verdicts),
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
    )

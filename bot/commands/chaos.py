"""`concierge chaos`: scripted customers, faults and kills, and a table of which promises were kept."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bot.chaos.customers import play
from bot.chaos.evidence import Evidence, collect
from bot.chaos.librarian import keep_shelves, listen, measure_document
from bot.chaos.promises import Verdict, judged, table
from bot.chaos.stage import ChaosOptions, Stage, open_stage
from bot.chaos.strangers import knock
from bot.chaos.troubles import end_trouble, make_trouble
from bot.commands.failures import CommandError, Exit
from bot.commands.printing import complain, say, say_json
from database.clock import Clock

PROGRESS_SECONDS = 5.0


async def chaos(options: ChaosOptions, clock: Clock, *, as_json: bool) -> Exit:
    """Print the table; data and log are kept to be looked at unless all was well or somebody ended it."""
    _stop_on_signals()
    complain("Starting a server of its own, beside a simulated WhatsApp, in a temporary directory ...")
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="concierge-chaos-"))
    ended = Exit.FAILED
    try:
        ended = await _judged_run(options, clock, folder, as_json=as_json)
    except asyncio.CancelledError:
        ended = Exit.INTERRUPTED
        complain("Stopped; nothing was judged.")
    finally:
        if ended is Exit.FAILED:
            complain(f"Data and log of this run are kept in {folder}; --seed {options.seed} repeats its choices.")
        else:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return ended


async def _judged_run(options: ChaosOptions, clock: Clock, folder: Path, *, as_json: bool) -> Exit:
    """A server that does not start, or an API that does not answer, is a promise broken like any other."""
    evidence, faults = None, []
    try:
        async with open_stage(options, clock, folder) as stage:
            await perform(stage)
            complain("Over. Waiting for the last replies, then looking at everything ...")
            evidence = await collect(stage)
    except* (CommandError, aiohttp.ClientError, OSError) as found:
        faults = list(_words(found))
    if evidence is None:
        return report_end(options, faults, as_json=as_json)
    return report(options, evidence, as_json=as_json)


def _words(fault: BaseException) -> Iterator[str]:
    if isinstance(fault, BaseExceptionGroup):
        for each in fault.exceptions:
            yield from _words(each)
    else:
        yield str(fault) if isinstance(fault, CommandError) else f"{type(fault).__name__}: {fault}"


def _stop_on_signals() -> None:
    """The first signal ends everything in order; more of them do not hurry it."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    asked: list[int] = []

    def stop(number: int) -> None:
        asked.append(number)
        if task is not None and len(asked) == 1:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks for
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
    """Judge and print; FAILED when a promise was broken, or one of the first never put to the test."""
    return _shown(options, evidence.diary.kills, evidence.struck, judged(evidence), as_json=as_json)


def report_end(options: ChaosOptions, faults: Sequence[str], *, as_json: bool) -> Exit:
    """When nothing could be looked at in the end: what stood in the way, as the one promise that was judged."""
    note = "it did not start or did not answer; nothing else could be judged"
    verdict = Verdict("The server comes back and answers", 1, "run", note, tuple(faults), core=True)
    return _shown(options, {}, {}, [verdict], as_json=as_json)


def _shown(
    options: ChaosOptions,
    kills: Mapping[str, int],
    struck: Mapping[str, int],
    verdicts: list[Verdict],
    *,
    as_json: bool,
) -> Exit:
    kept = all(verdict.holds for verdict in verdicts)
    if as_json:
        run = {"kills": dict(kills), "faults": dict(struck)}
        say_json(_document(options, verdicts) | run | {"kept": kept})
    else:
        say(table(verdicts))
    return Exit.OK if kept else Exit.FAILED


def _document(options: ChaosOptions, verdicts: list[Verdict]) -> dict[str, Any]:
    return {
        "seed": options.seed,
        "minutes": options.minutes,
        "customers": options.customers,
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

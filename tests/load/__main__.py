"""`make load [N=50]`: so many customers chat like people; what they waited for, beside the plain design."""

import argparse
import asyncio
import random
import shutil
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import SystemClock
from tests.bench.__main__ import new_loop
from tests.e2e.processes import ACCESS_TOKEN, APP_SECRET, NUMBER, Server, running_server
from tests.load.crowd import Play
from tests.load.designs import Figures, at_share, concierge, fill, plain
from tests.load.knowledge import Subject, load_subject
from tests.load.timings import load_typing

LONG_SECONDS = 300.0


async def run(play: Play, subject: Subject, *, plain_first: bool = False) -> tuple[Figures, Figures]:
    """Concierge and the plain design, one after the other, each on its own copy of the data, with the same script."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = Server(folder / "data", "", settings={"CONCIERGE_LOG_LEVEL": "warning", "CONCIERGE_API_RATE": "1000"})
        simulated = SimulatorSettings(APP_SECRET, ACCESS_TOKEN, NUMBER, server.webhook_url)
        simulator = await stack.enter_async_context(Simulator.running(clock, random.Random(play.seed), simulated))
        server.api_url = simulator.url
        async with running_server(server):
            pieces = await fill(server, subject)
            _tell(
                f"{play.customers} customers, bursts of {play.typing.source}, {play.speed:g} times as fast;\n"
                f"{pieces:,} pieces of knowledge ({subject.source}), {len(subject.upload)} more uploaded in the middle"
            )
            await server.stop()
        other = replace(server, directory=folder / "copy")
        await asyncio.to_thread(shutil.copytree, server.directory, other.directory)

        async def play_ours() -> Figures:
            _tell(f"Concierge: {play.seconds:g} s ...")
            async with running_server(server):
                return await concierge(server, simulator, play, subject, clock)

        async def play_plain() -> Figures:
            _tell(f"the plain design: {play.seconds:g} s ...")
            return await plain(other, simulator, play, subject, clock)

        if plain_first:
            theirs = await play_plain()
            return await play_ours(), theirs
        return await play_ours(), await play_plain()


def rows_of(ours: Figures, theirs: Figures) -> list[tuple[str, ...]]:
    """The table, its head first."""
    both = (ours, theirs)
    rows: list[tuple[str, ...]] = [("", "Concierge", "plain design: one lock, 3 s window")]
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        rows.append(
            (f"reply to a question, {name}", *(f"{at_share(each.question_waits, share):.2f} s" for each in both))
        )
    rows += [
        ("any reply, p50", *(f"{at_share(each.all_waits, 0.5):.2f} s" for each in both)),
        ("messages", *(f"{len(each.spoken.written):,}" for each in both)),
        ("… not answered", *(f"{len(each.spoken.written) - each.answered:,}" for each in both)),
        ("replies", *(f"{len(each.all_waits):,}" for each in both)),
        ("… that found an answer", *(f"{each.found / max(len(each.all_waits), 1):.0%}" for each in both)),
        ("… that belong to no message", *(f"{each.doubled:,}" for each in both)),
        ("messages a reply", *(f"{each.answered / max(len(each.all_waits), 1):.2f}" for each in both)),
        ("lock waits p50 / p99", *("; ".join(_lock(lock) for lock in each.locks) for each in both)),
        ("memory at the end, all processes", *(f"{each.memory.last_mb:.0f} MB" for each in both)),
        (f"memory slope, second half{_doubt(ours)}", *(f"{each.memory.slope:+.0f} MB/h" for each in both)),
    ]
    return rows


def _doubt(figures: Figures) -> str:
    """Warming up and parsers that come and go are most of what a short run shows."""
    return "" if figures.memory.looks[-1][0] >= LONG_SECONDS else " (too short a run to mean much)"


def _lock(lock: tuple[str, float, float]) -> str:
    name, p50, p99 = lock
    return f"{name}: {1000 * p50:.1f} / {1000 * p99:.1f} ms"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a benchmark prints


def main() -> None:
    """Print one table (Markdown)."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--customers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each design is chatted with")
    parser.add_argument("--speed", type=float, default=5.0, help="how many times as fast as people typed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain-first", action="store_true", help="let the plain design begin")
    asked = parser.parse_args()
    subject = load_subject()
    play = Play(asked.customers, asked.seconds, asked.speed, asked.seed, load_typing(), subject.questions)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        rows = rows_of(*runner.run(run(play, subject, plain_first=asked.plain_first)))
    rows.insert(1, ("---", "---", "---"))
    for row in rows:
        print("| " + " | ".join(row) + " |")  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    main()

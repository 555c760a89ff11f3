"""`make bench [ARGS]`: run the benchmarks (all, or those named) and print each figure beside its baseline."""

import asyncio
import importlib
import logging
import os
import sys
from pathlib import Path

from tests.bench.figures import Figure, table

PARTS = (
    "webhook_rate",
    "backlog",
    "answered_turns",
    "reply_overhead",
    "index_lag",
    "vector_settings",
    "uploads",
    "answers",
    "retrieval",
    "articles",
    "search_speed",
    "topics",
    "refusals",
    "conversations",
    "start",
    "batch_window",
    "thousand",
    "attacks",
    "chunk_sets",
    "snapshots",
    "endurance",
    "documents",
    "gaps",
)


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop that `concierge serve` uses."""
    import uvloop

    return uvloop.new_event_loop()


def main() -> int:
    """Print a table a part; 1 when a figure is below its floor."""
    logging.basicConfig(level=logging.ERROR)
    wanted = sys.argv[1:] or PARTS
    if unknown := [name for name in wanted if name not in PARTS]:
        print(f"There is no part {', '.join(unknown)}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return os.EX_USAGE
    figures: list[Figure] = []
    for name in wanted:
        part = importlib.import_module(f"tests.bench.{name}")
        print(f"{name}: {(part.__doc__ or '').strip().splitlines()[0]}", file=sys.stderr, flush=True)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            found = runner.run(part.run())
        figures += found
        print(table(found), file=sys.stderr, flush=True)
    print(f"\n{Path(sys.executable).name} on {len(wanted)} parts\n")
    print(table(figures))
    return int(any(figure.verdict == "BELOW FLOOR" for figure in figures))


if __name__ == "__main__":
    sys.exit(main())

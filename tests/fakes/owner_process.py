"""A process that owns a data directory until it is told to end, or is killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = """
import asyncio, sys
from pathlib import Path
from bot.data_directory import owned_directory
from database.clock import SystemClock

async def own():
    async with owned_directory(Path(sys.argv[1]), clock=SystemClock(), wait_seconds=0) as directory:
        if len(sys.argv) > 2:
            await directory.announce("127.0.0.1", int(sys.argv[2]), 0)
        print("owned", flush=True)
        sys.stdin.readline()

asyncio.run(own())
"""


@contextmanager
def owner_process(directory: Path, *, port: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Own `directory` in another process; with `port`, announce an API there."""
    arguments = [sys.executable, "-c", SCRIPT, str(directory), *([] if port is None else [str(port)])]
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "owned\n"
            yield process
        finally:
            process.kill()

"""The `concierge` command as a process of its own, and a server in ours that owns the data directory it works on."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.data_directory import owned_directory
from bot.settings import Settings
from database.clock import SystemClock
from database.engine import Database
from database.metrics import Metrics
from tests.fakes.api_desk import ADMIN
from tests.fakes.document_desk import DocumentDesk, document_desk

ROOT = Path(__file__).parents[2]
RUN = (sys.executable, "-c", "import sys; from bot.command_line import main; sys.exit(main())")


def environment(**settings: str) -> dict[str, str]:
    """Of a command without any settings but these."""
    ours = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "PYTHONPATH": str(ROOT), "CONCIERGE_LOCK_WAIT_SECONDS": "0", **settings}


async def concierge(folder: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run the command in `folder`: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(*RUN, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=environment(**settings),
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def served_directory(
    folder: Path, chat: Database, knowledge: Database, metrics: Metrics, **settings: Any
) -> AsyncIterator[DocumentDesk]:
    """A running server that owns `folder`/data and knows the token of its run.json."""
    clock = SystemClock()
    async with owned_directory(folder / "data", clock=clock, wait_seconds=0) as directory:
        tokens = {"admin": ADMIN, "owner": directory.token}
        async with document_desk(
            chat, knowledge, clock, metrics, folder / "uploads", tokens=tokens, **settings
        ) as desk:
            await directory.announce("127.0.0.1", desk.client.port or 0, clock.now())
            yield desk

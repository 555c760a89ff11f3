"""A hundred backups to a folder and 20 to a store leave no descriptor open; CONCIERGE_BACKUP_CYCLES makes more."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.object_server import object_server

CYCLES = int(os.environ.get("CONCIERGE_BACKUP_CYCLES", "100"))
pytestmark = pytest.mark.blocking_allowed  # the test waits for a process


@asynccontextmanager
async def place(kind: str, folder: Path) -> AsyncIterator[dict[str, str]]:
    """The settings of a place for snapshots."""
    if kind == "folder":
        yield {"CONCIERGE_BACKUP_TO": str(folder / "backups")}
        return
    async with object_server(folder / "s3") as server:
        yield {"CONCIERGE_BACKUP_TO": server.address, **server.environment()}


@pytest.mark.parametrize(("kind", "cycles"), [("folder", CYCLES), ("s3", CYCLES // 5)])
async def test_descriptors_do_not_grow(tmp_path, kind, cycles):
    """With at most 256 of them, the index closed and opened again each time: as many at the end as at the beginning."""
    async with place(kind, tmp_path) as settings:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fakes.backup_cycles", str(tmp_path), str(cycles)),
            cwd=Path(__file__).parents[2],
            env={**os.environ, **settings},
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), 60 + cycles)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    assert process.returncode == 0
    counts = json.loads(out)
    assert len(counts) == cycles
    # a connection to the store that is kept for a while may come and go
    assert max(counts[cycles // 2 :]) <= max(counts[: cycles // 4]) + 2
    assert counts[-1] < 100

"""Ingestion under SIGKILL: what was accepted becomes knowledge, once and whole."""

import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from database.clock import SystemClock
from database.records import DocumentStatus
from database.transaction import Row, Transaction
from tests.fakes.ingestion_process import running_ingestion
from tests.fakes.memory_knowledge import MemoryIndex
from tests.shared import ROOT

KILLS = 5
UPLOADS = 6


def work_and_be_killed(folder: Path, uploads: int, seconds: float) -> list[str]:
    """The ids that a process reported as accepted before it was killed."""
    command = [sys.executable, "-m", "tests.fakes.ingestion_process", str(folder), str(uploads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        accepted = [process.stdout.readline().strip() for _ in range(uploads)]
        time.sleep(seconds)
        children = psutil.Process(process.pid).children()
        process.kill()
        # A parser whose parent is gone ends by itself.
        assert psutil.wait_procs(children, timeout=10)[1] == []
    return accepted


async def chunk_rows(transaction: Transaction) -> list[Row]:
    return await transaction.all(
        "SELECT d.id, d.chunks_count, COUNT(c.id) AS chunks, COUNT(DISTINCT c.text) AS texts, "
        "MAX(c.ordinal) + 1 AS numbered, COUNT(e.chunk_id) AS vectors FROM documents AS d "
        "LEFT JOIN chunks AS c ON c.version_id = d.live_version_id "
        "LEFT JOIN embeddings AS e ON e.chunk_id = c.id GROUP BY d.id ORDER BY d.id"
    )


@pytest.mark.blocking_allowed  # it starts and kills processes itself
@pytest.mark.timeout(120)
async def test_killed_again_and_again(tmp_path):
    """After kills at random instants every accepted document is ready with each of its chunks exactly once."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to run a failure again
    dice = random.Random(seed)
    accepted = work_and_be_killed(tmp_path, UPLOADS, 0.1)
    for _ in range(KILLS - 1):
        work_and_be_killed(tmp_path, 0, dice.uniform(0, 0.5))
    async with running_ingestion(tmp_path, SystemClock(), MemoryIndex()) as (ingestion, database):
        await ingestion.wait_until_done(accepted)
        documents, _ = await ingestion.list("b1", 50, None)
        rows = await database.read(chunk_rows)
    assert sorted(document.id for document in documents) == sorted(accepted)
    assert {document.status for document in documents} == {DocumentStatus.READY}
    for number, row in enumerate(rows):
        parts = 100 + 50 * number
        assert tuple(row)[1:] == (parts, parts, parts, parts, parts)
    assert len(list((tmp_path / "files").iterdir())) == UPLOADS

"""A snapshot of 200 MB beside a busy chat: how long, beside `cp -r`, and what the event loop and commits feel of it.

A backup reads all of both databases to check them, hashes what it stores and syncs it; `cp -r` does none of that. The
chat writes a row every 5 ms, in the same process, as a server's would.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import numpy as np

from database.clock import SystemClock
from database.transaction import Transaction
from services.object_stores import StoreAccess
from services.snapshots.backups import NoIndex
from services.snapshots.making import Order, SnapshotMaker
from services.snapshots.places import Place, open_place
from services.snapshots.restoring import restore
from services.snapshots.work import Progress
from tests.bench.figures import Figure
from tests.bench.index_lag import Lag
from tests.fakes.object_server import RCLONE, object_server
from tests.fakes.small_data import SmallData, small_data

MB = 1_000_000
UPLOADS = 200
UPLOAD_BYTES = MB // 2
DATABASE_BYTES = 100 * MB
ROW_BYTES = 20_000
PAUSE_SECONDS = 0.005
QUIET_SECONDS = 3.0


async def _insert(transaction: Transaction) -> None:
    await transaction.run("INSERT INTO ballast (content) VALUES (randomblob(:size))", {"size": 200})


@asynccontextmanager
async def chatting(data: SmallData, commits: list[float]) -> AsyncIterator[None]:
    """Commit small units to concierge.db, one after another, and note how long each takes."""

    async def write() -> None:
        while True:
            began = time.perf_counter()
            await data.chat.write(_insert)
            commits.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_SECONDS)

    task = asyncio.create_task(write())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _fill(data: SmallData) -> None:
    async def unit(transaction: Transaction) -> None:
        await transaction.run("CREATE TABLE IF NOT EXISTS ballast (content BLOB)")

    async def rows(transaction: Transaction) -> None:
        await transaction.many(
            "INSERT INTO ballast (content) VALUES (?)", [(os.urandom(ROW_BYTES),) for _ in range(50)]
        )

    for database in (data.chat, data.knowledge):
        await database.write(unit)
        for _ in range(DATABASE_BYTES // 2 // ROW_BYTES // 50):
            await database.write(rows)
    for _ in range(UPLOADS):
        await data.upload(os.urandom(UPLOAD_BYTES))


async def _quiet(data: SmallData) -> tuple[Lag, list[float]]:
    """The same chat without a backup: what this machine does to it just now."""
    lag, commits = Lag(), list[float]()
    async with chatting(data, commits), lag.measured():
        await asyncio.sleep(QUIET_SECONDS)
    return lag, commits


async def _backed_up(data: SmallData, place: Place, threads: ThreadPoolExecutor) -> tuple[float, Lag, list[float]]:
    maker = SnapshotMaker(data.directory, NoIndex(), "bench", SystemClock(), threads)
    lag, commits = Lag(), list[float]()
    async with chatting(data, commits), lag.measured():
        began = time.perf_counter()
        await maker.make(Order.new(SystemClock().now()), place, Progress())
        seconds = time.perf_counter() - began
    return seconds, lag, commits


async def _copied(source: Path, target: Path) -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec("cp", "-r", str(source), str(target))
    await process.wait()
    return time.perf_counter() - began


def _p99_ms(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 99)) * 1000


async def run() -> list[Figure]:
    """The figures of this benchmark."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as threads:
        base = Path(folder)
        async with small_data(base / "data", SystemClock()) as data:
            await _fill(data)
        # closed and opened: the log of all those rows is put away
        async with small_data(base / "data", SystemClock()) as data:
            size = sum(path.stat().st_size for path in (base / "data").rglob("*") if path.is_file()) / MB
            figures = await _to_a_folder(data, base, size, threads)
            if RCLONE.exists():
                figures += await _to_a_server(data, base, size, threads)
        await asyncio.to_thread((base / "new").mkdir)
        began = time.perf_counter()
        place = open_place(str(base / "backups"), StoreAccess())
        await asyncio.to_thread(partial(restore, base / "new", place, "latest", Progress()))
        figures.append(Figure("restore, all checked and synced", size / (time.perf_counter() - began), "MB/s"))
    return figures


async def _to_a_folder(data: SmallData, base: Path, size: float, threads: ThreadPoolExecutor) -> list[Figure]:
    quiet, quiet_commits = await _quiet(data)
    place = open_place(str(base / "backups"), StoreAccess())
    copied = await _copied(data.directory, base / "copy")
    first, lag, commits = await _backed_up(data, place, threads)
    again, _, _ = await _backed_up(data, place, threads)
    return [
        Figure(f"first backup of {size:.0f} MB to a folder", first, "s", copied, "cp -r", higher_is_better=False),
        Figure("the same", size / first, "MB/s", size / copied, "cp -r"),
        Figure("the next backup: what changed", again, "s", higher_is_better=False),
        _lag("event-loop lag p99 during a backup to a folder", lag, quiet),
        Figure(
            "a chat's commit p99 meanwhile",
            _p99_ms(commits),
            "ms",
            _p99_ms(quiet_commits),
            "without a backup",
            higher_is_better=False,
        ),
    ]


async def _to_a_server(data: SmallData, base: Path, size: float, threads: ThreadPoolExecutor) -> list[Figure]:
    async with object_server(base / "s3") as server:
        quiet, _ = await _quiet(data)
        store = await asyncio.to_thread(open_place, server.address, server.access())
        seconds, lag, _ = await _backed_up(data, store, threads)
    return [
        Figure("first backup to an S3 server on this machine", size / seconds, "MB/s"),
        _lag("event-loop lag p99 during a backup to an S3 server", lag, quiet),
    ]


def _lag(name: str, lag: Lag, quiet: Lag) -> Figure:
    return Figure(name, lag.p99_ms(), "ms", quiet.p99_ms(), "without a backup", 50, 10, higher_is_better=False)

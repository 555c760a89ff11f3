"""A data directory, a place for its snapshots, and hands for both."""

import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.object_stores import StoreAccess
from services.snapshots.backups import NoIndex
from services.snapshots.making import Order, SnapshotMaker
from services.snapshots.manifest import Manifest
from services.snapshots.places import Place, open_place
from services.snapshots.restoring import Restored, find_snapshot, restore
from services.snapshots.work import Progress
from tests.fakes.fake_clock import FakeClock
from tests.fakes.small_data import SmallData, small_data


@dataclass
class Desk:
    """A data directory, a place for snapshots, and hands for both."""

    data: SmallData
    place: Place
    folder: Path
    maker: SnapshotMaker
    clock: FakeClock
    progress: Progress

    async def back_up(self, *, with_index: bool = False) -> Manifest:
        await self.clock.advance(1)
        self.progress = Progress()
        order = Order.new(self.clock.now(), with_index=with_index)
        held = await self.maker.make(order, self.place, self.progress)
        assert held.manifests[order.snapshot_id].snapshot.complete
        return find_snapshot(self.place, order.snapshot_id)

    def stored(self, part: str) -> list[Path]:
        return [path for path in (self.folder / part).rglob("*") if path.is_file()]


@asynccontextmanager
async def opened(folder: Path, clock: FakeClock, *, keep: int | None = None) -> AsyncIterator[Desk]:
    with ThreadPoolExecutor(2) as threads:
        async with small_data(folder / "data", clock) as data:
            maker = SnapshotMaker(data.directory, NoIndex(), "1.2.3", clock, threads, keep)
            place = open_place(str(folder / "backups"), StoreAccess())
            yield Desk(data, place, folder / "backups", maker, clock, Progress())


def bring_back(place: Place, directory: Path, wanted: str = "latest") -> Restored:
    directory.mkdir(exist_ok=True)
    return restore(directory, place, wanted, Progress())


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()

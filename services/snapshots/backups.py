"""Snapshots while the server runs: one at a time, when somebody asks and by the schedule."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TypeVar

from database.clock import Clock
from database.copying import UnsoundDatabaseError
from database.metrics import Metrics
from services.object_stores import StoreAccess, StoreError, told
from services.snapshots.inventory import Inventory, take_inventory
from services.snapshots.making import IndexFiles, Order, SnapshotMaker
from services.snapshots.manifest import Snapshot
from services.snapshots.places import Place, StoppedError, open_place
from services.snapshots.schedule import Schedule
from services.snapshots.work import Progress
from vectorstore.chroma_manager import VectorStoreError

T = TypeVar("T")
logger = logging.getLogger(__name__)

REMEMBERED = 20
# after a start, before what was missed is made up for
SETTLING_SECONDS = 60.0
LOOK_SECONDS = 60.0
RETRY_SECONDS = (300.0, 1_800.0)


class BackupState(StrEnum):
    """How a backup is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class BackupRunningError(Exception):
    """Another backup is being made."""


@dataclass(slots=True)
class Backup:
    """One backup of this process: what was ordered, how far it is, how it ended.

    `usual`: it goes where snapshots usually go, which are pruned. `error` is for the operator.
    """

    order: Order
    place: str
    usual: bool
    progress: Progress = field(default_factory=Progress)
    state: BackupState = BackupState.RUNNING
    error: str | None = None
    ended_at: int | None = None
    snapshot: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """`place` is where snapshots go unless told otherwise; empty: nowhere, and none are made by themselves.

    `keep` and `schedule` hold for that place only. `stop_seconds`: how long the end waits for what is being made.
    """

    place: str = ""
    schedule: str = ""
    keep: int = 7
    stop_seconds: float = 5.0
    access: StoreAccess = field(default_factory=StoreAccess)


class Backups:
    """Of one data directory, which this process owns."""

    def __init__(
        self,
        directory: Path,
        index: IndexFiles | None,
        program: str,
        options: BackupOptions,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._directory = directory
        self._index = index
        self._program = program
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="backup")
        # a store that is silent keeps those who look waiting, and not the work
        self._looks = ThreadPoolExecutor(1, thread_name_prefix="backup list")
        self._known: dict[str, Backup] = {}
        self._work: asyncio.Task[None] | None = None
        self._last_success: int | None = None
        self._last_failure: str | None = None
        self._unusable = 0

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        directory: Path,
        index: IndexFiles | None,
        program: str,
        options: BackupOptions,
        clock: Clock,
        metrics: Metrics,
    ) -> "AsyncIterator[Backups]":
        """Take orders, and keep the schedule when there is one. What is being made at the end is given up."""
        backups = cls(directory, index, program, options, clock, metrics)
        keeping = None
        if options.place and options.schedule:
            schedule = Schedule(options.schedule)
            keeping = asyncio.create_task(backups._keep_schedule(schedule), name="backup schedule")
        try:
            yield backups
        finally:
            if keeping is not None:
                keeping.cancel()
                await asyncio.wait([keeping])
            await backups._close()

    @property
    def place(self) -> str:
        """Where snapshots go unless told otherwise; empty when that is not set."""
        return self._options.place

    @property
    def last_success(self) -> int | None:
        """When the newest snapshot was made, as far as this process knows; epoch milliseconds."""
        return self._last_success

    @property
    def last_failure(self) -> str | None:
        """Why the last backup failed; None when it did not."""
        return self._last_failure

    @property
    def unusable(self) -> int:
        """How many manifests of the usual place cannot be read, by the last look at it."""
        return self._unusable

    async def start(self, *, to: str = "", with_index: bool = False) -> Backup:
        """Begin a backup; `to` is another place than the usual one, where nothing is ever removed.

        Raises BackupRunningError, and StoreError for a place that cannot be used.
        """
        now = self._clock.now()
        if with_index and self._index is None:
            raise StoreError("The index is on a Chroma server: it is no part of snapshots, and is made anew without.")
        address = to or self._options.place
        if not address:
            raise StoreError("Say where the snapshot is to go (--to), or start the server with CONCIERGE_BACKUP_TO.")
        place = await self._threaded(partial(outside, address, self._directory, self._options.access))
        if self._work is not None and not self._work.done():
            raise BackupRunningError
        usual = address == self._options.place
        backup = Backup(Order.new(now, with_index=with_index), place.shown, usual)
        keep = self._options.keep if usual else None
        self._remember(backup)
        self._work = asyncio.create_task(self._run(backup, place, keep), name="backup")
        return backup

    def get(self, backup_id: str) -> Backup | None:
        """A backup of this process; None when it is not known (any more)."""
        return self._known.get(backup_id)

    def recent(self) -> list[Backup]:
        """The backups of this process, newest first."""
        return list(reversed(self._known.values()))

    async def snapshots(self, only: str | None = None) -> Inventory:
        """What the usual place holds, or `only` the snapshot with this id; nothing without one. Raises StoreError."""
        if not self._options.place:
            return Inventory()

        def listed() -> Inventory:
            return take_inventory(open_place(self._options.place, self._options.access), only)

        found = await asyncio.get_running_loop().run_in_executor(self._looks, listed)
        if only is None:
            self._unusable = len(found.broken)
        return found

    async def wait(self) -> None:
        """Return when nothing is being made."""
        if self._work is not None:
            await asyncio.wait([self._work])

    def _remember(self, backup: Backup) -> None:
        self._known[backup.order.snapshot_id] = backup
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    async def _run(self, backup: Backup, place: Place, keep: int | None) -> None:
        began = self._clock.monotonic()
        index = self._index or NoIndex()
        maker = SnapshotMaker(self._directory, index, self._program, self._clock, self._threads, keep)
        try:
            held = await maker.make(backup.order, place, backup.progress)
        except Exception as error:  # noqa: BLE001 - the edge: a backup that fails is told, and nothing else stops
            backup.error = why(error)
            self._last_failure = backup.error
            logger.warning("backup %s failed: %s", backup.order.snapshot_id, backup.error)
        else:
            backup.snapshot = held.manifests[backup.order.snapshot_id].snapshot
            self._last_failure = None
            if backup.usual:
                self._unusable = len(held.broken)
            self._succeeded(backup.order.created_at)
            logger.info(
                "backup %s: %d files, %d bytes, %d of them new",
                *(backup.order.snapshot_id, backup.snapshot.files),
                *(backup.snapshot.bytes, backup.progress.written),
            )
        backup.ended_at = self._clock.now()
        backup.state = BackupState.DONE if backup.error is None else BackupState.FAILED
        self._metrics.backups.labels(backup.state.value).inc()
        self._metrics.backup_seconds.observe(self._clock.monotonic() - began)

    def _succeeded(self, at: int) -> None:
        # a clock that was wrong has perhaps dated one in the future: it would seem young for ever
        self._last_success = min(max(at, self._last_success or 0), self._clock.now())
        self._metrics.last_backup.set(self._last_success / 1000)

    async def _keep_schedule(self, schedule: Schedule) -> None:
        await self._clock.sleep(SETTLING_SECONDS)
        await self._look_back()
        since = self._last_success or self._clock.now()
        while (due := schedule.following(since)) is not None:
            while since <= (now := self._clock.now()) < due:
                # in short steps: the machine may sleep, and its clock may be set
                await self._clock.sleep(min((due - now) / 1000, LOOK_SECONDS))
            if now >= due:
                await self._make_scheduled()
            # what came due meanwhile is made up for by what was just made; a clock set back begins anew
            since = self._clock.now()

    async def _look_back(self) -> None:
        """When the newest snapshot was made, also by a process before us."""
        try:
            found = await self.snapshots()
        except Exception as error:  # noqa: BLE001 - the edge: the schedule goes on
            self._last_failure = why(error)
            logger.warning("snapshots cannot be listed: %s", self._last_failure)
            return
        for snapshot in found.snapshots():
            if snapshot.complete:
                self._succeeded(snapshot.created_at)
                return

    async def _make_scheduled(self) -> None:
        for pause in (*RETRY_SECONDS, None):
            try:
                backup = await self._begin()
            except StoreError as error:
                self._last_failure = str(error)
                logger.warning("no backup could be begun: %s", error)
                return
            await self.wait()
            if backup.state is BackupState.DONE or pause is None:
                return
            await self._clock.sleep(pause)

    async def _begin(self) -> Backup:
        while True:
            await self.wait()
            with contextlib.suppress(BackupRunningError):  # somebody was quicker
                return await self.start()

    async def _threaded(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _close(self) -> None:
        if self._work is not None:
            for backup in self._known.values():
                backup.progress.stop()
            await asyncio.wait([self._work], timeout=self._options.stop_seconds)
            if not self._work.done():
                logger.warning("a backup's store does not answer: it is not waited for")
                self._work.cancel()
                await asyncio.wait([self._work])
        for threads in (self._threads, self._looks):
            threads.shutdown(wait=False, cancel_futures=True)


class NoIndex:
    """Stands where the index is not ours."""

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Nothing to copy."""
        yield None


def outside(address: str, directory: Path, access: StoreAccess) -> Place:
    """The place at an address. Raises StoreError also for one inside the data directory."""
    place = open_place(address, access)
    folder = getattr(place, "directory", None)
    if isinstance(folder, Path) and folder.resolve().is_relative_to(directory.resolve()):
        raise StoreError(f"{folder} is inside the data directory: snapshots there would be lost with it.")
    return place


def why(error: Exception) -> str:
    """What went wrong with a snapshot, in a sentence for the operator."""
    if isinstance(error, StoreError | UnsoundDatabaseError | VectorStoreError):
        return str(error)
    if isinstance(error, StoppedError):
        return "It was given up because the server stopped."
    if isinstance(error, sqlite3.Error):
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return "There is no space left on this machine's disk."
        return f"A database cannot be copied: {error}."
    if isinstance(error, OSError):
        return str(told(error, error.filename or "The disk"))
    logger.error("a backup failed in an unexpected way", exc_info=error)
    return f"Something unexpected went wrong ({type(error).__name__}); the log has more."

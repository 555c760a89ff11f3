"""Makes a snapshot: stages the data, puts what the place lacks there, and writes the manifest last."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from database.clock import Clock
from services.object_stores import StoreError
from services.snapshots.inventory import Inventory, need_own_place, prune, take_inventory, unmark_damaged
from services.snapshots.manifest import (
    FORMAT,
    Manifest,
    SnapshotFile,
    content_path,
    manifest_path,
    new_snapshot_id,
)
from services.snapshots.places import Place
from services.snapshots.staging import Staged, StagedFile, clear_stage, open_stage, stage_data, stage_index
from services.snapshots.work import Progress, for_each, sha256_of

T = TypeVar("T")
logger = logging.getLogger(__name__)


class IndexFiles(Protocol):
    """The vector index as files."""

    def closed(self) -> AbstractAsyncContextManager[Path | None]:
        """Its directory while nothing has it open; None when there is none. Words alone answer searches meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted. `snapshot_id` names what will be made, and the work."""

    snapshot_id: str
    created_at: int
    with_index: bool = False

    @classmethod
    def new(cls, now: int, *, with_index: bool = False) -> "Order":
        """An order given now."""
        return cls(new_snapshot_id(now), now, with_index)


@dataclass(frozen=True, slots=True)
class SnapshotMaker:
    """`directory` is owned by this process. `keep`: how many snapshots stay; None keeps all."""

    directory: Path
    index: IndexFiles
    program: str
    clock: Clock
    threads: Executor
    keep: int | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def make(self, order: Order, place: Place, progress: Progress) -> Inventory:
        """Make it, then prune; what the place holds with it.

        Who is cancelled leaves the stage to the directory's next owner: a thread may still read it.
        Raises StoreError, UnsoundDatabaseError, sqlite3.Error, OSError, StoppedError.
        """
        async with self._making:
            folder = await self._threaded(partial(open_stage, self.directory))
            cancelled = False
            try:
                staged = await self._staged(folder, order, progress)
                inventory = await self._threaded(partial(self._put, order, staged, place, progress))
            except asyncio.CancelledError:
                cancelled = True
                raise
            finally:
                if not cancelled:
                    await self._threaded(partial(clear_stage, self.directory))
            if self.keep is not None:
                await self._threaded(partial(self._prune, order, place, inventory, self.keep))
        return inventory

    async def _staged(self, folder: Path, order: Order, progress: Progress) -> Staged:
        staged = await self._threaded(partial(stage_data, self.directory, folder, progress))
        if order.with_index:
            progress.began("copying the index")
            async with self.index.closed() as directory:
                if directory is not None:
                    await self._threaded(partial(stage_index, directory, folder, staged))
        return staged

    def _put(self, order: Order, staged: Staged, place: Place, progress: Progress) -> Inventory:
        inventory = take_inventory(place)
        need_own_place(place, inventory, staged.origin)
        progress.began("storing", sum(file.bytes for file in staged.files))
        files: list[SnapshotFile] = []
        for_each(
            staged.files,
            lambda file: file.bytes,
            lambda file: files.append(_stored(file, place, inventory, progress)),
            progress,
            at_once=place.at_once,
        )
        manifest = Manifest(
            format=FORMAT,
            id=order.snapshot_id,
            concierge=self.program,
            created_at=order.created_at,
            origin=staged.origin,
            schemas=staged.schemas,
            with_index=order.with_index,
            versions_without_file=staged.versions_without_file,
            files=sorted(files, key=lambda file: file.path),
        )
        progress.go_on()
        return _name(manifest, place, progress)

    def _prune(self, order: Order, place: Place, inventory: Inventory, keep: int) -> None:
        try:
            pruned = prune(place, inventory, keep=keep, now=self.clock.now(), made=order.snapshot_id)
        except StoreError as error:
            # the snapshot is there: the next one tries again
            logger.warning("old snapshots could not be removed: %s", error)
            return
        logger.info("%d old snapshots and %d of their files were removed", pruned.snapshots, pruned.contents)

    async def _threaded(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)


def _stored(file: StagedFile, place: Place, inventory: Inventory, progress: Progress) -> SnapshotFile:
    """Content by its checksum: what the place has is neither read nor sent."""
    if file.sha256 and inventory.holds(content_path(file.sha256), file.bytes):
        progress.add(file.bytes)
        return SnapshotFile(path=file.path, bytes=file.bytes, sha256=file.sha256)
    sha256 = sha256_of(file.source, progress)
    if file.sha256 and sha256 != file.sha256:
        logger.warning("%s is not what was uploaded: the disk has changed it", file.path)
    there = inventory.holds(content_path(sha256), file.bytes)
    if not there:
        place.put(content_path(sha256), file.source, progress.stopped)
        if content_path(sha256) in inventory.damaged:
            unmark_damaged(place, [content_path(sha256)])
    progress.add(file.bytes, written=not there)
    return SnapshotFile(path=file.path, bytes=file.bytes, sha256=sha256)


def _name(manifest: Manifest, place: Place, progress: Progress) -> Inventory:
    """Write the manifest, once all that it names is seen to be there; what the place holds with it."""
    progress.began("naming")
    inventory = take_inventory(place)
    if not inventory.complete(manifest):
        raise StoreError(f"{place.shown} does not hold all that was put there. Does another program delete in it?")
    place.put(manifest_path(manifest.id), manifest.written(), progress.stopped)
    inventory.add(manifest)
    return inventory

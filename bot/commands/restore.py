"""`concierge restore`: bring a snapshot back, try whether it would come back, or list what there is."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from bot.commands.failures import CommandError, Exit
from bot.commands.printing import say, say_json
from bot.data_directory import owned_directory
from bot.settings import Settings
from database.clock import Clock
from services.object_stores import StoreError
from services.snapshots.backups import why
from services.snapshots.inventory import take_inventory
from services.snapshots.places import Place, open_place
from services.snapshots.restoring import LATEST, UnusableSnapshotError, fetch, find_snapshot, restore, split_address
from services.snapshots.swapping import UnfinishedSwapError
from services.snapshots.work import Progress, megabytes

T = TypeVar("T")

PAUSE_SECONDS = 0.2
FULL = 100.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which snapshot (an id, "latest", a place, or place/id), of which place, and whether only to list or to try it."""

    snapshot: str | None
    place: str = ""
    listed: bool = False
    checked: bool = False


async def restore_data(settings: Settings, clock: Clock, wanted: Wanted, *, as_json: bool) -> Exit:
    """Do what was asked for. Raises CommandError, OwnedError: the text says so unless the data are as they were."""
    try:
        address, snapshot = split_address(wanted.snapshot or LATEST, wanted.place or settings.concierge_backup_to)
        place = await asyncio.to_thread(open_place, address, settings.store_access)
        if wanted.listed:
            return await _list(place, as_json=as_json)
        if wanted.snapshot is None:
            raise CommandError("Say which snapshot: its id, latest, or PLACE/ID. --list shows what there is.")
        if wanted.checked:
            return await _check(place, snapshot, as_json=as_json)
        return await _restore(settings, place, snapshot, clock, as_json=as_json)
    except (StoreError, UnusableSnapshotError, UnfinishedSwapError, sqlite3.Error, OSError) as error:
        text = str(error) if isinstance(error, UnusableSnapshotError | UnfinishedSwapError) else why(error)
        raise CommandError(text) from error


async def _list(place: Place, *, as_json: bool) -> Exit:
    inventory = await asyncio.to_thread(take_inventory, place)
    snapshots = inventory.snapshots()
    if as_json:
        say_json(
            {
                "snapshots": [each.shown() for each in snapshots],
                "unusable": {snapshot_id: each.reason for snapshot_id, each in inventory.broken.items()},
            }
        )
        return Exit.OK
    for each in snapshots:
        index = ", with the index" if each.with_index else ""
        missing = "" if each.complete else "  NOT COMPLETE: files are missing or damaged"
        say(f"{each.id}  {each.files} files, {megabytes(each.bytes)}{index}, by {each.concierge}{missing}")
    for snapshot_id, broken in inventory.broken.items():
        say(f"{snapshot_id}  UNUSABLE: {broken.reason}")
    if not snapshots and not inventory.broken:
        say(f"There is no snapshot in {place.shown}.")
    return Exit.OK


async def _check(place: Place, snapshot: str, *, as_json: bool) -> Exit:
    """Fetch it into a temporary folder and look at everything."""

    def work(progress: Progress) -> str:
        with tempfile.TemporaryDirectory(prefix="concierge-restore-") as folder:
            manifest = find_snapshot(place, snapshot)
            fetch(place, manifest, Path(folder), progress)
            return manifest.id

    found = await _followed(work, quiet=as_json)
    if as_json:
        say_json({"id": found, "sound": True})
    else:
        say(f"Snapshot {found} is whole and sound.")
    return Exit.OK


async def _restore(settings: Settings, place: Place, snapshot: str, clock: Clock, *, as_json: bool) -> Exit:
    wait_seconds = settings.concierge_lock_wait_seconds
    async with owned_directory(settings.concierge_data_dir, clock=clock, wait_seconds=wait_seconds) as directory:
        done = await _followed(partial(restore, directory.path, place, snapshot), quiet=as_json)
    if as_json:
        say_json({"id": done.manifest.id, "data": directory.path, "former": done.aside})
        return Exit.OK
    say(f"Restored snapshot {done.manifest.id} into {directory.path}.")
    if done.aside is not None:
        say(f"The former data are in {done.aside}: delete them when all is well.")
    return Exit.OK


async def _followed(work: Callable[[Progress], T], *, quiet: bool) -> T:
    """Do it in a thread, with a bar; when we are stopped it stops, too."""
    progress = Progress()
    running: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(None, work, progress)
    bar: tqdm[Any]
    try:
        with tqdm(total=FULL, desc="Restore", disable=quiet, bar_format=_BAR, leave=False) as bar:
            while not (await asyncio.wait([running], timeout=PAUSE_SECONDS))[0]:
                bar.set_description_str(f"Restore, {progress.stage}")
                bar.n = round(FULL * progress.share, 1)
                bar.refresh()
    finally:
        progress.stop()
        await asyncio.wait([running])
    return running.result()

"""`concierge backup`: a snapshot of all data, through the running server or by owning the data directory meanwhile."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bot.api.backups import BackupOut
from bot.backups import index_files
from bot.commands.failures import CommandError, Exit
from bot.commands.owner_api import OwnerApi, owner_api
from bot.commands.printing import say, say_json
from bot.data_directory import owned_directory
from bot.settings import Settings
from bot.version import VERSION
from database.clock import Clock
from database.metrics import Metrics
from services.object_stores import StoreError
from services.snapshots.backups import BackupOptions, Backups, BackupState
from services.snapshots.work import megabytes

PATH = "/api/v1/backups"
PAUSE_SECONDS = 0.2
FULL = 100.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"


async def backup(settings: Settings, clock: Clock, to: str, *, with_index: bool, as_json: bool) -> Exit:
    """Make a snapshot and follow it to its end. Raises CommandError when it fails."""
    if not (to or settings.concierge_backup_to):
        raise CommandError("Say where the snapshot is to go: with --to, or CONCIERGE_BACKUP_TO.")
    wait_seconds = settings.concierge_lock_wait_seconds
    async with owner_api(settings.concierge_data_dir, clock, wait_seconds) as api:
        if api is not None:
            made = await _by_server(api, clock, to, with_index=with_index, quiet=as_json)
        else:
            made = await _by_ourselves(settings, clock, to, with_index=with_index, quiet=as_json)
    if made["state"] != BackupState.DONE:
        raise CommandError(f"The backup failed: {made['error_message']}")
    if as_json:
        say_json(made)
    else:
        written = (
            f"{made['files']} files, {megabytes(made['bytes'])}, of which {megabytes(made['bytes_written'])} are new"
        )
        say(f"Made snapshot {made['id']} ({written}).")
        say(f"It comes back with: concierge restore {made['place']}/{made['id']}")
    return Exit.OK


async def _by_server(api: OwnerApi, clock: Clock, to: str, *, with_index: bool, quiet: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"with_index": with_index}
    if to:
        # the server's working directory is another one
        body["to"] = to if "://" in to else str(await asyncio.to_thread(_absolute, to))
    made = await api.post(PATH, body)
    with _bar(quiet=quiet) as bar:
        while made["state"] == BackupState.RUNNING:
            await clock.sleep(PAUSE_SECONDS)
            made = await api.get(f"{PATH}/{made['id']}")
            _show(bar, made)
    return made


async def _by_ourselves(settings: Settings, clock: Clock, to: str, *, with_index: bool, quiet: bool) -> dict[str, Any]:
    wait_seconds = settings.concierge_lock_wait_seconds
    async with owned_directory(settings.concierge_data_dir, clock=clock, wait_seconds=wait_seconds) as directory:
        options = BackupOptions(
            place=settings.concierge_backup_to, keep=settings.concierge_backup_keep, access=settings.store_access
        )
        index = index_files(directory.path, settings, clock, None)
        async with Backups.running(directory.path, index, VERSION, options, clock, Metrics()) as backups:
            try:
                running = await backups.start(to=to, with_index=with_index)
            except StoreError as error:
                raise CommandError(str(error)) from error
            with _bar(quiet=quiet) as bar:
                while running.state is BackupState.RUNNING:
                    await clock.sleep(PAUSE_SECONDS)
                    _show(bar, BackupOut.of(running).model_dump(mode="json"))
            return BackupOut.of(running).model_dump(mode="json")


def _absolute(folder: str) -> Path:
    return Path(folder).expanduser().absolute()


def _bar(*, quiet: bool) -> "tqdm[Any]":
    return tqdm(total=FULL, desc="Backup", disable=quiet, bar_format=_BAR, leave=False)


def _show(bar: "tqdm[Any]", made: Mapping[str, Any]) -> None:
    bar.set_description_str(f"Backup, {made['stage']}" if made["stage"] else "Backup")
    bar.n = round(FULL * made["progress"], 1)
    bar.refresh()

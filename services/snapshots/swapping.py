"""Puts restored data in the place of a data directory's, by renames alone, so that a crash in the middle is made good.

A journal is written when the restored data are whole, and removed when the last rename is on disk. Whoever owns the
directory next finishes what it says: what it left is the former data until the journal is there, the restored ones
from then on. The former data are kept aside.
"""

import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from services.snapshots.folders import sync_folder
from services.snapshots.staging import STAGE as SNAPSHOT_STAGE

JOURNAL = "restore.json"
STAGE = "restore.partial"
ASIDE = "before-restore-"
PARTIAL_JOURNAL = f"{JOURNAL}.partial"
Move = Callable[[Path, Path], object]
Sync = Callable[[Path], object]
# locks and marks of the directory itself, not of what lies in it
KEPT = {"owner.lock", "run.json", "demo.json", "chroma.lock", JOURNAL, PARTIAL_JOURNAL, STAGE, SNAPSHOT_STAGE}


class BrokenJournalError(Exception):
    """The journal of a restore cannot be read. The text says what to do."""


class UnfinishedSwapError(Exception):
    """The journal is written, but a rename failed: whoever owns the directory next goes on. The text says so."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """`aside` is where the former data are; None when there were none."""

    aside: Path | None


def begin_swap(directory: Path, name: str, move: Move = Path.rename, sync: Sync = sync_folder) -> Swapped:
    """Put what lies in `directory/restore.partial`, whole and synced, in the place of all else.

    `name` tells the folder of the former data: beside the directory, or in it where nothing can be moved out of it.
    `move` renames, `sync` puts a folder's names on disk. Raises OSError with the data as they were,
    UnfinishedSwapError when they are not.
    """
    moves = sorted(
        entry.name for entry in os.scandir(directory) if entry.name not in KEPT and not entry.name.startswith(ASIDE)
    )
    with _aside(directory, name, move) if moves else _nowhere() as aside:
        journal = {"aside": None if aside is None else os.path.relpath(aside, directory), "moves": moves}
        partial = directory / PARTIAL_JOURNAL
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(journal, file)
            file.flush()
            os.fsync(file.fileno())
        move(partial, directory / JOURNAL)
    try:
        sync(directory)
        finish_swap(directory, move, sync)
    except OSError as error:
        former = "" if aside is None else f" The former data are in {aside}, as far as they were moved."
        raise UnfinishedSwapError(
            f"The snapshot was fetched, but {directory} could not be changed to it ({error.strerror or error}). The "
            f"next start or restore goes on with that: see to the disk first.{former}"
        ) from error
    return Swapped(aside)


def finish_swap(directory: Path, move: Move = Path.rename, sync: Sync = sync_folder) -> Swapped | None:
    """Go on where a swap was cut off; None when there was none. The caller owns the directory.

    Raises BrokenJournalError, OSError.
    """
    found = _journal(directory)
    if found is None:
        return None
    moves, aside = found
    for name in moves:
        # what is aside already has perhaps its successor here
        if aside is not None and not _there(aside / name) and _there(directory / name):
            move(directory / name, aside / name)
    if aside is not None:
        # after a power cut, too, what is not aside must not have its successor here: that would go aside
        sync(aside)
        sync(directory)
    stage = directory / STAGE
    if stage.is_dir():
        for entry in sorted(stage.iterdir()):
            move(entry, directory / entry.name)
    sync(directory)
    (directory / JOURNAL).unlink()
    sync(directory)
    shutil.rmtree(stage, ignore_errors=True)
    return Swapped(aside)


def clear_leftovers(directory: Path) -> None:
    """Take away what a killed backup or restore has left. The caller owns the directory, and no journal is there."""
    for name in (STAGE, SNAPSHOT_STAGE):
        shutil.rmtree(directory / name, ignore_errors=True)
    (directory / PARTIAL_JOURNAL).unlink(missing_ok=True)


def _journal(directory: Path) -> tuple[list[str], Path | None] | None:
    path = directory / JOURNAL
    try:
        content = json.loads(path.read_text("utf-8"))
        moves, aside = [str(name) for name in content["moves"]], content["aside"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenJournalError(
            f"{path} cannot be read: a restore was cut off, and the disk has damaged its notes. Move {directory} "
            "aside and restore the snapshot again."
        ) from error
    return moves, None if aside is None else (directory / aside)


@contextmanager
def _aside(directory: Path, name: str, move: Move) -> Iterator[Path]:
    """A new folder for the former data, which can be moved there; gone when the block fails."""
    beside, inside = directory.with_name(f"{directory.name}.{ASIDE}{name}"), directory / f"{ASIDE}{name}"
    try:
        folder = _made(beside)
    except OSError:
        folder = _made(inside)
    else:
        if not _reaches(directory, folder, move):
            folder.rmdir()
            folder = _made(inside)
    try:
        sync_folder(folder.parent)
        yield folder
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


@contextmanager
def _nowhere() -> Iterator[None]:
    yield None


def _made(wanted: Path) -> Path:
    """A folder of this name, or of the first one with a number that is free: a snapshot may be restored twice."""
    names = (wanted.name if number == 1 else f"{wanted.name}-{number}" for number in itertools.count(1))
    while True:
        folder = wanted.with_name(next(names))
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder


def _reaches(directory: Path, folder: Path, move: Move) -> bool:
    """Whether a rename leads there: also folders of one device may be mounted apart, as a container's volumes are."""
    probe = directory / PARTIAL_JOURNAL
    try:
        probe.touch(mode=0o600)
        move(probe, folder / probe.name)
    except OSError:
        probe.unlink(missing_ok=True)
        return False
    (folder / probe.name).unlink()
    return True


def _there(path: Path) -> bool:
    return os.path.lexists(path)

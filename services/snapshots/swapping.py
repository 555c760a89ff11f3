"""Puts restored data in the place of a data directory's, by renames alone, so that a crash in the middle is made good.

A journal is written when the restored data are whole, and removed when the last rename is on disk. Whoever owns the
directory next finishes what it says: what it left is the former data until the journal is there, the restored ones
from then on. The former data are kept aside.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.snapshots.folders import sync_folder
from services.snapshots.staging import STAGE as SNAPSHOT_STAGE

JOURNAL = "restore.json"
STAGE = "restore.partial"
ASIDE = "before-restore-"
Move = Callable[[Path, Path], object]
# locks and marks of the directory itself, not of what lies in it
KEPT = {"owner.lock", "run.json", "demo.json", "chroma.lock", JOURNAL, STAGE, SNAPSHOT_STAGE}


class BrokenJournalError(Exception):
    """The journal of a restore cannot be read. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """`aside` is where the former data are; None when there were none."""

    aside: Path | None


def begin_swap(directory: Path, name: str, move: Move = Path.rename) -> Swapped:
    """Put what lies in `directory/restore.partial`, whole and synced, in the place of all else. Raises OSError.

    `name` tells the folder of the former data: beside the directory, or in it where nothing can be moved out of it.
    `move` renames.
    """
    moves = sorted(
        entry.name for entry in os.scandir(directory) if entry.name not in KEPT and not entry.name.startswith(ASIDE)
    )
    aside = _aside(directory, name) if moves else None
    journal = {"aside": None if aside is None else os.path.relpath(aside, directory), "moves": moves}
    partial = directory / f"{JOURNAL}.partial"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(journal, file)
        file.flush()
        os.fsync(file.fileno())
    move(partial, directory / JOURNAL)
    sync_folder(directory)
    finish_swap(directory, move)
    return Swapped(aside)


def finish_swap(directory: Path, move: Move = Path.rename) -> Swapped | None:
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
    stage = directory / STAGE
    if stage.is_dir():
        for entry in sorted(stage.iterdir()):
            move(entry, directory / entry.name)
    for folder in (directory, aside):
        if folder is not None:
            sync_folder(folder)
    (directory / JOURNAL).unlink()
    sync_folder(directory)
    shutil.rmtree(stage, ignore_errors=True)
    return Swapped(aside)


def clear_leftovers(directory: Path) -> None:
    """Take away what a killed backup or restore has left. The caller owns the directory, and no journal is there."""
    for name in (STAGE, SNAPSHOT_STAGE):
        shutil.rmtree(directory / name, ignore_errors=True)


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


def _aside(directory: Path, name: str) -> Path:
    beside = directory.with_name(f"{directory.name}.{ASIDE}{name}")
    inside = directory / f"{ASIDE}{name}"
    movable = os.access(directory.parent, os.W_OK) and directory.parent.stat().st_dev == directory.stat().st_dev
    for folder in (beside, inside) if movable else (inside,):
        try:
            folder.mkdir(mode=0o700)
        except OSError:
            if folder == inside:
                raise
        else:
            sync_folder(folder.parent)
            return folder
    raise AssertionError("the last one raises")


def _there(path: Path) -> bool:
    return os.path.lexists(path)

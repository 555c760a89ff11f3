"""Holds a data directory still, for a snapshot: copies of its databases, links to its uploads, a copy of the index.

Uploads are linked before knowledge.db is copied, and those that came meanwhile after it: what the copy speaks of is
there, even when a document is deleted in between.
"""

import logging
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from database.copying import check_database, copy_database, first_business, version_files
from services.object_stores import StoreError
from services.snapshots.manifest import CHAT, DATABASES, INDEX, KNOWLEDGE, UPLOADS
from services.snapshots.work import Progress, check_room

logger = logging.getLogger(__name__)

STAGE = "snapshot.partial"


@dataclass(frozen=True, slots=True)
class StagedFile:
    """`path` as in the data directory; `sha256` as the database has it for an upload, or empty."""

    path: str
    source: Path
    bytes: int
    sha256: str = ""


@dataclass(slots=True)
class Staged:
    """What a snapshot is made of."""

    schemas: dict[str, int] = field(default_factory=dict)
    files: list[StagedFile] = field(default_factory=list)
    origin: str = ""
    versions_without_file: int = 0


def open_stage(directory: Path) -> Path:
    """An empty folder inside the data directory: links reach no other disk."""
    clear_stage(directory)  # of one who was killed, or went without waiting
    stage = directory / STAGE
    stage.mkdir(mode=0o700)
    return stage


def clear_stage(directory: Path) -> None:
    """Remove it, if it is there.

    Open and clear are two functions, no context manager: one that is left behind would be closed by the
    garbage collector, in whichever thread that runs.
    """
    shutil.rmtree(directory / STAGE, ignore_errors=True)


def stage_data(directory: Path, stage: Path, progress: Progress) -> Staged:
    """Copy, link and check what a snapshot holds without the index.

    Raises StoreError without room, UnsoundDatabaseError, sqlite3.Error, OSError.
    """
    _need_databases(directory)
    check_room(
        directory, sum(_size(directory / f"{name}{tail}") for name in DATABASES.values() for tail in ("", "-wal"))
    )
    (stage / UPLOADS).mkdir(mode=0o700)
    progress.began("copying")
    _link_uploads(directory, stage)
    # what the chat points to is in the knowledge that was copied after it
    for file in (CHAT, KNOWLEDGE):
        progress.go_on()
        copy_database(directory / file, stage / file)
    _link_uploads(directory, stage)
    progress.began("checking")
    staged = Staged(origin=first_business(stage / CHAT) or "")
    for name, file in DATABASES.items():
        progress.go_on()
        staged.schemas[file] = check_database(stage / file, name, progress.stopped)
        staged.files.append(StagedFile(file, stage / file, _size(stage / file)))
    _add_uploads(stage, staged)
    return staged


def stage_index(index: Path, stage: Path, staged: Staged) -> None:
    """Copy the directory of the index, which nobody has open."""
    count = sum(_size(path) for path in index.rglob("*"))
    check_room(stage, count)
    shutil.copytree(index, stage / INDEX, copy_function=shutil.copyfile)
    for path in sorted((stage / INDEX).rglob("*")):
        if path.is_file():
            staged.files.append(StagedFile(path.relative_to(stage).as_posix(), path, _size(path)))


def _need_databases(directory: Path) -> None:
    for file in DATABASES.values():
        if not (directory / file).exists():
            raise StoreError(f"There is no {file} in {directory}: no server has ever run there.")


def _link_uploads(directory: Path, stage: Path) -> None:
    uploads = directory / UPLOADS
    if not uploads.is_dir():
        return
    for entry in os.scandir(uploads):
        target = stage / UPLOADS / entry.name
        # what is being written has a suffix
        if "." in entry.name or not entry.is_file(follow_symlinks=False) or target.exists():
            continue
        try:
            _link(entry.path, target)
        except FileNotFoundError:
            continue  # deleted meanwhile


def _link(source: str, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)  # a file system without links


def _add_uploads(stage: Path, staged: Staged) -> None:
    for version in version_files(stage / KNOWLEDGE):
        source = stage / UPLOADS / version.version_id
        if source.exists():
            path = f"{UPLOADS}/{version.version_id}"
            staged.files.append(StagedFile(path, source, _size(source), version.sha256))
        else:
            staged.versions_without_file += version.wanted
    if staged.versions_without_file:
        logger.warning("the files of %d versions are not on the disk any more", staged.versions_without_file)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0

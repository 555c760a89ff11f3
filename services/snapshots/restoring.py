"""Brings a snapshot back: everything is fetched and checked beside the data before anything of them is touched."""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from database.copying import UnsoundDatabaseError, check_database, check_schema
from services.object_stores import StoreError
from services.snapshots.folders import make_private, sync_folder
from services.snapshots.inventory import fetch_manifest, mark_damaged, take_inventory
from services.snapshots.manifest import (
    CONTENT,
    DATABASES,
    MANIFESTS,
    BrokenManifestError,
    Manifest,
    SnapshotFile,
    is_snapshot_id,
    manifest_path,
)
from services.snapshots.places import Place, Stored
from services.snapshots.swapping import JOURNAL, STAGE, begin_swap, finish_swap
from services.snapshots.work import Progress, check_room, for_each

logger = logging.getLogger(__name__)

LATEST = "latest"


class UnusableSnapshotError(Exception):
    """The snapshot cannot be restored; nothing was changed. The text says why."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Which snapshot is in place now. `aside` is where the former data are; None when there were none."""

    manifest: Manifest
    aside: Path | None


def split_address(snapshot: str, place: str) -> tuple[str, str]:
    """(place, id or "latest") of what was asked for: an id, "latest", a place, or a place and an id as its last part.

    `place` is where ids and "latest" are looked up; empty when there is none. Raises StoreError.
    """
    if snapshot == LATEST or is_snapshot_id(snapshot):
        if not place:
            raise StoreError("Say where the snapshots are: with --from, or CONCIERGE_BACKUP_TO.")
        return place, snapshot
    head, _, last = snapshot.rstrip("/").rpartition("/")
    if is_snapshot_id(last) and head:
        return head, last
    return snapshot, LATEST


def find_snapshot(place: Place, wanted: str) -> Manifest:
    """The manifest of an id, or of the newest complete snapshot. Raises UnusableSnapshotError, StoreError."""
    if wanted == LATEST:
        inventory = take_inventory(place)
        if not inventory.whole:
            others = len(inventory.snapshots()) + len(inventory.broken)
            damaged = f"; of {others}, files are missing or damaged: see `concierge restore --list`" if others else ""
            raise UnusableSnapshotError(f"There is no {'usable ' if others else ''}snapshot in {place.shown}{damaged}.")
        wanted = inventory.whole[-1]
    path = manifest_path(wanted)
    found = [stored for stored in place.list(MANIFESTS) if stored.path == path]
    try:
        if not found:
            raise FileNotFoundError
        return fetch_manifest(place, found[0])
    except FileNotFoundError:
        raise UnusableSnapshotError(f"There is no snapshot {wanted} in {place.shown}.") from None
    except BrokenManifestError as error:
        raise UnusableSnapshotError(f"The snapshot {wanted} cannot be used: {error}.") from None


def restore(directory: Path, place: Place, wanted: str, progress: Progress) -> Restored:
    """Put a snapshot in the place of all data. The caller owns the directory, and nothing of it is open.

    Raises UnusableSnapshotError or StoreError with the data as they were; UnfinishedSwapError for a disk that
    does not let them be swapped, which the next owner of the directory goes on with.
    """
    finish_swap(directory)
    manifest = find_snapshot(place, wanted)
    with _stage(directory / STAGE) as stage:
        fetch(place, manifest, stage, progress)
        swapped = begin_swap(directory, manifest.id)
    return Restored(manifest, swapped.aside)


def fetch(place: Place, manifest: Manifest, folder: Path, progress: Progress) -> None:
    """Fetch all files of a snapshot into an empty folder, check each, and sync them.

    Raises UnusableSnapshotError for what is missing, damaged or too new, StoreError without room or connection.
    """
    for name, file in DATABASES.items():
        try:
            check_schema(file, name, manifest.schemas.get(file, 0))
        except UnsoundDatabaseError as error:
            raise UnusableSnapshotError(str(error)) from error
    check_room(folder, manifest.total_bytes)
    _need_all(place, manifest)
    progress.began("fetching", manifest.total_bytes)
    for parent in {(folder / file.path).parent for file in manifest.files}:
        make_private(parent)
    for_each(
        manifest.files,
        lambda file: file.bytes,
        lambda file: _fetch_one(place, file, folder / file.path, progress),
        progress,
        at_once=place.at_once,
    )
    progress.began("checking")
    for name, file in DATABASES.items():
        progress.go_on()
        try:
            schema = check_database(folder / file, name, progress.stopped)
        except UnsoundDatabaseError as error:
            raise UnusableSnapshotError(f"The snapshot {manifest.id} cannot be used: {error}") from error
        if schema != manifest.schemas[file]:
            raise UnusableSnapshotError(f"The snapshot {manifest.id} cannot be used: {file} is of schema {schema}.")
    for each, _, _ in os.walk(folder):
        sync_folder(Path(each))


def _need_all(place: Place, manifest: Manifest) -> None:
    """Before gigabytes are fetched in vain. What was found damaged is fetched: somebody may have put it right."""
    there = {stored.path: stored.bytes for stored in place.list(CONTENT)}
    for file in manifest.files:
        if there.get(file.stored) != file.bytes:
            raise UnusableSnapshotError(_wrong(manifest.id, file, "missing or cut off", place))


def _fetch_one(place: Place, file: SnapshotFile, target: Path, progress: Progress) -> None:
    digest = hashlib.sha256()
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            for piece in place.read(Stored(file.stored, file.bytes, 0)):
                progress.go_on()
                digest.update(piece)
                out.write(piece)
                progress.add(len(piece), written=True)
            out.flush()
            os.fsync(out.fileno())
    except FileNotFoundError:
        raise UnusableSnapshotError(f"{file.path} is missing in {place.shown}: {file.stored}.") from None
    if digest.hexdigest() != file.sha256:
        _mark(place, file)
        raise UnusableSnapshotError(_wrong("", file, "damaged", place))


def _mark(place: Place, file: SnapshotFile) -> None:
    """Its size is right: only who reads it can tell the next backup to store it again."""
    try:
        mark_damaged(place, file.sha256)
    except StoreError as error:
        logger.warning("%s cannot be marked as damaged: %s", file.stored, error)


def _wrong(snapshot_id: str, file: SnapshotFile, what: str, place: Place) -> str:
    of = f" of snapshot {snapshot_id}" if snapshot_id else ""
    return f"{file.path}{of} is {what} in {place.shown} ({file.stored}). Take another snapshot."


@contextmanager
def _stage(stage: Path) -> Iterator[Path]:
    shutil.rmtree(stage, ignore_errors=True)  # of one who was killed
    stage.mkdir(mode=0o700)
    try:
        yield stage
    finally:
        # once there is a journal, what is here is the data
        if not (stage.parent / JOURNAL).exists():
            shutil.rmtree(stage, ignore_errors=True)

"""How far a snapshot's work is, and small work on many files at once. Blocking: for threads."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from services.object_stores import StoreError
from services.snapshots.places import StoppedError

T = TypeVar("T")

PIECE_BYTES = 1024 * 1024
# one after another; several of them at once would only take memory
BIG_BYTES = 8 * PIECE_BYTES
# what the disk keeps for the databases, beside the work
MARGIN_BYTES = 64 * PIECE_BYTES


class Progress:
    """Written by the threads that work, read by who asks. `stage` is a word for people."""

    def __init__(self) -> None:
        self.stage = "waiting"
        self.total = 0
        self.written = 0
        self._done = 0
        self._lock = threading.Lock()
        self.reading = threading.Lock()
        self._stop = threading.Event()

    def began(self, stage: str, total: int = 0) -> None:
        """Something else is done now; `total` bytes of it, if that is known."""
        with self._lock:
            self.stage, self.total, self._done = stage, total, 0

    def add(self, done: int, *, written: bool = False) -> None:
        """So many more bytes are done; `written` when they were moved, not there already."""
        with self._lock:
            self._done += done
            self.written += done if written else 0

    @property
    def share(self) -> float:
        """Of the stage: 0 to 1."""
        return min(self._done / self.total, 1.0) if self.total else 0.0

    def stop(self) -> None:
        """Ask the threads to stop soon."""
        self._stop.set()

    def stopped(self) -> bool:
        """Whether they were asked to."""
        return self._stop.is_set()

    def go_on(self) -> None:
        """Raise StoppedError once they were asked to stop."""
        if self._stop.is_set():
            raise StoppedError


def for_each(
    items: Iterable[T], size: Callable[[T], int], work: Callable[[T], None], progress: Progress, *, at_once: int
) -> None:
    """Do `work` with each item, small ones several at once. The first error ends it, once nothing runs any more."""
    ordered = sorted(items, key=size)
    small = [item for item in ordered if size(item) <= BIG_BYTES]

    def one(item: T) -> None:
        progress.go_on()
        work(item)

    with ThreadPoolExecutor(at_once, thread_name_prefix="snapshot") as pool:
        running = [pool.submit(one, item) for item in small]
        try:
            for each in running:
                each.result()
        except BaseException:
            for each in running:
                each.cancel()
            raise
    for item in ordered[len(small) :]:
        one(item)


def sha256_of(path: Path, progress: Progress) -> str:
    """The checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    # one piece of memory for all: fresh ones cost the other threads time, too
    piece = memoryview(bytearray(PIECE_BYTES))
    # one thread at a time: several that compute wait for the interpreter's lock, and the event loop with them
    with progress.reading, path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            progress.go_on()
            digest.update(piece[:count])
    return digest.hexdigest()


def check_room(folder: Path, needed: int) -> None:
    """Raise StoreError when there is not so much room on a folder's disk, and some more for what runs."""
    free = shutil.disk_usage(folder).free
    if free < needed + MARGIN_BYTES:
        raise StoreError(
            f"There is not enough space on the disk of {folder}: {megabytes(needed + MARGIN_BYTES)} are needed, "
            f"{megabytes(free)} are free."
        )


def megabytes(count: int) -> str:
    """For people: 12 MB."""
    return f"{-(-count // 1_000_000):,} MB"

"""One owner a data directory: the lock, the refusal, and `run.json`, by which commands find the running server."""

import asyncio
import errno
import fcntl
import json
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from database.clock import Clock
from services.snapshots.swapping import BrokenJournalError, clear_leftovers, finish_swap

logger = logging.getLogger(__name__)

LOCK = "owner.lock"
RUN = "run.json"
DEMO_MARK = "demo.json"
PAUSE_SECONDS = 0.1
# by the name of their migrations
DATABASE_FILES = {"chat": "concierge.db", "knowledge": "knowledge.db", "lexical": "lexical.db"}
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what is listened on, not bound here


class DataDirectoryError(Exception):
    """The data directory cannot be used; the text says why."""


class OwnedError(DataDirectoryError):
    """Another process owns the data directory."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        way_out = f"Stop it first (kill {pid})" if pid else "Stop it first"
        super().__init__(f"{directory} is in use by {who}. {way_out}, or set CONCIERGE_DATA_DIR to another directory.")


OWNED: web.AppKey["OwnedDirectory"] = web.AppKey("owned")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a data directory. `url` and `token` are None until it serves its API."""

    pid: int | None
    url: str | None = None
    token: str | None = None


class OwnedDirectory:
    """A data directory whose lock this process holds. `token` lets our own commands use the API."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = secrets.token_urlsafe(32)

    async def announce(self, host: str, port: int, started_at: int) -> None:
        """Write `run.json` (mode 600), at once or not at all. `started_at` is epoch milliseconds."""
        content = {
            "pid": os.getpid(),
            "url": own_url(host, port),
            "started_at": datetime.fromtimestamp(started_at / 1000, UTC).isoformat(timespec="seconds"),
            "token": self.token,
        }
        await asyncio.to_thread(_write_whole, self.path / RUN, json.dumps(content))

    async def withdraw(self) -> None:
        """Remove `run.json`: commands stop asking this process."""
        await asyncio.to_thread((self.path / RUN).unlink, missing_ok=True)


@asynccontextmanager
async def owned_directory(directory: Path, *, clock: Clock, wait_seconds: float) -> AsyncIterator[OwnedDirectory]:
    """Own `directory` (made with mode 700) for the length of the block.

    Waits up to `wait_seconds` for a predecessor that is still closing. Raises OwnedError when it does not end,
    DataDirectoryError when the directory cannot be made or written.
    """
    lock = await asyncio.to_thread(_open_lock, directory)
    try:
        await _acquire(lock, directory, clock, wait_seconds)
        owned = OwnedDirectory(await asyncio.to_thread(directory.resolve))
        await owned.withdraw()  # of an owner that was killed
        await asyncio.to_thread(_finish_restore, owned.path)
        try:
            yield owned
        finally:
            await owned.withdraw()
    finally:
        os.close(lock)


def find_owner(directory: Path) -> Owner | None:
    """Who owns the directory now, or None. Takes nothing and waits for nobody."""
    try:
        lock = os.open(directory / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataDirectoryError(f"{directory} cannot be read: {error.strerror}") from error
    try:
        if _try_lock(lock, fcntl.LOCK_SH):
            return None
        return _announced(directory, _pid(lock))
    finally:
        os.close(lock)


def own_url(host: str, port: int) -> str:
    """The address under which this machine reaches a server that listens on `host`."""
    reachable = ANYWHERE.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _finish_restore(directory: Path) -> None:
    """What a restore that was cut off had still to do: its data are whole, and in place after this."""
    try:
        swapped = finish_swap(directory)
        clear_leftovers(directory)
    except BrokenJournalError as error:
        raise DataDirectoryError(str(error)) from error
    except OSError as error:
        text = f"A restore into {directory} was cut off and cannot be finished: {error.strerror}. Start again then."
        raise DataDirectoryError(text) from error
    if swapped is not None:
        logger.warning("a restore that was cut off is finished; the former data are in %s", swapped.aside)


def _open_lock(directory: Path) -> int:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataDirectoryError(f"{directory} cannot be used as data directory: {error.strerror}") from error


async def _acquire(lock: int, directory: Path, clock: Clock, wait_seconds: float) -> None:
    until = clock.monotonic() + wait_seconds
    while not _try_lock(lock, fcntl.LOCK_EX):
        if clock.monotonic() >= until:
            raise OwnedError(directory, _pid(lock))
        await clock.sleep(PAUSE_SECONDS)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)


def _try_lock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise DataDirectoryError(f"the data directory's lock cannot be taken: {error.strerror}") from error
    return True


def _pid(lock: int) -> int | None:
    first = os.pread(lock, 100, 0).split(b" ")[0]
    return int(first) if first.isdigit() else None


def _announced(directory: Path, pid: int | None) -> Owner:
    try:
        run = json.loads((directory / RUN).read_text("utf-8"))
        if run["pid"] == pid:
            return Owner(pid, str(run["url"]), str(run["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it is starting, or stopping
    return Owner(pid)


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)

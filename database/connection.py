"""Opening a SQLite file the one right way: pragmas in the right order, and a way to run a function in its thread."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite

T = TypeVar("T")

MEGABYTE = 1024 * 1024


class Connection(aiosqlite.Connection):
    """An aiosqlite connection that can also run one of our functions in its thread (docs/decisions/0002)."""

    def __init__(self, path: Path, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._wal = path.with_name(f"{path.name}-wal")

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Call `function(sqlite3 connection)` in the connection's thread; its result or its error."""
        return await self._execute(function, self._conn)  # type: ignore[no-any-return, no-untyped-call]

    def wal_bytes(self) -> int:
        """How large the write-ahead log is now. Asks the file system: in the connection's thread."""
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0


def _connect(
    path: Path,
    *,
    busy_timeout_seconds: float,
    cache_mb: int,
    mmap_mb: int,
    query_only: bool,
    secure_delete: bool,
) -> sqlite3.Connection:
    # busy_timeout comes BEFORE the switch to WAL: the switch itself meets locks (MEASURED: "locked" at once).
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_seconds * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = {-1024 * cache_mb}")
        connection.execute(f"PRAGMA mmap_size = {mmap_mb * MEGABYTE}").fetchall()
        connection.execute(f"PRAGMA journal_size_limit = {64 * MEGABYTE}").fetchall()
        # Only the writer checkpoints, when it is idle or the log is large; never in the middle of a commit.
        connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        connection.execute(f"PRAGMA secure_delete = {'ON' if secure_delete else 'OFF'}").fetchall()
        if query_only:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


async def connect(
    path: Path,
    *,
    busy_timeout_seconds: float = 60.0,
    cache_mb: int = 64,
    mmap_mb: int = 0,
    query_only: bool = False,
    secure_delete: bool = False,
) -> Connection:
    """Open `path` (made when missing). Raises sqlite3.Error when it is no database or cannot be opened.

    `secure_delete`: what is deleted is overwritten with zeros.
    """
    connector = partial(
        _connect,
        path,
        busy_timeout_seconds=busy_timeout_seconds,
        cache_mb=cache_mb,
        mmap_mb=mmap_mb,
        query_only=query_only,
        secure_delete=secure_delete,
    )
    connection = Connection(path, connector)
    await connection
    return connection

"""The seam to a SQLite file: `read(unit)` and `write(unit)`, and nothing else that touches it.

docs/decisions/0002 says why units run in the connection's thread.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from database.connection import Connection, connect
from database.metrics import Metrics
from database.migrations import migrate
from database.transaction import Unit, drive
from database.writer import DatabaseClosedError, Writer

__all__ = ["Database", "DatabaseClosedError", "DatabaseOptions"]

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """How a file is opened. `name` is also the folder of its migrations: chat, knowledge or lexical.

    `secure_delete`: what is deleted is overwritten; it is gone from the disk after `scrub`.
    """

    name: str
    busy_timeout_seconds: float = 60.0
    read_timeout_seconds: float = 30.0
    readers: int = 3
    writer_cache_mb: int = 64
    reader_cache_mb: int = 8
    mmap_mb: int = 0
    secure_delete: bool = False


class Database:
    """One SQLite file: one writer that groups commits, a few readers."""

    def __init__(self, path: Path, options: DatabaseOptions, writer: Writer, readers: list[Connection]) -> None:
        self.path = path
        self._options = options
        self._writer = writer
        self._free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for reader in readers:
            self._free.put_nowait(reader)

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, options: DatabaseOptions, metrics: Metrics) -> "AsyncIterator[Database]":
        """Migrate and open the file. The caller owns the data directory.

        Raises NewerDatabaseError for a file of a newer version, sqlite3.Error when it cannot be opened.
        """
        await asyncio.to_thread(migrate, path, options.name)
        async with AsyncExitStack() as stack:
            connection = await _opened(stack, path, options, writer=True)
            readers = [await _opened(stack, path, options, writer=False) for _ in range(options.readers)]
            writer = Writer(connection, options.name, metrics)
            stack.push_async_callback(writer.close)
            yield cls(path, options, writer, readers)

    async def write(self, unit: Unit[T], *, first: bool = False, timeout_seconds: float | None = None) -> T:
        """Run a unit in the writer; its value once it is on disk (fsync). `first` goes before everything that waits.

        A caller that is cancelled must assume that it happened; a unit that has not begun is withdrawn. The same
        holds for the TimeoutError that comes after `timeout_seconds`.
        """
        value: T = await self._writer.submit(unit, first=first, timeout_seconds=timeout_seconds)
        return value

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit on one consistent snapshot. Raises TimeoutError beyond the read timeout."""
        reader = await self._free.get()
        try:
            return await self._read(reader, unit)
        finally:
            self._free.put_nowait(reader)

    async def scrub(self) -> bool:
        """Empty the write-ahead log, which still holds what was deleted; False when a reader was in the way."""
        return await self._writer.truncate()

    @property
    def waiting(self) -> int:
        """Units that wait for the writer."""
        return self._writer.waiting

    async def _read(self, reader: Connection, unit: Unit[T]) -> T:
        work = asyncio.ensure_future(reader.run(lambda connection: _snapshot(connection, unit)))
        try:
            # Not wait_for: Python 3.11's forgets a cancellation that comes when the work has just ended.
            async with asyncio.timeout(self._options.read_timeout_seconds):
                return await asyncio.shield(work)
        except (TimeoutError, asyncio.CancelledError):
            # The connection must be idle before another reader gets it.
            await reader.interrupt()
            await asyncio.wait([work])
            work.exception()  # "interrupted" is no news; unlooked at, asyncio would log it as a fault
            raise


def _snapshot(connection: Any, unit: Unit[T]) -> T:
    connection.execute("BEGIN")
    try:
        return drive(unit, connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


async def _opened(stack: AsyncExitStack, path: Path, options: DatabaseOptions, *, writer: bool) -> Connection:
    connection = await connect(
        path,
        busy_timeout_seconds=options.busy_timeout_seconds,
        cache_mb=options.writer_cache_mb if writer else options.reader_cache_mb,
        mmap_mb=options.mmap_mb,
        query_only=not writer,
        secure_delete=options.secure_delete and writer,
    )
    stack.push_async_callback(connection.close)
    return connection

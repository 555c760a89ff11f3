"""The one writer of a SQLite file: waiting units run back to back and share one commit (group commit).

A group is driven inside the connection's thread: BEGIN IMMEDIATE, every unit in a savepoint of its own, COMMIT.
A unit that raises loses only its own savepoint. When SQLite has rolled the whole transaction back (disk full,
interrupt), no unit of the group counts, and each runs again alone, with a commit of its own. So units are
re-runnable and change nothing in Python.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from database.connection import MEGABYTE, Connection
from database.metrics import Metrics
from database.transaction import Unit, drive

logger = logging.getLogger(__name__)

GROUP_UNITS = 128
GROUP_SECONDS = 0.010
TRUNCATE_BYTES = 64 * MEGABYTE
IDLE_SECONDS = 0.5
# While units keep coming, the log is moved into the file in small steps: 64 MB at once stop everything for 60 to
# 100 ms (measured), some groups' worth for a few.
CHECKPOINT_EVERY = 64  # groups
CHECKPOINT_PATIENCE_MS = 100
OWED_UNITS = 16


class DatabaseClosedError(Exception):
    """The database is closing; the unit was not begun."""


class _GroupLostError(Exception):
    """SQLite has rolled the whole transaction back under us; the cause says why."""


@dataclass(slots=True)
class _Request:
    unit: Unit[Any]
    done: asyncio.Future[Any]
    asked_at: float
    first: bool


@dataclass(slots=True)
class _Outcome:
    """What became of one unit: a value or an error; neither when the group's time ran out before it."""

    value: Any = None
    error: BaseException | None = None


def _begin(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")


def _run_one(connection: sqlite3.Connection, unit: Unit[Any]) -> _Outcome:
    connection.execute("SAVEPOINT unit")
    try:
        outcome = _Outcome(value=drive(unit, connection))
    except Exception as error:
        if not connection.in_transaction:
            raise _GroupLostError from error
        connection.execute("ROLLBACK TO unit")
        outcome = _Outcome(error=error)
    if not connection.in_transaction:
        raise _GroupLostError
    connection.execute("RELEASE unit")
    return outcome


def _run_group(connection: sqlite3.Connection, requests: Sequence[_Request]) -> list[_Outcome]:
    """Run units in one transaction until the time is up; the outcomes of those that were run.

    Raises _GroupLostError or sqlite3.Error when nothing of the group is in the file.
    """
    began = time.perf_counter()
    outcomes: list[_Outcome] = []
    try:
        _begin(connection)
        for request in requests:
            outcomes.append(_run_one(connection, request.unit))
            if time.perf_counter() - began > GROUP_SECONDS:
                break
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _run_alone(connection: sqlite3.Connection, unit: Unit[Any]) -> _Outcome:
    try:
        _begin(connection)
        value = drive(unit, connection)
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - the unit's own error goes back to whoever asked
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return _Outcome(error=error)
    return _Outcome(value=value)


def _checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """Move the log into the file; whether all of it. Waits for readers only briefly: units are waiting behind this."""
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {CHECKPOINT_PATIENCE_MS}")
    try:
        (blocked, _, _) = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
    return not blocked


class Writer:
    """Owns one connection and one task; `submit` is all that others see of it."""

    def __init__(self, connection: Connection, name: str, metrics: Metrics) -> None:
        self._connection = connection
        self._name = name
        self._first: deque[_Request] = deque()
        self._others: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._owing = False
        self._dirty = False
        self._groups = 0
        self._group_size = metrics.group_size.labels(name)
        self._commit_seconds = metrics.commit_seconds.labels(name)
        self._wait_seconds = metrics.writer_wait.labels(name)
        self._task = asyncio.create_task(self._serve(), name=f"writer of {name}")

    async def submit(self, unit: Unit[Any], *, first: bool, timeout_seconds: float | None = None) -> Any:
        """The unit's value once its commit is on disk. A caller cancelled before the unit began withdraws it.

        Raises TimeoutError after `timeout_seconds`; a unit that has not begun by then is withdrawn.
        """
        if self._closing:
            raise DatabaseClosedError(f"{self._name} is closing")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        queue = self._first if first else self._others
        queue.append(_Request(unit, done, time.perf_counter(), first))
        self._wake.set()
        if timeout_seconds is None:
            return await done
        timer = loop.call_later(timeout_seconds, _give_up, done)
        try:
            return await done
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Finish what waits, then stop."""
        self._closing = True
        self._wake.set()
        await self._task

    async def truncate(self) -> bool:
        """Move all of the log into the file and empty it; False when a reader was in the way."""
        return await self._connection.run(lambda connection: _checkpoint(connection, "TRUNCATE"))

    @property
    def waiting(self) -> int:
        """Units that were asked for and not begun."""
        return len(self._first) + len(self._others)

    async def _serve(self) -> None:
        while True:
            group = self._take()
            if group:
                await self._write_carefully(group)
                continue
            if self._closing:
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(IDLE_SECONDS if self._dirty else None):
                    await self._wake.wait()
            except TimeoutError:
                await self._checkpoint("PASSIVE")
                self._dirty = False

    def _take(self) -> list[_Request]:
        """The next group. Inbox units go first, unless the last group left others unserved: then some of those do."""
        group: list[_Request] = []
        if self._owing:
            self._move(self._others, group, OWED_UNITS)
        self._move(self._first, group, GROUP_UNITS - len(group))
        self._move(self._others, group, GROUP_UNITS - len(group))
        return group

    @staticmethod
    def _move(queue: deque[_Request], group: list[_Request], most: int) -> None:
        while queue and most > 0:
            request = queue.popleft()
            if not request.done.done():
                group.append(request)
                most -= 1

    def _put_back(self, requests: Sequence[_Request]) -> None:
        for request in reversed(requests):
            (self._first if request.first else self._others).appendleft(request)
        self._owing = bool(self._others)

    async def _write_carefully(self, group: list[_Request]) -> None:
        try:
            await self._write(group)
        except Exception as error:
            logger.exception("%s: the writer stumbled and goes on", self._name)
            for request in group:
                _answer(request.done, _Outcome(error=error))

    async def _write(self, group: list[_Request]) -> None:
        began = time.perf_counter()
        # one observation a group, of whoever waited longest: an observation costs more than a row
        self._wait_seconds.observe(began - min(request.asked_at for request in group))
        try:
            outcomes = await self._connection.run(lambda connection: _run_group(connection, group))
        except Exception as error:  # noqa: BLE001 - the writer must not die; every caller gets its own answer
            logger.warning("%s: a group of %d units was rolled back: %s", self._name, len(group), error)
            outcomes = [await self._alone(request.unit) for request in group]
        self._group_size.observe(len(outcomes))
        self._commit_seconds.observe(time.perf_counter() - began)
        self._dirty = True
        self._put_back(group[len(outcomes) :])
        for request, outcome in zip(group, outcomes, strict=False):
            _answer(request.done, outcome)
        await self._checkpoint_now_and_then()

    async def _alone(self, unit: Unit[Any]) -> _Outcome:
        return await self._connection.run(lambda connection: _run_alone(connection, unit))

    async def _checkpoint_now_and_then(self) -> None:
        self._groups += 1
        if self._groups % CHECKPOINT_EVERY == 0:
            size = await self._connection.run(lambda _: self._connection.wal_bytes())
            await self._checkpoint("TRUNCATE" if size > TRUNCATE_BYTES else "PASSIVE")

    async def _checkpoint(self, mode: str) -> None:
        try:
            await self._connection.run(lambda connection: _checkpoint(connection, mode))
        except sqlite3.Error as error:
            logger.warning("%s: checkpoint failed: %s", self._name, error)


def _answer(done: asyncio.Future[Any], outcome: _Outcome) -> None:
    if done.done():
        return
    if outcome.error is not None:
        done.set_exception(outcome.error)
    else:
        done.set_result(outcome.value)


def _give_up(done: asyncio.Future[Any]) -> None:
    if not done.done():
        done.set_exception(TimeoutError("the database did not answer in time"))

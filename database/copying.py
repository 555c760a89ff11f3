"""Copies of live SQLite files, and what tells whether a file is sound. Blocking: for threads."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from database.migrations import current_version, steps

BUSY_SECONDS = 60
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# SQLite looks at the stop sign after so many of its own steps: a few milliseconds
_STEPS_A_LOOK = 100_000


class UnsoundDatabaseError(Exception):
    """A database file is damaged, or of a version that this program does not know. The text says which and how."""


@dataclass(frozen=True, slots=True)
class VersionFile:
    """An uploaded file that knowledge.db knows. `wanted`: its document still needs it."""

    version_id: str
    sha256: str
    bytes: int
    wanted: bool


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy, also while others write to `source`, who do not wait for it. `target` is one whole file.

    In one step: in several the copy begins again at each commit (MEASURED: beside 200 commits/s it never ends).
    Raises UnsoundDatabaseError; sqlite3.Error, also for a disk without room.
    """
    try:
        _copy(source, target)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) not in DAMAGED:
            raise
        raise UnsoundDatabaseError(f"{source.name} is damaged: {error}") from error


def check_database(path: Path, name: str, stopped: Callable[[], bool] = lambda: False) -> int:
    """Read all of a file that nobody writes: is it sound? Its schema's number. Changes nothing.

    `name` is the folder of its migrations. Raises UnsoundDatabaseError; sqlite3.OperationalError once `stopped`.
    """
    with _opened(path) as connection:
        connection.set_progress_handler(stopped, _STEPS_A_LOOK)
        try:
            said = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            if said != ["ok"]:
                raise UnsoundDatabaseError(f"{path.name} is damaged: {said[0]}")
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
            schema = current_version(connection)
        except sqlite3.DatabaseError as error:
            if stopped():
                raise
            raise UnsoundDatabaseError(f"{path.name} is damaged: {error}") from error
    if broken:
        raise UnsoundDatabaseError(f"{path.name} is damaged: {len(broken)} rows point to nothing")
    check_schema(path.name, name, schema)
    return schema


def check_schema(file: str, name: str, schema: int) -> None:
    """Raise UnsoundDatabaseError for a schema that was never made, or is newer than we know."""
    newest = max((number for number, _ in steps(name)), default=0)
    if schema > newest:
        raise UnsoundDatabaseError(
            f"{file} was written by a newer version of Concierge (schema {schema}, this one knows {newest}). "
            "Use that version."
        )
    if schema < 1:
        raise UnsoundDatabaseError(f"{file} holds no data of Concierge.")


def version_files(path: Path) -> list[VersionFile]:
    """Which uploaded files a knowledge.db that nobody writes speaks of."""
    with _opened(path) as connection:
        rows = connection.execute(
            "SELECT v.id, v.sha256, v.bytes, d.deleted_at IS NULL AND d.status != 'failed'"
            " FROM versions v JOIN documents d ON d.id = v.document_id ORDER BY v.id"
        )
        return [VersionFile(version, sha256, count, bool(wanted)) for version, sha256, count, wanted in rows]


def first_business(path: Path) -> str | None:
    """The id of the first business of a concierge.db that nobody writes: it tells one installation from another."""
    with _opened(path) as connection:
        row = connection.execute("SELECT id FROM businesses ORDER BY created_at, id LIMIT 1").fetchone()
    return None if row is None else str(row[0])


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    # immutable: neither locks nor a log are looked for, and none are left beside the file
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        yield connection


def _copy(source: Path, target: Path) -> None:
    uri = f"{source.absolute().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as live,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        live.execute("PRAGMA query_only = ON")
        # who made the copy syncs it once, as a file
        copy.execute("PRAGMA synchronous = OFF")
        live.backup(copy, pages=-1)
        # without a log beside it
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()

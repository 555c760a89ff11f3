"""How far the files of a data directory are, read without owning them."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from database.migrations import current_version, steps


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """A database file: the last migration that it has seen, and the newest that we know."""

    file: str
    schema: int
    newest: int
    bytes: int
    error: str | None = None


def schema_report(path: Path, name: str) -> SchemaReport | None:
    """The report of one file, whose pages are looked through; None when it is not there yet.

    Blocking, some seconds a GB; safe beside a running owner.
    """
    if not path.exists():
        return None
    newest = max((number for number, _ in steps(name)), default=0)
    size = path.stat().st_size
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            damage = None if said == "ok" else " ".join(str(said).split())
            return SchemaReport(path.name, current_version(connection), newest, size, damage)
        finally:
            connection.close()
    except sqlite3.Error as error:
        return SchemaReport(path.name, 0, newest, size, str(error))


def sqlite_library() -> str:
    """The version of the SQLite library that this program uses."""
    return sqlite3.sqlite_version

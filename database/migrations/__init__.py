"""Numbered SQL files, applied in order, each in one transaction. `PRAGMA user_version` says how far a file is."""

import re
import sqlite3
from importlib.resources import files
from pathlib import Path


class NewerDatabaseError(Exception):
    """The file was written by a newer version of the program."""


def steps(name: str) -> list[tuple[int, str]]:
    """The migrations of a file (chat, knowledge, lexical): (number, SQL), in order."""
    found = []
    for entry in (files("database.migrations") / name).iterdir():
        match = re.fullmatch(r"(\d{4})_\w+\.sql", entry.name)
        if match:
            found.append((int(match[1]), entry.read_text("utf-8")))
    return sorted(found)


def current_version(connection: sqlite3.Connection) -> int:
    """The number of the last migration that the file has seen; 0 for a new file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(path: Path, name: str, *, available: list[tuple[int, str]] | None = None) -> list[int]:
    """Bring a file up to date; the numbers of the steps that ran. Blocking; the caller owns the data directory.

    A file that already holds something is copied beside itself first (`<file>.before-<version>`).
    Raises NewerDatabaseError when the file is ahead of the code, sqlite3.Error when a step fails; the file is
    then as it was.
    """
    todo = available if available is not None else steps(name)
    # Foreign keys are off while tables are rebuilt; the switch does nothing inside a transaction.
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    try:
        connection.execute("PRAGMA foreign_keys = OFF")
        have = current_version(connection)
        newest = todo[-1][0] if todo else 0
        if have > newest:
            raise NewerDatabaseError(
                f"{path.name} was written by a newer version of Concierge (schema {have}, this one knows {newest}). "
                "Start that version, or restore a backup made by this one."
            )
        pending = [(number, sql) for number, sql in todo if number > have]
        if pending and have:
            _copy(connection, path.with_name(f"{path.name}.before-{pending[-1][0]:04d}"))
        for number, sql in pending:
            _apply(connection, number, sql)
    finally:
        connection.close()
    return [number for number, _ in pending]


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    target.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(target),))


def _apply(connection: sqlite3.Connection, number: int, sql: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(sql):
            connection.execute(statement)
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise sqlite3.IntegrityError(f"migration {number} breaks {len(broken)} references: {broken[:3]}")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(sql: str) -> list[str]:
    """The statements of a script; executescript would commit by itself."""
    found: list[str] = []
    rest = ""
    for line in sql.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    if rest.strip() and not all(line.startswith("--") or not line.strip() for line in rest.splitlines()):
        found.append(rest)
    return found

"""What a unit of work sees of its connection: four ways to say SQL, and nothing that commits.

A unit is a coroutine function of a Transaction that awaits nothing else. It is driven to its end inside the
connection's own thread, one hop for a whole group of units, so a unit that waits for anything else is refused.
"""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Row: TypeAlias = sqlite3.Row


class Transaction:
    """SQL inside a transaction that somebody else begins and ends. Parameters are named (`:name`)."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def all(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Every row. Also for `INSERT/UPDATE … RETURNING`, whose cursor must be read to its end."""
        return self._connection.execute(sql, parameters or {}).fetchall()

    async def one(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """The first row, or None."""
        rows = self._connection.execute(sql, parameters or {}).fetchall()
        return rows[0] if rows else None

    async def run(self, sql: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Execute; the number of rows that changed."""
        return self._connection.execute(sql, parameters or {}).rowcount

    async def many(self, sql: str, rows: Iterable[Mapping[str, Any]] | Iterable[Sequence[Any]]) -> int:
        """Execute once a row; the number of rows that changed in all."""
        return self._connection.executemany(sql, rows).rowcount

    async def bulk(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Execute for many rows in few steps: `{rows}` in the SQL becomes a VALUES list; the number of rows changed.

        Every step of a statement gives the interpreter lock away and waits to get it back, up to 5 ms beside a busy
        event loop: `many` pays that a row, this a few times in all. For statements that run while customers write.
        """
        changed = start = 0
        for size in _BULKS:
            while len(rows) - start >= size:
                parameters = tuple(chain.from_iterable(rows[start : start + size]))
                statement = _with_rows(sql, size, len(rows[start]))
                changed += self._connection.execute(statement, parameters).rowcount
                start += size
        return changed

    async def packed(self, columns: str, rest: str, parameters: Mapping[str, Any] | None = None) -> list[list[Any]]:
        """`SELECT columns rest` in one step, for the same reason as `bulk`. Texts, numbers and NULLs only."""
        statement = f"SELECT json_group_array(json_array({columns})) {rest}"
        (packed,) = self._connection.execute(statement, parameters or {}).fetchone()
        rows: list[list[Any]] = json.loads(packed)
        return rows


_BULKS = (64, 16, 4, 1)


@lru_cache(maxsize=256)
def _with_rows(sql: str, size: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return sql.replace("{rows}", ", ".join([row] * size))


Unit: TypeAlias = Callable[[Transaction], Awaitable[T]]


def drive(unit: Unit[T], connection: sqlite3.Connection) -> T:
    """Run a unit to its end, here and now.

    Raises RuntimeError when the unit awaits anything but its transaction, and whatever the unit raises.
    """
    steps = unit(Transaction(connection)).__await__()
    try:
        next(steps)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise RuntimeError("a unit of work may await nothing but its transaction")

"""The seam's promises: a unit is all or nothing, a group shares one commit, and no fault of one is another's."""

import asyncio
import gc
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from database.migrations import NewerDatabaseError, current_version, migrate, steps
from database.transaction import Transaction, Unit


def keep(key: str, value: bytes = b"") -> Unit[int]:
    async def unit(transaction: Transaction) -> int:
        await transaction.run(
            "INSERT INTO inbox_posts (app, body, received_at) VALUES (:key, :value, 0)", {"key": key, "value": value}
        )
        row = await transaction.one("SELECT count(*) AS n FROM inbox_posts")
        return int(row["n"]) if row else 0

    return unit


def keys() -> Unit[list[str]]:
    async def unit(transaction: Transaction) -> list[str]:
        return [row["app"] for row in await transaction.all("SELECT app FROM inbox_posts ORDER BY id")]

    return unit


def failing(key: str) -> Unit[None]:
    async def unit(transaction: Transaction) -> None:
        await keep(key)(transaction)
        raise ValueError(key)

    return unit


async def together(database: Database, *units: Unit[object]) -> list[object]:
    """Submit units so that they share a group."""
    return list(await asyncio.gather(*(database.write(unit) for unit in units), return_exceptions=True))


async def test_a_written_unit_is_there_for_readers(chat: Database) -> None:
    """What `write` has returned, every reader sees."""
    assert await chat.write(keep("a")) == 1
    assert await chat.read(keys()) == ["a"]


async def test_units_that_wait_share_a_commit(chat: Database, metrics: Metrics) -> None:
    """Fifty units that wait together need few commits, and each gets its own answer in order."""
    counts = await together(chat, *(keep(str(n)) for n in range(50)))
    assert counts == list(range(1, 51))
    groups = metrics.registry.get_sample_value("concierge_database_group_units_count", {"file": "chat"})
    assert groups is not None
    assert groups <= 10


async def test_a_unit_that_raises_loses_only_itself(chat: Database) -> None:
    """The neighbours of a failing unit are kept, and its caller gets its error."""
    results = await together(chat, keep("a"), failing("b"), keep("c"))
    assert isinstance(results[1], ValueError)
    assert await chat.read(keys()) == ["a", "c"]


async def test_a_cancelled_caller_whose_unit_has_not_begun_withdraws_it(chat: Database) -> None:
    """Nobody's unit is written after its caller gave up before it began."""
    blocker = asyncio.create_task(chat.write(keep("first")))
    given_up = asyncio.create_task(chat.write(keep("given up")))
    given_up.cancel()
    await asyncio.gather(blocker, given_up, return_exceptions=True)
    await chat.write(keep("last"))
    assert await chat.read(keys()) == ["first", "last"]


async def test_a_caller_cancelled_in_the_middle_leaves_all_or_nothing(chat: Database) -> None:
    """A unit that had begun is written whole although nobody waits for it any more."""
    task = asyncio.create_task(chat.write(keep("begun")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await chat.write(keep("next"))
    assert await chat.read(keys()) in (["begun", "next"], ["next"])


async def test_a_loop_of_reads_ends_when_it_is_cancelled(chat: Database) -> None:
    """A cancellation is never forgotten, also when it comes in the instant in which a read ends."""

    async def read_on() -> None:
        while True:
            await chat.read(keys())

    for turns in range(100):
        reading = asyncio.create_task(read_on())
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading}, timeout=20)
        assert reading.cancelled()


async def test_inbox_units_go_first(chat: Database) -> None:
    """What waits for a 200 is written before everything else that waits."""
    others = [asyncio.create_task(chat.write(keep(f"later {n}"))) for n in range(3)]
    first = asyncio.create_task(chat.write(keep("first"), first=True))
    await asyncio.gather(first, *others)
    assert (await chat.read(keys()))[0] == "first"


async def test_a_unit_that_waits_for_something_else_is_refused(chat: Database) -> None:
    """A unit may await nothing but its transaction; the group goes on without it."""

    async def waits(_: Transaction) -> None:
        await asyncio.sleep(0)

    results = await together(chat, keep("a"), waits, keep("c"))
    assert isinstance(results[1], RuntimeError)
    assert await chat.read(keys()) == ["a", "c"]


async def test_a_full_disk_in_the_middle_of_three_costs_only_what_does_not_fit(chat: Database) -> None:
    """SQLite rolls the whole group back when the disk is full; the units that fit are written all the same."""
    await chat.write(keep("before"))

    async def limit(transaction: Transaction) -> None:
        pages = await transaction.one("PRAGMA page_count")
        await transaction.all(f"PRAGMA max_page_count = {pages[0] + 8 if pages else 0}")

    await chat.write(limit)
    results = await together(chat, keep("small 1"), keep("huge", b"x" * 500_000), keep("small 2"))
    assert isinstance(results[1], sqlite3.OperationalError)
    assert "full" in str(results[1])
    assert await chat.read(keys()) == ["before", "small 1", "small 2"]


async def test_an_interrupt_in_the_middle_of_three_costs_no_unit_twice(chat: Database) -> None:
    """An interrupt rolls the whole group back; each unit is run again alone and is there once."""
    interrupts: Iterator[bool] = iter([True])

    async def interrupted(transaction: Transaction) -> None:
        await keep("b")(transaction)
        if next(interrupts, False):
            connection = transaction._connection
            connection.set_progress_handler(lambda: 1, 1)
            try:
                await transaction.run("UPDATE inbox_posts SET received_at = received_at + 1")
            finally:
                connection.set_progress_handler(None, 1)

    results = await together(chat, keep("a"), interrupted, keep("c"))
    assert not any(isinstance(result, BaseException) for result in results)
    assert sorted(await chat.read(keys())) == ["a", "b", "c"]


async def test_a_reader_sees_one_snapshot(chat: Database) -> None:
    """A read unit sees the same rows from its first statement to its last, and cannot write."""

    async def writes(transaction: Transaction) -> None:
        await transaction.run("DELETE FROM inbox_posts")

    await chat.write(keep("a"))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await chat.read(writes)
    assert await chat.read(keys()) == ["a"]


async def test_a_cancelled_read_is_cut_off_and_no_fault(chat: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for the end of a long read that nobody wants any more, and nothing calls it a fault."""
    began, loop = asyncio.Event(), asyncio.get_running_loop()

    def runs() -> int:
        loop.call_soon_threadsafe(began.set)
        return 0

    async def endless(transaction: Transaction) -> None:
        transaction._connection.set_progress_handler(runs, 1_000_000)
        await transaction.all(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS i FROM n"
        )

    read = asyncio.create_task(chat.read(endless))
    await began.wait()
    read.cancel()
    with pytest.raises(asyncio.CancelledError):
        await read
    assert await chat.read(keys()) == []
    gc.collect()
    assert caplog.records == []


async def test_closing_finishes_what_waits(tmp_path: Path, metrics: Metrics) -> None:
    """Units that were asked for before the end are written before the end."""
    async with Database.open(tmp_path / "c.db", DatabaseOptions("chat"), metrics) as database:
        writes = [asyncio.create_task(database.write(keep(str(n)))) for n in range(300)]
        await asyncio.sleep(0)
    assert len(await asyncio.gather(*writes)) == 300


async def test_the_pragmas_are_what_we_promise(chat: Database) -> None:
    """WAL, full synchronisation, foreign keys and the busy timeout hold on the writer."""

    async def pragmas(transaction: Transaction) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "temp_store", "wal_autocheckpoint")
        return [(await transaction.all(f"PRAGMA {name}"))[0][0] for name in names]

    assert await chat.write(pragmas) == ["wal", 2, 1, 60_000, 2, 0]


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """A file of a newer version is not touched."""
    path = tmp_path / "concierge.db"
    migrate(path, "chat")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9999")
    connection.close()
    with pytest.raises(NewerDatabaseError, match="newer version"):
        migrate(path, "chat")


@pytest.mark.parametrize("name", ["chat", "knowledge", "lexical"])
def test_every_file_migrates_from_nothing_and_stays(tmp_path: Path, name: str) -> None:
    """A second start changes nothing."""
    path = tmp_path / f"{name}.db"
    assert migrate(path, name) == [number for number, _ in steps(name)]
    assert migrate(path, name) == []


def fill_every_table(connection: sqlite3.Connection) -> list[str]:
    """One row a table, made from the schema: the first of the values where a CHECK lists them."""
    connection.execute("PRAGMA foreign_keys = OFF")
    tables = [
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND sql NOT LIKE '%VIRTUAL%' AND name NOT LIKE 'words%'"
        )
    ]
    special = {
        ("inbox_events", "state"): "waiting",
        ("messages", "status"): "received",
        ("messages", "reason"): None,
        ("messages", "turn_id"): "1",
        ("proposals", "chosen"): None,
    }
    for table in tables:
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        schema = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        listed = dict(re.findall(r"(\w+) IN \(\s*'(\w+)'", schema))
        values = [special.get((table, name), listed.get(name, "1")) for _, name, *_ in columns]
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    return tables


@pytest.mark.parametrize("name", ["chat", "knowledge"])
def test_a_migration_keeps_the_data_of_every_table_and_a_copy(tmp_path: Path, name: str) -> None:
    """With a row in every table, a further step runs, keeps all rows, and leaves a copy of the file before it."""
    path = tmp_path / f"{name}.db"
    migrate(path, name)
    connection = sqlite3.connect(path, isolation_level=None)
    tables = fill_every_table(connection)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    newest = steps(name)[-1][0]
    extra = [*steps(name), (newest + 1, "CREATE TABLE one_more (id TEXT PRIMARY KEY);")]
    assert migrate(path, name, available=extra) == [newest + 1]
    for file in (path, path.with_name(f"{path.name}.before-{newest + 1:04d}")):
        with sqlite3.connect(file) as kept:
            assert all(kept.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 1 for table in tables)
        kept.close()


def test_a_migration_that_breaks_a_reference_changes_nothing(tmp_path: Path) -> None:
    """A step after which a foreign key points nowhere is undone as a whole."""
    path = tmp_path / "concierge.db"
    migrate(path, "chat")
    newest = steps("chat")[-1][0]
    breaks = (
        "INSERT INTO businesses VALUES ('b', 's', 'n', 1);"
        "INSERT INTO apps (id, business_id, name, created_at) VALUES ('a', 'nobody', 'x', 1);"
    )
    with pytest.raises(sqlite3.IntegrityError, match="references"):
        migrate(path, "chat", available=[*steps("chat"), (newest + 1, breaks.replace(";", ";\n"))])
    connection = sqlite3.connect(path)
    assert current_version(connection) == newest
    assert connection.execute("SELECT count(*) FROM businesses").fetchone()[0] == 0
    connection.close()


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 151])
async def test_many_rows_go_in_and_come_out_in_few_steps(chat: Database, count: int) -> None:
    """`bulk` stores every row once, in order, however many; a repeat changes none; `packed` gives them back."""
    rows = [(f"é{n}", n % 2 or None, n) for n in range(count)]
    into = "INSERT INTO inbox_posts (app, error, received_at, id) VALUES {rows} ON CONFLICT (id) DO NOTHING"

    async def unit(transaction: Transaction) -> int:
        return await transaction.bulk(into, [(*row, row[2] + 1) for row in rows])

    assert await chat.write(unit) == count
    assert await chat.write(unit) == 0

    async def read(transaction: Transaction) -> list[list[object]]:
        return await transaction.packed("app, error, received_at", "FROM (SELECT * FROM inbox_posts ORDER BY id)")

    assert await chat.read(read) == [[app, error and str(error), at] for app, error, at in rows]


async def test_many_rows_are_updated_in_few_steps(chat: Database) -> None:
    """Each row gets its own values; the number of rows that there were is told."""
    await together(chat, *(keep(str(n)) for n in range(70)))

    async def unit(transaction: Transaction) -> int:
        return await transaction.bulk(
            "UPDATE inbox_posts SET app = new.column1 FROM (VALUES {rows}) AS new WHERE id = new.column2",
            [(f"new {n}", n) for n in range(1, 81)],
        )

    assert await chat.write(unit) == 70
    assert await chat.read(keys()) == [f"new {n}" for n in range(1, 71)]


async def test_the_log_does_not_grow_for_ever(chat: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy writer that is never idle folds its log back into the file, also while somebody reads."""
    monkeypatch.setattr("database.writer.TRUNCATE_BYTES", 1_000_000)
    monkeypatch.setattr("database.writer.CHECKPOINT_EVERY", 4)
    for n in range(60):
        await chat.write(keep(str(n), b"x" * 100_000))
        await chat.read(keys())
    assert await chat.read(_log_size(chat)) < 3_000_000


def _log_size(database: Database) -> Unit[int]:
    async def unit(_: Transaction) -> int:
        return database.path.with_name(f"{database.path.name}-wal").stat().st_size

    return unit


async def test_a_flood_of_inbox_units_lets_the_others_through(chat: Database) -> None:
    """However many webhooks wait, a turn's unit is not put off for ever."""
    stop = asyncio.Event()

    async def flood(name: int) -> None:
        count = 0
        while not stop.is_set():
            await chat.write(keep(f"{name}.{count}"), first=True)
            count += 1

    floods = [asyncio.create_task(flood(name)) for name in range(300)]
    await asyncio.sleep(0)
    await asyncio.wait_for(chat.write(keep("a turn")), 20)
    stop.set()
    await asyncio.gather(*floods)
    assert "a turn" in await chat.read(keys())

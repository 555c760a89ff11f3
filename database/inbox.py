"""What Meta sent us: one row a POST, one row an event, each event once however often it comes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from database.records import InboxEvent
from database.transaction import Transaction, Unit


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """An event that intake has not handled. `pointer` leads into the body of POST `post_id`."""

    id: int
    post_id: int
    kind: str
    pointer: str
    phone_number_id: str | None
    subject: str | None
    received_at: int


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that cannot mean anything, and why."""

    id: int
    kind: str
    subject: str | None
    error: str
    received_at: int


@dataclass(frozen=True, slots=True)
class Post:
    """A signed POST: its raw bytes, the events in it, or why it could not be split."""

    app: str
    body: bytes
    events: Sequence[InboxEvent]
    received_at: int
    error: str | None = None


_KEEP_POST = "INSERT INTO inbox_posts (id, app, body, error, received_at) VALUES {rows}"
_KEEP_EVENT = """
    INSERT INTO inbox_events (post_id, kind, dedupe_key, pointer, phone_number_id, subject, received_at)
    VALUES {rows} ON CONFLICT (dedupe_key) DO NOTHING
"""


def keep_posts(posts: Sequence[Post]) -> Unit[int]:
    """Store POSTs and their events; how many of the events are new.

    A POST whose events we had all before leaves nothing; one that could not be split is kept raw.
    """

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one("SELECT coalesce(max(id), 0) AS last FROM inbox_posts")
        first = (row["last"] if row else 0) + 1
        await transaction.bulk(
            _KEEP_POST,
            [(n, post.app, post.body, post.error, post.received_at) for n, post in enumerate(posts, first)],
        )
        events = [
            (n, each.kind, each.dedupe_key, each.pointer, each.phone_number_id, each.subject, post.received_at)
            for n, post in enumerate(posts, first)
            for each in post.events
        ]
        new = await transaction.bulk(_KEEP_EVENT, events)
        if new < len(events):
            await transaction.run(
                "DELETE FROM inbox_posts WHERE id IN (SELECT value FROM json_each(:ids))"
                " AND id NOT IN (SELECT post_id FROM inbox_events ORDER BY id DESC LIMIT :new)",
                {"ids": json.dumps([n for n, post in enumerate(posts, first) if post.events]), "new": new},
            )
        return new

    return unit


def waiting_events(limit: int, after: int = 0) -> Unit[tuple[list[WaitingEvent], dict[int, bytes]]]:
    """The oldest events that wait, behind id `after`, and the bodies that they point into, by POST."""

    async def unit(transaction: Transaction) -> tuple[list[WaitingEvent], dict[int, bytes]]:
        rows = await transaction.packed(
            "id, post_id, kind, pointer, phone_number_id, subject, received_at",
            "FROM (SELECT * FROM inbox_events WHERE state = 'waiting' AND id > :after ORDER BY id LIMIT :limit)",
            {"limit": limit, "after": after},
        )
        events = [WaitingEvent(*row) for row in rows]
        posts = sorted({event.post_id for event in events})
        bodies = await transaction.all(
            "SELECT id, body FROM inbox_posts WHERE id IN (SELECT value FROM json_each(:posts))",
            {"posts": json.dumps(posts)},
        )
        return events, {row["id"]: row["body"] for row in bodies}

    return unit


def newest_waiting_event() -> Unit[int]:
    """The id of the newest event that waits, 0 when none does."""

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one("SELECT max(id) AS id FROM inbox_events WHERE state = 'waiting'")
        return (row["id"] or 0) if row else 0

    return unit


def oldest_waiting_at() -> Unit[int | None]:
    """When the oldest event that waits came; None when none does."""

    async def unit(transaction: Transaction) -> int | None:
        row = await transaction.one("SELECT received_at FROM inbox_events WHERE state = 'waiting' ORDER BY id LIMIT 1")
        return row["received_at"] if row else None

    return unit


async def settle_events(transaction: Transaction, state: str, ids: Sequence[int]) -> None:
    """Mark events as handled or ignored; part of the unit that handles them."""
    if ids:
        await transaction.run(
            "UPDATE inbox_events SET state = :state, error = NULL"
            " WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'waiting'",
            {"state": state, "ids": json.dumps(ids)},
        )


async def bury_event(transaction: Transaction, event_id: int, error: str) -> None:
    """Put an event among the dead letters, with its reason; part of a unit."""
    await transaction.run(
        "UPDATE inbox_events SET state = 'dead', error = :error WHERE id = :id AND state = 'waiting'",
        {"id": event_id, "error": error[:500]},
    )


def dead_events(limit: int, after: int = 0) -> Unit[list[DeadEvent]]:
    """Dead letters in the order in which they came, from the one after id `after`."""

    async def unit(transaction: Transaction) -> list[DeadEvent]:
        rows = await transaction.all(
            "SELECT id, kind, subject, coalesce(error, '') AS error, received_at FROM inbox_events"
            " WHERE state = 'dead' AND id > :after ORDER BY id LIMIT :limit",
            {"after": after, "limit": limit},
        )
        return [DeadEvent(*row) for row in rows]

    return unit


def retry_dead(ids: Sequence[int] | None) -> Unit[int]:
    """Let intake try dead letters again (None: all of them); how many."""

    async def unit(transaction: Transaction) -> int:
        some = "" if ids is None else " AND id IN (SELECT value FROM json_each(:ids))"
        return await transaction.run(
            f"UPDATE inbox_events SET state = 'waiting', error = NULL WHERE state = 'dead'{some}",
            {} if ids is None else {"ids": json.dumps(list(ids))},
        )

    return unit


_STRETCH_OF_POSTS = (
    "id > :after AND id <= :last"
    " AND id NOT IN (SELECT post_id FROM inbox_events WHERE state = 'waiting')"
    " AND id NOT IN (SELECT post_id FROM inbox_events WHERE state = 'dead')"
)

# What is forgotten, by what it is called: the table that is walked through, and the statement for a stretch of it.
# Events that wait, and dead letters, keep their POST and its body, whatever their age.
_FORGET = {
    "bodies": (
        "inbox_posts",
        "UPDATE inbox_posts SET body = NULL WHERE body IS NOT NULL AND " + _STRETCH_OF_POSTS,
    ),
    "events": (
        "inbox_events",
        "DELETE FROM inbox_events WHERE id > :after AND id <= :last AND state IN ('handled', 'ignored')",
    ),
    "posts": (
        "inbox_posts",
        "DELETE FROM inbox_posts WHERE " + _STRETCH_OF_POSTS,
    ),
}


def forget(what: str, before: int, after: int, stretch: int) -> Unit[int | None]:
    """Forget "bodies", "events" or "posts" that came before an instant: of at most `stretch` rows behind id `after`.

    The id to go on from; None at the end, that is where no row follows or a younger one stands in the stretch: ids
    grow with time, so those behind it are younger still. What waits for intake and dead letters keep their POST.
    """
    table, statement = _FORGET[what]

    async def unit(transaction: Transaction) -> int | None:
        rows = await transaction.all(
            f"SELECT id, received_at FROM {table} WHERE id > :after ORDER BY id LIMIT :stretch",
            {"after": after, "stretch": stretch},
        )
        old = [row["id"] for row in rows if row["received_at"] < before]
        if not old:
            return None
        await transaction.run(statement, {"after": after, "last": old[-1]})
        return int(old[-1]) if len(old) == len(rows) else None

    return unit


async def still_waiting(transaction: Transaction, ids: Sequence[int]) -> set[int]:
    """Which of these events nobody has handled; part of the unit that handles them."""
    rows = await transaction.packed(
        "id",
        "FROM inbox_events WHERE state = 'waiting' AND id IN (SELECT value FROM json_each(:ids))",
        {"ids": json.dumps(list(ids))},
    )
    return {event_id for (event_id,) in rows}

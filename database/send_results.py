"""What became of a send: by Meta's answer, by a status webhook, or by neither within the grace."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from database.records import StatusUpdate
from database.transaction import Transaction, Unit

# From where a status may move a message (ARCHITECTURE.md 3): only forward. `queued` counts only after an
# attempt, when the message waits to be sent again.
_OPEN = ("sending", "unconfirmed", "queued", "accepted")
_BEFORE = {
    "sent": _OPEN,
    "delivered": (*_OPEN, "sent"),
    "read": (*_OPEN, "sent", "delivered"),
    "played": (*_OPEN, "sent", "delivered", "read"),
    "failed": (*_OPEN, "sent"),
}
# Of several statuses of one message that are handled together, the one that counts.
_STRONGEST = ("sent", "failed", "delivered", "read", "played")
_UNSETTLED = frozenset({"started", "unconfirmed"})


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """A status webhook and the event that brought it."""

    event_id: int
    status: StatusUpdate


def accepted(attempt_id: str, wamid: str, now: int) -> Unit[bool]:
    """Meta took it: the message is accepted, unless a status has already said more. True when it was open still."""

    async def unit(transaction: Transaction) -> bool:
        await transaction.run(
            "UPDATE send_attempts SET state = 'accepted', wamid = :wamid WHERE id = :id",
            {"id": attempt_id, "wamid": wamid},
        )
        moved = await transaction.run(
            "UPDATE outbox SET state = 'accepted', wamid = :wamid, updated_at = :now"
            " WHERE id = (SELECT outbox_id FROM send_attempts WHERE id = :id)"
            " AND state IN ('sending', 'unconfirmed', 'queued')",
            {"id": attempt_id, "wamid": wamid, "now": now},
        )
        await transaction.run(
            "UPDATE outbox SET wamid = :wamid WHERE wamid IS NULL"
            " AND id = (SELECT outbox_id FROM send_attempts WHERE id = :id)",
            {"id": attempt_id, "wamid": wamid},
        )
        # a status that came before this answer without our id gets another look
        await transaction.run(
            "UPDATE inbox_events SET state = 'waiting'"
            " WHERE subject = :wamid AND state = 'ignored' AND kind = 'status'",
            {"wamid": wamid},
        )
        return moved > 0

    return unit


@dataclass(frozen=True, slots=True)
class Refusal:
    """A definite no: what the message becomes, and when it is tried again if it is queued."""

    state: str
    reason: str
    code: int | None
    due_at: int


def refused(attempt_id: str, refusal: Refusal, now: int) -> Unit[bool]:
    """Meta said no, or nothing left the machine: the message is queued again, held or failed."""

    async def unit(transaction: Transaction) -> bool:
        await transaction.run(
            "UPDATE send_attempts SET state = 'refused', error_code = :code, error = :reason WHERE id = :id",
            {"id": attempt_id, "code": refusal.code, "reason": refusal.reason[:300]},
        )
        moved = await transaction.run(
            "UPDATE outbox SET state = :state, reason = :reason, due_at = :due_at, updated_at = :now"
            " WHERE id = (SELECT outbox_id FROM send_attempts WHERE id = :id) AND state IN ('sending', 'unconfirmed')",
            {
                "id": attempt_id,
                "state": refusal.state,
                "reason": refusal.reason[:300],
                "due_at": refusal.due_at,
                "now": now,
            },
        )
        return moved > 0

    return unit


def unsure(attempt_id: str, error: str, now: int) -> Unit[str | None]:
    """No definite answer came. The message's id when it is open now; None when a status has settled it already."""

    async def unit(transaction: Transaction) -> str | None:
        await transaction.run(
            "UPDATE send_attempts SET state = 'unconfirmed', error = :error WHERE id = :id AND state = 'started'",
            {"id": attempt_id, "error": error[:300]},
        )
        rows = await transaction.all(
            "UPDATE outbox SET state = 'unconfirmed', reason = :error, updated_at = :now"
            " WHERE id = (SELECT outbox_id FROM send_attempts WHERE id = :id) AND state = 'sending' RETURNING id",
            {"id": attempt_id, "error": error[:300], "now": now},
        )
        return rows[0]["id"] if rows else None

    return unit


def send_again(outbox_ids: Sequence[str], most: int, now: int) -> Unit[int]:
    """The grace ran out without a status: queue the messages again; how many.

    One that stayed unconfirmed `most` times is held instead: statuses do not reach us, and it may have arrived.
    """

    async def unit(transaction: Transaction) -> int:
        parameters = {"ids": json.dumps(list(outbox_ids)), "most": most, "now": now}
        await transaction.run(
            "UPDATE send_attempts SET state = 'resent' WHERE state = 'unconfirmed' AND outbox_id IN ("
            " SELECT id FROM outbox WHERE state = 'unconfirmed' AND id IN (SELECT value FROM json_each(:ids)))",
            parameters,
        )
        rows = await transaction.all(
            "UPDATE outbox SET due_at = :now, updated_at = :now, state = CASE WHEN ("
            "  SELECT count(*) FROM send_attempts a WHERE a.outbox_id = outbox.id AND a.state = 'resent') >= :most"
            " THEN 'held' ELSE 'queued' END"
            " WHERE state = 'unconfirmed' AND id IN (SELECT value FROM json_each(:ids)) RETURNING id, state",
            parameters,
        )
        for row in rows:
            if row["state"] == "held":
                await transaction.run("UPDATE outbox SET reason = 'unconfirmed' WHERE id = :id", {"id": row["id"]})
        return sum(row["state"] == "queued" for row in rows)

    return unit


async def apply_statuses(transaction: Transaction, events: Sequence[StatusEvent], now: int) -> list[int]:
    """Move messages forward by their statuses; the ids of the events that spoke of nothing we sent."""
    if not events:
        return []
    by_id, by_wamid = await _attempts(transaction, events)
    unknown: list[int] = []
    latest: dict[str, StatusUpdate] = {}
    settled: dict[str, str] = {}
    for event in events:
        status = event.status
        attempt = by_id.get(status.attempt_id or "") or by_wamid.get(status.wamid)
        if attempt is None:
            unknown.append(event.event_id)
            continue
        if status.status not in _BEFORE or (status.status == "failed" and not attempt.is_current):
            continue
        if attempt.is_open:
            settled[attempt.id] = status.wamid
        before = latest.get(attempt.outbox_id)
        if before is None or _STRONGEST.index(status.status) > _STRONGEST.index(before.status):
            latest[attempt.outbox_id] = status
    await _move(transaction, latest, now)
    await transaction.bulk(
        "UPDATE send_attempts SET state = 'accepted', wamid = new.column1 FROM (VALUES {rows}) AS new"
        " WHERE id = new.column2 AND state IN ('started', 'unconfirmed')",
        [(wamid, attempt_id) for attempt_id, wamid in settled.items()],
    )
    return unknown


async def _move(transaction: Transaction, latest: dict[str, StatusUpdate], now: int) -> None:
    rows: dict[str, list[tuple[object, ...]]] = {}
    for outbox_id, status in latest.items():
        rows.setdefault(status.status, []).append((_reason(status), status.wamid, now, outbox_id))
    for name, moves in rows.items():
        before = ", ".join(f"'{state}'" for state in _BEFORE[name])
        await transaction.bulk(
            f"UPDATE outbox SET state = '{name}', reason = new.column1, wamid = coalesce(wamid, new.column2),"
            " updated_at = new.column3 FROM (VALUES {rows}) AS new"
            f" WHERE id = new.column4 AND attempts > 0 AND state IN ({before})",
            moves,
        )


def _reason(status: StatusUpdate) -> str | None:
    if status.error_code is None and status.error_text is None:
        return None
    return f"{status.error_code or ''} {status.error_text or ''}".strip()[:300]


@dataclass(frozen=True, slots=True)
class _Attempt:
    id: str
    outbox_id: str
    is_open: bool
    # the newest attempt of its message, and not refused: only its failure is the message's
    is_current: bool


async def _attempts(
    transaction: Transaction, events: Sequence[StatusEvent]
) -> tuple[dict[str, _Attempt], dict[str, _Attempt]]:
    """The attempts that the statuses speak of: by their own id, and by wamid."""
    ids = json.dumps(list({event.status.attempt_id for event in events if event.status.attempt_id}))
    wamids = json.dumps(list({event.status.wamid for event in events}))
    rows = await transaction.packed(
        "a.wamid, a.id, a.outbox_id, a.state, a.n = o.attempts",
        "FROM send_attempts a JOIN outbox o ON o.id = a.outbox_id"
        " WHERE a.id IN (SELECT value FROM json_each(:ids) UNION"
        " SELECT id FROM send_attempts WHERE wamid IN (SELECT value FROM json_each(:wamids)))",
        {"ids": ids, "wamids": wamids},
    )
    found = [
        (
            wamid,
            _Attempt(
                attempt_id,
                outbox_id,
                is_open=state in _UNSETTLED,
                is_current=bool(newest) and state != "refused",
            ),
        )
        for wamid, attempt_id, outbox_id, state, newest in rows
    ]
    return {attempt.id: attempt for _, attempt in found}, {wamid: attempt for wamid, attempt in found if wamid}

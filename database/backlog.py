"""What waits and what failed in a data directory, read without owning it."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUSY_SECONDS = 5

_CHAT = """
SELECT (SELECT count(*) FROM inbox_events WHERE state = 'waiting') AS events_waiting,
       (SELECT min(received_at) FROM inbox_events WHERE state = 'waiting') AS oldest_event_at,
       (SELECT count(*) FROM inbox_events WHERE state = 'dead') AS dead_letters,
       (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')) AS queued,
       (SELECT min(due_at) FROM outbox WHERE state = 'queued') AS oldest_due_at,
       (SELECT count(*) FROM outbox WHERE state = 'unconfirmed') AS unconfirmed,
       (SELECT count(*) FROM outbox WHERE state = 'held' AND updated_at >= :since) AS held,
       (SELECT count(*) FROM outbox WHERE state = 'failed' AND updated_at >= :since) AS failed
"""
_KNOWLEDGE = """
SELECT count(*) FILTER (WHERE status NOT IN ('ready', 'failed')) AS documents_waiting,
       count(*) FILTER (WHERE status = 'failed') AS documents_failed
FROM documents WHERE deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class ChatBacklog:
    """Events not handled yet, dead letters, replies not delivered; times are epoch milliseconds, None for nothing.

    `held` and `failed` count what became so since the moment that was asked for.
    """

    events_waiting: int
    oldest_event_at: int | None
    dead_letters: int
    queued: int
    oldest_due_at: int | None
    unconfirmed: int
    held: int
    failed: int


@dataclass(frozen=True, slots=True)
class KnowledgeBacklog:
    """Documents that are still being read, and those that could not be."""

    documents_waiting: int
    documents_failed: int


def chat_backlog(path: Path, since: int) -> ChatBacklog | None:
    """Of concierge.db; None when it is not there or cannot be read. Blocking; safe beside a running owner."""
    row = _row(path, _CHAT, {"since": since})
    return ChatBacklog(**row) if row is not None else None


def knowledge_backlog(path: Path) -> KnowledgeBacklog | None:
    """Of knowledge.db; the same."""
    row = _row(path, _KNOWLEDGE, {})
    return KnowledgeBacklog(**row) if row is not None else None


def _row(path: Path, sql: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        try:
            connection.row_factory = sqlite3.Row
            return dict(connection.execute(sql, parameters).fetchone())
        finally:
            connection.close()
    except sqlite3.Error:
        return None  # what is wrong with the file itself, schema_report tells

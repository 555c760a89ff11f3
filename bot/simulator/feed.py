"""Tells whoever watches the chat page what changes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

QUEUE_LIMIT = 1000
QUIET_SECONDS = 15.0


class Feed:
    """Changes as JSON to any number of listeners; a listener that does not keep up is let go and may come again."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str | None]] = set()

    def tell(self, kind: str, change: dict[str, Any]) -> None:
        """Pass a change on; free of charge when nobody listens."""
        if not self._listeners:
            return
        text = as_event(kind, change)
        for listener in list(self._listeners):
            if listener.qsize() >= QUEUE_LIMIT:
                self._end(listener)
            else:
                listener.put_nowait(text)

    def close(self) -> None:
        """Let every listener go."""
        for listener in list(self._listeners):
            self._end(listener)

    @contextmanager
    def listening(self) -> Iterator[AsyncIterator[str]]:
        """Server-sent events from now on, with a comment now and then so that a dead line is noticed."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield _events(queue)
        finally:
            self._listeners.discard(queue)

    def _end(self, listener: asyncio.Queue[str | None]) -> None:
        self._listeners.discard(listener)
        listener.put_nowait(None)


def as_event(kind: str, change: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"event: {kind}\ndata: {json.dumps(change, separators=(',', ':'))}\n\n"


async def _events(queue: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    while True:
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                text = await queue.get()
        except TimeoutError:
            text = ": still here\n\n"
        if text is None:
            return
        yield text

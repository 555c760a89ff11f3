"""Tells who listens which documents of a business have changed: ids only, each once however often it changed."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager


class Listener:
    """One who listens to a business. What changed is kept until it is asked for; an id is kept once."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._filled = asyncio.Event()

    async def changed(self) -> set[str]:
        """The documents that changed since the last call, or since the beginning; waits for one."""
        await self._filled.wait()
        self._filled.clear()
        ids, self._ids = self._ids, set()
        return ids

    def tell(self, document_ids: Iterable[str]) -> None:
        """These have changed, or were deleted."""
        self._ids.update(document_ids)
        if self._ids:
            self._filled.set()


class DocumentNews:
    """Bounded by the documents of a business: a listener that is slow hears of each of them once."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)

    @asynccontextmanager
    async def listening(self, business_id: str) -> AsyncIterator[Listener]:
        """Hear of the business for the length of the block."""
        listener = Listener()
        self._listeners[business_id].add(listener)
        try:
            yield listener
        finally:
            self._listeners[business_id].discard(listener)
            if not self._listeners[business_id]:
                del self._listeners[business_id]

    def tell(self, business_id: str, document_ids: Iterable[str]) -> None:
        """These documents of the business have changed, or were deleted."""
        for listener in self._listeners.get(business_id, ()):
            listener.tell(document_ids)

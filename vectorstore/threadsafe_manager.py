"""The vector store for threads other than the event loop's."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from vectorstore.collection import Collection
from vectorstore.frames import Vectors

if TYPE_CHECKING:
    from vectorstore.chroma_manager import ChromaManager

T = TypeVar("T")


class ThreadsafeManager:
    """The manager for other threads: the same methods, blocking. Never call it on the manager's own loop."""

    def __init__(self, manager: "ChromaManager", loop: asyncio.AbstractEventLoop) -> None:
        self._manager = manager
        self._loop = loop

    def add(self, collection: Collection, ids: Sequence[str], vectors: Vectors) -> None:
        """As ChromaManager.add."""
        self._wait(self._manager.add(collection, ids, vectors))

    def query(self, collection: Collection, vector: Vectors, limit: int) -> list[tuple[str, float]]:
        """As ChromaManager.query."""
        return self._wait(self._manager.query(collection, vector, limit))

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        """As ChromaManager.delete."""
        self._wait(self._manager.delete(collection, ids))

    def ids(self, collection: Collection) -> set[str]:
        """As ChromaManager.ids."""
        return self._wait(self._manager.ids(collection))

    def count(self, collection: Collection) -> int:
        """As ChromaManager.count."""
        return self._wait(self._manager.count(collection))

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

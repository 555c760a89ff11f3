"""What ChromaManager needs of whatever holds the vectors: a child process of ours, or a server."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class StoreLink(Protocol):
    """One place that holds vectors. `call` is not concurrent: whoever owns this asks one thing at a time.

    Actions of a call, each with what it takes beside `collection`, and what comes back: `add` (embedder, ids,
    dimension; rows as body), `query` (limit, dimension; a row) → [[id, similarity], …], `delete` (ids), `ids` (offset)
    → a page, `vectors` (ids) → [[id, base64 of float32], …], `count`, `drop`, `replace` (by), `describe` → {embedder,
    dimension}; without a collection: `collections` → names, `reopen`.
    """

    starts: int

    @property
    def ready(self) -> bool:
        """Whether a call would be answered now."""
        ...

    @property
    def crash_looping(self) -> bool:
        """Whether what it holds is so broken that only `erase` helps."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why it cannot be reached, in a sentence for its owner; None while nothing is known against it."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process, when it is ours."""
        ...

    async def wait_ready(self) -> None:
        """Return once it is ready."""
        ...

    async def call(self, header: dict[str, Any], body: bytes, timeout_seconds: float) -> Any:
        """The answer. Raises StoreFaultError."""
        ...

    async def erase(self) -> None:
        """Throw away all that is ours."""
        ...

    def closed(self) -> AbstractAsyncContextManager[None]:
        """Nobody has its files open for the length of the block."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...

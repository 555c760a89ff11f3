"""The vector index as files that nobody has open, for a while: for snapshots."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from database.clock import Clock
from vectorstore.chroma_manager import ChromaManager, VectorStoreUnavailableError

PAUSE_SECONDS = 0.02


class IndexFiles:
    """The directory of an index of ours. `manager` is who has it open; None when nobody should."""

    def __init__(
        self, directory: Path, clock: Clock, manager: ChromaManager | None = None, *, patience_seconds: float = 30.0
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._manager = manager
        self._patience_seconds = patience_seconds

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[Path | None]:
        """The directory while no process has it open; None when there is none. Words alone answer meanwhile.

        Raises VectorStoreUnavailableError when a process does not let go of it.
        """
        async with AsyncExitStack() as stack:
            if self._manager is not None:
                await stack.enter_async_context(self._manager.closed())
            there = await asyncio.to_thread(self._directory.is_dir)
            if not there:
                yield None
                return
            # a child holds this lock as long as it lives, also one whose server was killed
            handle = await asyncio.to_thread(self._open_lock)
            stack.callback(os.close, handle)
            await self._wait_for(handle)
            yield self._directory

    async def _wait_for(self, handle: int) -> None:
        until = self._clock.monotonic() + self._patience_seconds
        while not _try_lock(handle):
            if self._clock.monotonic() >= until:
                raise VectorStoreUnavailableError("another process has the vector index open and does not let go of it")
            await self._clock.sleep(PAUSE_SECONDS)

    def _open_lock(self) -> int:
        # as vectorstore/chroma_child.py does
        path = self._directory.with_name(f"{self._directory.name}.lock")
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Keeps knowledge tidy in the background: sweeps what is over, takes it out of the files, heals missing embeddings."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from database.clock import Clock
from database.engine import Database
from services.document_sweep import DocumentSweep
from services.knowledge_ports import SearchIndex
from services.missing_vectors import MissingVectors

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 60.0
_HEAL_SECONDS = 300.0
# Scrubbing writes the word index of a business anew: not after every document.
_SCRUB_SECONDS = 300.0


class DocumentUpkeep:
    """`busy(document_id)` tells what the sweep leaves alone. `start` before, `drain` after."""

    def __init__(
        self,
        database: Database,
        index: SearchIndex,
        sweep: DocumentSweep,
        missing: MissingVectors,
        clock: Clock,
        busy: Callable[[str], bool],
    ) -> None:
        self._database = database
        self._index = index
        self._sweep = sweep
        self._missing = missing
        self._clock = clock
        self._busy = busy
        self._sweep_wanted = asyncio.Event()
        # An earlier run may have swept without scrubbing; where there is nothing to scrub it costs nothing.
        self._swept = True
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, with a sweep: an earlier run may have left something."""
        self._sweep_wanted.set()
        loops = {
            "document sweep": self._sweep_again_and_again(),
            "document sweep's bell": self._every(_SWEEP_SECONDS, self._ring),
            "scrubbing": self._every(_SCRUB_SECONDS, self._scrub_perhaps),
            "healing of embeddings": self._every(_HEAL_SECONDS, self._missing.heal),
        }
        self._tasks = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]

    async def drain(self, grace_seconds: float) -> None:
        """Stop; what was begun goes on at the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)

    def want_sweep(self) -> None:
        """Something may be over."""
        self._sweep_wanted.set()

    async def sweep(self) -> int:
        """Take away what deleted documents and versions that are over left; how many versions were cleared."""
        cleared = await self._sweep.run(self._busy)
        self._swept = self._swept or cleared > 0
        return cleared

    async def scrub(self) -> None:
        """Have what was swept gone from the files as well: words in lexical.db, texts in knowledge.db and its log."""
        self._swept = False
        await self._index.scrub()
        if not await self._database.scrub():
            self._swept = True  # a reader was in the way

    async def _sweep_again_and_again(self) -> None:
        while True:
            await self._sweep_wanted.wait()
            self._sweep_wanted.clear()
            await self._careful("the document sweep", self.sweep)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            await self._clock.sleep(seconds)
            await self._careful("upkeep of documents", work)

    async def _ring(self) -> None:
        self._sweep_wanted.set()

    async def _scrub_perhaps(self) -> None:
        if self._swept:
            await self.scrub()

    @staticmethod
    async def _careful(what: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - upkeep must not die; it is tried again
            logger.warning("%s failed and is tried again: %r", what, error)

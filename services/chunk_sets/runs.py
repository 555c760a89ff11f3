"""Exports and imports of chunk sets that run in this process, one at a time, and how they are."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from database.chunk_sets import stored_dimension
from database.clock import Clock
from database.engine import Database
from database.records import new_id
from services.chunk_sets.errors import ChunkSetError
from services.chunk_sets.exporting import ExportCount, Exporter, ExportOrder
from services.chunk_sets.importing import ImportCount, Importer, ImportOrder
from services.chunk_sets.manifest import SUFFIXES, SetFormat
from services.chunk_sets.rows import OurEmbedder
from services.ingestion import Ingestion
from services.knowledge_ports import Embedder
from services.object_stores import StoreAccess, StoreError, told
from services.snapshots.places import StoppedError, open_place

logger = logging.getLogger(__name__)

REMEMBERED = 20


class RunState(StrEnum):
    """An import with failures is `done`: its failures tell."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class SetRunningError(Exception):
    """Another one runs."""


@dataclass(frozen=True, slots=True)
class SetOptions:
    """`files_at_once` of an import; a file has at most `file_bytes`, and one that we write `file_chunks`.

    `stop_seconds`: how long the end waits for an export's store.
    """

    files_at_once: int = 4
    file_bytes: int = 512 * 1024 * 1024
    file_chunks: int = 5_000
    access: StoreAccess = field(default_factory=StoreAccess)
    program: str = ""
    stop_seconds: float = 5.0


@dataclass(slots=True)
class SetRun:
    """An export or an import, begun at `created_at`. `error` is why all of it failed, in a sentence."""

    id: str
    business_id: str
    place: str
    created_at: int
    exported: ExportCount | None = None
    imported: ImportCount | None = None
    error: str | None = None
    seconds: float = 0.0
    state: RunState = RunState.RUNNING


class ChunkSets:
    """`folder` is ours alone: what a run keeps there is gone when it ends, or at the next start."""

    def __init__(
        self,
        database: Database,
        ingestion: Ingestion,
        embedder: Embedder,
        clock: Clock,
        folder: Path,
        options: SetOptions,
    ) -> None:
        self._database = database
        self._ingestion = ingestion
        self._embedder = embedder
        self._clock = clock
        self._folder = folder
        self._options = options
        self._known: dict[str, SetRun] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ChunkSets"]:
        """For the length of the block; what runs at its end is stopped."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            yield self
        finally:
            self._stopping = True
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def export(self, business_id: str, business: str, to: str, kind: SetFormat) -> SetRun:
        """Begin to write what answers for a business. Raises SetRunningError, StoreError for a bad address."""
        place = open_place(to, self._options.access)
        run = self._new(business_id, place.shown)
        options = self._options
        order = ExportOrder(business_id, business, kind, options.file_chunks, options.program, options.stop_seconds)

        async def work(folder: Path) -> None:
            exporter = Exporter(self._database, self._clock, place, order, await self._ours(), folder)
            run.exported = exporter.count
            await exporter.run(lambda: self._stopping)

        run.exported = ExportCount()
        return self._begin(run, work)

    def import_(self, business_id: str, source: str) -> SetRun:
        """Begin to take a set in, or one file of it. Raises SetRunningError, StoreError for a bad address."""
        folder, _, name = source.rstrip("/").rpartition("/")
        single = name.endswith(SUFFIXES)
        place = open_place(
            (folder or ("/" if source.startswith("/") else ".")) if single else source, self._options.access
        )
        run = self._new(business_id, source)
        options = self._options
        order = ImportOrder(business_id, place, name if single else None, options.files_at_once, options.file_bytes)

        async def work(folder: Path) -> None:
            importer = Importer(self._ingestion, self._clock, order, await self._ours(), folder)
            run.imported = importer.count
            await importer.run()

        run.imported = ImportCount()
        return self._begin(run, work)

    def get(self, business_id: str, run_id: str) -> SetRun | None:
        """One of this process, when it is this business's."""
        run = self._known.get(run_id)
        return run if run is not None and run.business_id == business_id else None

    async def wait(self) -> None:
        """Until nothing runs."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def _new(self, business_id: str, place: str) -> SetRun:
        if self._task is not None and not self._task.done():
            raise SetRunningError
        return SetRun(new_id(), business_id, place, self._clock.now())

    def _begin(self, run: SetRun, work: Callable[[Path], Awaitable[None]]) -> SetRun:
        self._known[run.id] = run
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        self._task = asyncio.create_task(self._run(run, work), name=f"chunk set {run.id}")
        return run

    async def _run(self, run: SetRun, work: Callable[[Path], Awaitable[None]]) -> None:
        began = self._clock.monotonic()
        folder = self._folder / run.id
        try:
            await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True)
            await work(folder)
        except asyncio.CancelledError:
            run.error = "The server stopped meanwhile. Begin again: what is done is not done twice."
            raise
        except Exception as error:  # noqa: BLE001 - the edge: a run that fails is told, and nothing else stops
            run.error = _why(error, run.place)
            logger.warning("chunk set %s failed: %s", run.id, run.error)
        finally:
            run.seconds = self._clock.monotonic() - began
            run.state = RunState.DONE if run.error is None else RunState.FAILED
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _ours(self) -> OurEmbedder:
        """Who answers, and how many numbers it makes: of what is stored, or of a word that it embeds now."""
        name = self._embedder.name
        dimension = await self._database.read(stored_dimension(name))
        if dimension is None:
            dimension = int((await self._embedder.embed(["dimension"])).shape[1])
        return OurEmbedder(name, dimension)


def _why(error: Exception, place: str) -> str:
    if isinstance(error, ChunkSetError | StoreError):
        return str(error)
    if isinstance(error, StoppedError):
        return "The server stopped meanwhile."
    return str(told(error, place)) if isinstance(error, OSError) else f"It failed ({type(error).__name__})."

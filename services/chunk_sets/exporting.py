"""Writes what answers for one business now, with its embeddings, as a chunk set: files of bounded size."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from database.chunk_sets import LiveDocument, StoredChunk, live_documents, stored_chunks
from database.clock import Clock
from database.engine import Database
from database.records import new_id
from services.chunk_sets.errors import ChunkSetError
from services.chunk_sets.manifest import (
    MANIFEST,
    Manifest,
    SetFile,
    SetFormat,
    file_name,
    own_mark,
    read_manifest,
    sha256_of,
)
from services.chunk_sets.rows import OurEmbedder
from services.chunk_sets.writing import Origin, SetWriter, open_writer
from services.object_stores import StoreError
from services.snapshots.places import Place, Sign, StoppedError

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAGE = 200
SLICE_CHUNKS = 256


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """Whose chunks, named `business` in the manifest, and in which form; `file_chunks` are the most of one file.

    `stop_seconds`: how long an export that is cut off waits for a store that is silent, to take its files away again.
    """

    business_id: str
    business: str
    kind: SetFormat
    file_chunks: int
    program: str
    stop_seconds: float = 5.0


@dataclass(slots=True)
class ExportCount:
    """How far it is."""

    documents: int = 0
    chunks: int = 0
    files: list[SetFile] = field(default_factory=list)


class Exporter:
    """For one export; `folder`, which is there and empty, holds the file that is being written."""

    def __init__(
        self, database: Database, clock: Clock, place: Place, order: ExportOrder, ours: OurEmbedder, folder: Path
    ) -> None:
        self._database = database
        self._clock = clock
        self._place = place
        self._order = order
        self._ours = ours
        self._folder = folder
        self._mark = new_id()[-12:]
        self._writer: SetWriter | None = None
        self._in_file = 0
        # Threads of its own: the event loop waits at its end for those that all share, and a store may be silent.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="chunk-set export")
        # A thread goes on when who waits for it is cancelled: it is waited for, and none begins after that.
        self._putting = threading.Lock()
        self._ended = False
        self._complete = False
        self.count = ExportCount()

    async def run(self, stopped: Sign) -> Manifest:
        """All of it. Raises ChunkSetError, StoreError, OSError; the set that was there before stays then."""
        try:
            before = await self._threaded(self._before)
            try:
                manifest = await self._write_all(stopped)
            except BaseException:
                await self._take_back()
                raise
            if before is not None:
                await self._threaded(partial(self._place.remove, [each.path for each in before.files]))
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)
        return manifest

    async def _threaded(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _take_back(self) -> None:
        """Take away what is there, also of the file that was being put; a second cancellation does not leave it.

        A store that is silent meanwhile keeps what it has: of a set without its manifest nothing is taken in.
        """
        self._ended = True
        removing = asyncio.ensure_future(self._threaded(self._remove_own))
        loop = asyncio.get_running_loop()
        end = loop.time() + self._order.stop_seconds
        while not removing.done() and (left := end - loop.time()) > 0:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({removing}, timeout=left)
        if not removing.done():
            logger.warning("a chunk set's store does not answer: it is not waited for")
            removing.cancel()

    def _remove_own(self) -> None:
        with self._putting, contextlib.suppress(StoreError):
            if not self._complete:
                ours = [each.path for each in self._place.list("") if own_mark(each.path) == self._mark]
                self._place.remove(ours)

    async def _write_all(self, stopped: Sign) -> Manifest:
        async for document in self._documents():
            if self._in_file and self._in_file + document.chunks > self._order.file_chunks:
                await self._end_file(stopped)
            self.count.documents += await self._add(document, stopped)
        await self._end_file(stopped)
        manifest = self._manifest()
        await self._threaded(partial(self._put_manifest, manifest.model_dump_json(indent=2).encode(), stopped))
        return manifest

    def _put_manifest(self, content: bytes, stopped: Sign) -> None:
        with self._putting:
            self._still_going()
            self._place.put(MANIFEST, content, stopped)
            self._complete = True

    def _still_going(self) -> None:
        if self._ended:
            raise StoppedError

    def _before(self) -> Manifest | None:
        found = read_manifest(self._place, self._place.list(""))
        if found is not None and found.business != self._order.business:
            raise ChunkSetError(
                f"{self._place.shown} holds the chunks of business {found.business}. Take another place."
            )
        return found

    async def _documents(self) -> AsyncIterator[LiveDocument]:
        after = ""
        while page := await self._database.read(live_documents(self._order.business_id, after, PAGE)):
            for document in page:
                yield document
            after = page[-1].id

    async def _add(self, document: LiveDocument, stopped: Sign) -> bool:
        """False when it has gone before its first chunk was read: then it is no part of the set."""
        after, found = -1, 0
        origin = Origin(document, self._ours.name, self._ours.dimension)
        while chunks := await self._database.read(
            stored_chunks(document.version_id, self._ours.name, after, self._slice())
        ):
            await self._threaded(partial(self._write, origin, chunks))
            after, found = chunks[-1].ordinal, found + len(chunks)
            if self._in_file >= self._order.file_chunks:
                await self._end_file(stopped)
        if not found and document.chunks:
            return False
        if found != document.chunks:
            raise ChunkSetError(f"{document.filename} changed while it was exported. Export again.")
        return True

    def _slice(self) -> int:
        return max(1, min(SLICE_CHUNKS, self._order.file_chunks - self._in_file))

    def _path(self) -> Path:
        return self._folder / file_name(self._mark, len(self.count.files) + 1, self._order.kind)

    def _write(self, origin: Origin, chunks: list[StoredChunk]) -> None:
        if self._writer is None:
            self._writer = open_writer(self._path(), self._order.kind, self._ours.dimension)
        self._writer.add(origin, chunks)
        self._in_file += len(chunks)
        self.count.chunks += len(chunks)

    async def _end_file(self, stopped: Sign) -> None:
        if self._writer is not None:
            self.count.files.append(await self._threaded(partial(self._put, self._writer, stopped)))
            self._writer, self._in_file = None, 0

    def _put(self, writer: SetWriter, stopped: Sign) -> SetFile:
        with self._putting:
            self._still_going()
            writer.close()
            path = self._path()
            written = SetFile(path=path.name, bytes=path.stat().st_size, sha256=sha256_of(path), chunks=self._in_file)
            self._place.put(path.name, path, stopped)
            path.unlink()
            return written

    def _manifest(self) -> Manifest:
        return Manifest(
            concierge=self._order.program,
            business=self._order.business,
            created_at=datetime.fromtimestamp(self._clock.now() / 1000, UTC).isoformat(timespec="seconds"),
            embedder=self._ours.name,
            dimension=self._ours.dimension,
            documents=self.count.documents,
            chunks=self.count.chunks,
            files=self.count.files,
        )

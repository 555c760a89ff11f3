"""Takes a chunk set in: each file checked and tried again by itself, the good ones merged into documents."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from database.clock import Clock
from database.records import Document, DocumentStatus
from services.chunk_files import SOURCE
from services.chunk_sets.errors import BrokenFileError, ChunkSetError
from services.chunk_sets.manifest import MANIFEST, SUFFIXES, Manifest, SetFile, own_mark, read_manifest, sha256_of
from services.chunk_sets.rows import OurEmbedder
from services.chunk_sets.staging import StagedDocument, StagedFile, merged, pieces, stage, without_repeats
from services.ingestion import Ingestion
from services.object_stores import StoreError
from services.snapshots.places import Place, StoppedError, Stored

logger = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.5
# documents that are made at once: each is synced to the disk
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Failure:
    """A file of the set, or a document that is made of several, and why it was left out."""

    file: str
    reason: str


@dataclass(slots=True)
class ImportCount:
    """How far an import is. `chunks` are in `documents`; `unchanged` of those had the same content already.

    `repeated` rows were in several files; `embedded_anew` had no embedding of our embedder.
    """

    files: int = 0
    files_done: int = 0
    documents: int = 0
    documents_done: int = 0
    unchanged: int = 0
    chunks: int = 0
    repeated: int = 0
    embedded_anew: int = 0
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """For which business, from where; `only` is the one file that is meant. A file has at most `file_bytes`."""

    business_id: str
    place: Place
    only: str | None
    files_at_once: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file of the set; `stored` is None when the manifest names it and it is not there."""

    name: str
    stored: Stored | None
    named: SetFile | None


class Importer:
    """For one import; `folder`, which is there and empty, holds what was fetched until it is taken in."""

    def __init__(self, ingestion: Ingestion, clock: Clock, order: ImportOrder, ours: OurEmbedder, folder: Path) -> None:
        self._ingestion = ingestion
        self._clock = clock
        self._order = order
        self._ours = ours
        self._folder = folder
        self._threads = ThreadPoolExecutor(order.files_at_once, thread_name_prefix="chunk-set")
        self._making = asyncio.Semaphore(AT_ONCE)
        # a thread goes on when who waits for it is cancelled, until it sees this
        self._ended = threading.Event()
        self.count = ImportCount()

    async def run(self) -> None:
        """All of it; what failed is in `count`. Raises ChunkSetError, StoreError when nothing could be looked at."""
        try:
            manifest, wanted = await asyncio.get_running_loop().run_in_executor(self._threads, self._look)
            self.count.files = len(wanted)
            embedder = manifest.embedder if manifest else None
            room = asyncio.Semaphore(self._order.files_at_once)
            staged = await _all(self._take_file(number, file, embedder, room) for number, file in enumerate(wanted))
            documents = await asyncio.to_thread(merged, staged)
            self.count.documents = len(documents)
            taken = await _all(self._take_document(document, wanted) for document in documents)
        finally:
            self._ended.set()
            self._threads.shutdown(wait=False, cancel_futures=True)
        await self._follow([document for document in taken if document is not None])

    def _look(self) -> tuple[Manifest | None, list[_Wanted]]:
        found = self._order.place.list("")
        if self._order.only is not None:
            there = [each for each in found if each.path == self._order.only]
            wanted, manifest = [_Wanted(each.path, each, None) for each in there], None
        else:
            manifest = read_manifest(self._order.place, found)
            wanted = _named(manifest, found) if manifest else _unnamed(found)
        if not wanted and manifest is None:
            raise ChunkSetError(
                f"There is no chunk set at {self._order.place.shown}: no {MANIFEST}, no {', no '.join(SUFFIXES)} file."
            )
        return manifest, wanted

    async def _take_file(
        self, number: int, file: _Wanted, embedder: str | None, room: asyncio.Semaphore
    ) -> StagedFile | None:
        async with room:
            try:
                return await self._tried(number, file, embedder)
            except (BrokenFileError, StoreError) as error:
                self._failed(file.name, str(error))
            except FileNotFoundError:
                self._failed(file.name, "it is not there any more")
            except Exception as error:
                # the edge: whatever is odd about one file, the others are taken in
                logger.warning("a file of a chunk set could not be read", exc_info=True)
                self._failed(file.name, f"it could not be read ({type(error).__name__})")
            finally:
                self.count.files_done += 1
        return None

    async def _tried(self, number: int, file: _Wanted, embedder: str | None) -> StagedFile:
        """Fetch and check a file; what a store did is tried again, what is wrong with the file is not."""
        loop = asyncio.get_running_loop()
        source = self._folder / f"{number}.fetched"
        for attempt in range(ATTEMPTS):
            try:
                await loop.run_in_executor(self._threads, self._fetch, file, source)
                break
            except StoreError as error:
                if attempt == ATTEMPTS - 1:
                    raise
                logger.info("%s is fetched again: %s", file.name, error)
                await self._clock.sleep(FIRST_PAUSE_SECONDS * 2.0**attempt)
        target = self._staged(number)
        try:
            return await loop.run_in_executor(
                self._threads, stage, source, file.name, number, target, self._ours, embedder, self._ended.is_set
            )
        finally:
            await asyncio.to_thread(source.unlink)

    def _fetch(self, file: _Wanted, target: Path) -> None:
        if file.stored is None:
            raise BrokenFileError(f"{MANIFEST} names it, and it is not there")
        most, written = self._order.file_bytes, 0
        with target.open("wb") as copy:
            for piece in self._order.place.read(file.stored):
                if self._ended.is_set():
                    raise StoppedError
                written += len(piece)
                if written > most:
                    raise BrokenFileError(f"it is larger than {most // 1024**2:,} MB (CONCIERGE_CHUNK_SET_FILE_MB)")
                copy.write(piece)
        if file.named is not None and sha256_of(target) != file.named.sha256:
            raise BrokenFileError(f"its content is not what {MANIFEST} says: it is damaged, or was changed")

    async def _take_document(self, document: StagedDocument, wanted: list[_Wanted]) -> Document | None:
        async with self._making:
            try:
                return await self._made(document)
            except BrokenFileError as error:
                reason = str(error)
            except Exception as error:
                # the edge: whatever is odd about one document, the others are taken in
                logger.warning("a document of a chunk set could not be made", exc_info=True)
                reason = f"it could not be taken in ({type(error).__name__})"
            files = sorted({entry.file for entry in document.entries})
            self._failed(f"{wanted[files[-1]].name} ({document.filename})", reason)
            self.count.documents -= 1
            return None

    async def _made(self, document: StagedDocument) -> Document:
        self.count.repeated += await asyncio.to_thread(without_repeats, document)
        have = len(document.entries)
        if document.of is not None and have != document.of:
            raise BrokenFileError(f"the document has {document.of:,} chunks, and {have:,} of them are in good files")
        received = await self._ingestion.receive(self._order.business_id, self._pieces(document))
        taken = await self._ingestion.take(
            self._order.business_id, document.filename, received, source=SOURCE, tags=document.tags
        )
        self.count.chunks += have
        self.count.embedded_anew += sum(not entry.embedded for entry in document.entries)
        self.count.unchanged += taken.status is DocumentStatus.READY
        return taken

    async def _pieces(self, document: StagedDocument) -> AsyncIterator[bytes]:
        made = pieces(document, self._staged)
        while piece := await asyncio.to_thread(next, made, b""):
            yield piece

    def _staged(self, number: int) -> Path:
        return self._folder / f"{number}.staged"

    async def _follow(self, taken: list[Document]) -> None:
        for document in taken:
            known = document
            if document.status is not DocumentStatus.FAILED:
                await self._ingestion.wait_until_done([document.id])
                known = await self._ingestion.get(document.business_id, document.id) or document
            self.count.documents_done += 1
            if known.status is DocumentStatus.FAILED:
                self._failed(known.filename, known.error_message or "it could not be taken in")

    def _failed(self, file: str, reason: str) -> None:
        logger.warning("a file of a chunk set was left out: %s", reason)
        self.count.failures.append(Failure(file, reason))


async def _all(works: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """What they return, in their order; when one fails, none goes on behind the back of who waits."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
    return [task.result() for task in tasks]


def _named(manifest: Manifest, found: list[Stored]) -> list[_Wanted]:
    there = {each.path: each for each in found}
    return [_Wanted(each.path, there.get(each.path), each) for each in manifest.files]


def _unnamed(found: list[Stored]) -> list[_Wanted]:
    files = sorted((each for each in found if each.path.endswith(SUFFIXES)), key=lambda each: each.path)
    if any(own_mark(each.path) for each in files):
        raise ChunkSetError(f"{MANIFEST} is missing: this is a part of a chunk set. Export it again, or name one file.")
    return [_Wanted(each.path, each, None) for each in files]

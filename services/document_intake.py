"""Takes files in: written and synced before a row speaks of them, then a version of a new or an old document."""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TypeVar

from database.clock import Clock
from database.document_arrivals import Arrival, DocumentGoneError, Quota, Taken, TooManyDocumentsError, take_in
from database.document_versions import StoredVersion, stored_version, withdraw
from database.engine import Database
from database.records import Document, DocumentStatus, new_id
from services.document_errors import EMPTY, NO_SPACE, NOT_STORED, UnreadableDocumentError
from services.document_files import DocumentFiles, ReceivedFile, StoredFile
from services.storage_quota import StorageQuota
from services.version_errors import (
    BROKE_OFF,
    DELETED,
    VersionGoneError,
    too_many_documents,
    too_much_storage,
    version_gone,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """For a file, and for all of a business."""

    max_file_bytes: int
    max_documents: int
    max_storage_bytes: int


class DocumentIntake:
    """What comes back is on disk, file and row, or has failed with a sentence.

    `on_queued(business_id, document_id)` is called when an earlier version has its turn again, for the upload that
    had overtaken it broke off.
    """

    def __init__(
        self,
        database: Database,
        files: DocumentFiles,
        clock: Clock,
        limits: IntakeLimits,
        on_queued: Callable[[str, str], None],
    ) -> None:
        self._on_queued = on_queued
        self._database = database
        self._files = files
        self._clock = clock
        self._limits = limits
        self._storage = StorageQuota(database, limits.max_storage_bytes)
        self._quota = Quota(
            *(limits.max_documents, limits.max_storage_bytes),
            *(too_many_documents(limits.max_documents), too_much_storage(limits.max_storage_bytes)),
        )

    async def receive(self, business_id: str, content: AsyncIterator[bytes]) -> ReceivedFile:
        """Store `content` as a file that nothing speaks of yet. Raises what `content` raises; nothing is kept then."""
        version_id = new_id()
        refusal: str | None = "broke off"
        try:
            stored, refusal = await self._stored(version_id, self._storage.watched(business_id, version_id, content))
        finally:
            if refusal is not None:
                self._storage.settled(version_id)
        return ReceivedFile(version_id, stored.sha256, stored.bytes, refusal)

    async def forget(self, received: ReceivedFile) -> None:
        """Take a received file away that became nobody's."""
        self._storage.settled(received.id)
        await self._files.remove(received.id)

    async def take(self, arrival: Arrival, received: ReceivedFile, *, repeatable: bool = False) -> Taken:
        """Store the arrival's version, of a received file, which is kept or taken away by then.

        Raises sqlite3.Error when not even a row can be stored, and DocumentGoneError for a document that must exist
        and does not; the file is taken away then.
        `repeatable`: also when the caller is cancelled, for the call will be repeated and must find what it did.
        """
        version = StoredVersion(received.id, received.sha256, received.bytes)
        remembering = self._remember(replace(arrival, version=version, refusal=received.refusal))
        return await (to_the_end(remembering) if repeatable else remembering)

    async def take_again(self, arrival: Arrival, number: int) -> Taken:
        """The file of the document's version `number` as a new version. Raises VersionGoneError, DocumentGoneError."""
        kept = await self._database.read(stored_version(arrival.business_id, arrival.document_id, number))
        if kept is None or not kept.sha256 or not await self._files.link(kept.id, arrival.version.id):
            raise VersionGoneError(version_gone(number))
        version = StoredVersion(arrival.version.id, kept.sha256, kept.bytes)
        return await self._remember(replace(arrival, version=version, filename=kept.filename, origin=number))

    async def _stored(self, version_id: str, chunks: AsyncIterator[bytes]) -> tuple[StoredFile, str | None]:
        """The stored file and None, or why it was refused. An empty one is not kept."""
        counted = _Counted(chunks)
        try:
            stored = await self._files.store(version_id, counted.pieces(), self._limits.max_file_bytes)
        except UnreadableDocumentError as error:
            return StoredFile(counted.bytes, ""), str(error)
        except OSError as error:
            if counted.failed:
                raise
            logger.warning("an upload of %d bytes could not be stored: %s", counted.bytes, error)
            return StoredFile(counted.bytes, ""), NO_SPACE if error.errno in _NO_ROOM else NOT_STORED
        if stored.bytes == 0:
            await self._files.remove(version_id)
            return stored, EMPTY
        return stored, None

    async def _remember(self, arrival: Arrival) -> Taken:
        try:
            taken = await self._database.write(take_in(arrival, self._quota, self._clock.now()))
        except TooManyDocumentsError as error:
            await self._files.remove(arrival.version.id)
            return Taken(self._refused(arrival, str(error)), stored=False)
        except DocumentGoneError:
            await self._files.remove(arrival.version.id)
            if arrival.must_exist:
                raise
            return Taken(self._refused(arrival, DELETED), stored=False)
        except BaseException:
            # The row may be there all the same: who asked for it is gone, or does not know of it.
            await asyncio.shield(self._take_back(arrival))
            raise
        finally:
            self._storage.settled(arrival.version.id)
        if not taken.stored:
            await self._files.remove(arrival.version.id)
        return taken

    def _refused(self, arrival: Arrival, sentence: str) -> Document:
        now = self._clock.now()
        return Document(
            *(arrival.document_id, arrival.business_id, arrival.filename),
            status=DocumentStatus.FAILED,
            progress=0.0,
            is_processed=False,
            chunks_count=0,
            error_message=sentence,
            version=1,
            bytes=arrival.version.bytes,
            created_at=now,
            updated_at=now,
            source=arrival.source,
            tags=arrival.tags,
        )

    async def _take_back(self, arrival: Arrival) -> None:
        try:
            queued = await self._database.write(withdraw(arrival.version.id, BROKE_OFF, self._clock.now()))
            if queued is not None:
                self._on_queued(arrival.business_id, queued)
        except Exception as error:  # noqa: BLE001 - the first error is the one to tell; the next start tidies up
            logger.warning("an upload that failed could not be taken back: %r", error)
        finally:
            await self._files.remove(arrival.version.id)


class _Counted:
    """An upload's content, with how much came and whether its source failed."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self.bytes = 0
        self.failed = False

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._content:
                self.bytes += len(piece)
                yield piece
        except Exception:
            self.failed = True
            raise


async def to_the_end(work: Coroutine[object, object, T]) -> T:
    """Also when the caller is cancelled meanwhile: the call will be repeated, and must find what this one did."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise

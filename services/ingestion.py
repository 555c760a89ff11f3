"""Documents: taken in durably, worked on in the background, listed, changed by versions, deleted.

An upload is on disk (file and row, both synced) when `accept` returns. The live version of a document answers until
another one is complete; what happens in between is document_work.py.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import dataclass

from database.clock import Clock
from database.document_arrivals import Arrival, DocumentGoneError, Taken
from database.document_leftovers import all_version_ids
from database.document_versions import (
    StoredVersion,
    discard,
    missing_of_held,
    publish,
    stored_version,
    try_again,
    versions,
)
from database.documents import delete_document, document, documents, set_tags, unfinished_among
from database.metrics import Metrics
from database.records import Document, DocumentStatus, VersionView, new_id
from services.document_files import ReceivedFile, safe_filename
from services.document_intake import DocumentIntake, IntakeLimits, to_the_end
from services.document_news import DocumentNews
from services.document_pipeline import Knowledge
from services.document_sweep import DocumentSweep
from services.document_tags import tidy_tags
from services.document_upkeep import DocumentUpkeep
from services.document_work import DocumentWork, WorkOptions
from services.missing_vectors import MissingVectors
from services.version_errors import (
    NEVER_PUBLISHED,
    NO_FILE,
    NO_PAGE,
    NOT_FAILED,
    NOTHING_HELD,
    NotFailedError,
    NothingHeldError,
    VersionGoneError,
)

__all__ = ["Ingestion", "IngestionOptions", "to_the_end"]

logger = logging.getLogger(__name__)

# of these a name that there is already means that document
NAMED_SOURCES = frozenset({"upload", "import"})
_TIME_DIGITS = 16
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class IngestionOptions:
    """What one upload and one business may cost; the rest as in WorkOptions.

    `keep_versions`: how many of a document's versions stay for a roll-back, the newest included.
    """

    max_file_bytes: int = 100 * _MEGABYTE
    max_documents: int = 10_000
    max_storage_bytes: int = 10_240 * _MEGABYTE
    max_chunks: int = 200_000
    keep_versions: int = 3
    workers: int = 2
    attempts: int = 3
    retries: int = 18
    hold_share: float = 0.0

    def limits(self) -> IntakeLimits:
        """For the intake."""
        return IntakeLimits(self.max_file_bytes, self.max_documents, self.max_storage_bytes)

    def work(self) -> WorkOptions:
        """For the work."""
        return WorkOptions(
            workers=self.workers,
            attempts=self.attempts,
            retries=self.retries,
            max_chunks=self.max_chunks,
            hold_share=self.hold_share,
        )


class Ingestion:
    """`start` before anything else, `drain` at the end; the rest may be called by many at once.

    `news` tells who listens which documents have changed; `upkeep` tidies up.
    """

    def __init__(self, knowledge: Knowledge, clock: Clock, metrics: Metrics, options: IngestionOptions) -> None:
        self.news = DocumentNews()
        self._database = knowledge.database
        self._files = knowledge.files
        self._parser = knowledge.parser
        self._embedder = knowledge.embedder
        self._clock = clock
        self._intake = DocumentIntake(knowledge.database, knowledge.files, clock, options.limits(), self._queue)
        self._work = DocumentWork(
            *(knowledge, clock, metrics, self.news, options.work()), self._tell_ended, self._want_sweep
        )
        sweep = DocumentSweep(knowledge.database, knowledge.index, knowledge.files, clock, options.keep_versions)
        self._missing = MissingVectors(knowledge.database, knowledge.index, knowledge.embedder, self.news)
        self.upkeep = DocumentUpkeep(
            knowledge.database, knowledge.index, sweep, self._missing, clock, self._work.in_hand
        )
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        """Take up what an earlier run left, and begin to work."""
        await self._files.prepare(await self._database.read(all_version_ids()))
        await self._work.start()
        self.upkeep.start()

    async def drain(self, grace_seconds: float) -> None:
        """Stop within the time. Documents that are under way keep what is done and go on at the next start."""
        await self.upkeep.drain(grace_seconds)
        await self._work.drain(grace_seconds)
        await self._parser.close()

    async def receive(self, business_id: str, chunks: AsyncIterator[bytes]) -> ReceivedFile:
        """Store a file that no document has yet: for `take`, `take_version` or `forget`.

        Beyond the size limit or the business's quota the rest of `chunks` is left unread. Raises what `chunks` raises;
        nothing is kept then.
        A start takes away what was received and no more.
        """
        return await self._intake.receive(business_id, chunks)

    async def forget(self, received: ReceivedFile) -> None:
        """Take a received file away."""
        await self._intake.forget(received)

    async def take(
        self,
        business_id: str,
        filename: str,
        received: ReceivedFile,
        *,
        document_id: str | None = None,
        source: str = "upload",
        tags: Sequence[str] = (),
        hold: bool = False,
    ) -> Document:
        """Queue a received file. A file that cannot be taken comes back as a document that has failed.

        An upload of a name that there is becomes a new version of that document; the content that it has already
        changes nothing. With a `document_id` it is never matched by name. Raises ValueError for `tags`, and
        sqlite3.Error when not even a row can be stored; the file is gone then.
        """
        arrival = Arrival(
            document_id or new_id(),
            business_id,
            safe_filename(filename),
            _new_version(),
            source=source,
            tags=tidy_tags(tags),
            hold=hold,
            by_name=document_id is None and source in NAMED_SOURCES,
        )
        return await self._taken(await self._intake.take(arrival, received, repeatable=document_id is not None))

    async def take_version(
        self,
        business_id: str,
        document_id: str,
        received: ReceivedFile,
        *,
        filename: str | None = None,
        hold: bool = False,
    ) -> Document | None:
        """A received file as a new version of this document; None when this business has no such document."""
        known = await self.get(business_id, document_id)
        if known is None:
            return None
        name = safe_filename(filename) if filename else known.filename
        arrival = Arrival(
            *(document_id, business_id, name, _new_version()), source=known.source, hold=hold, must_exist=True
        )
        return await self._taken_perhaps(self._intake.take(arrival, received))

    async def accept(
        self,
        business_id: str,
        filename: str,
        chunks: AsyncIterator[bytes],
        *,
        document_id: str | None = None,
        source: str = "upload",
        tags: Sequence[str] = (),
        hold: bool = False,
    ) -> Document:
        """`receive` and `take` in one.

        Whoever gives a `document_id` may repeat the call, also after a crash or a cancellation: a document that is
        there already is returned, and `chunks` left unread.
        """
        tidy = tidy_tags(tags)
        known = await self.get(business_id, document_id) if document_id else None
        if known is not None:
            return known
        received = await self.receive(business_id, chunks)
        return await self.take(
            business_id, filename, received, document_id=document_id, source=source, tags=tidy, hold=hold
        )

    async def replace(
        self,
        business_id: str,
        document_id: str,
        chunks: AsyncIterator[bytes],
        *,
        filename: str | None = None,
        hold: bool = False,
    ) -> Document | None:
        """`receive` and `take_version` in one."""
        if await self.get(business_id, document_id) is None:
            return None
        received = await self.receive(business_id, chunks)
        taken = await self.take_version(business_id, document_id, received, filename=filename, hold=hold)
        if taken is None:
            await self.forget(received)
        return taken

    async def versions(self, business_id: str, document_id: str) -> list[VersionView] | None:
        """The versions that are kept, the newest first; None when this business has no such document."""
        return await self._database.read(versions(business_id, document_id))

    async def roll_back(self, business_id: str, document_id: str, number: int) -> Document | None:
        """A new version with the content of version `number`; what is embedded of it is not embedded again.

        None when this business has no such document. Raises VersionGoneError.
        """
        known = await self.get(business_id, document_id)
        if known is None:
            return None
        arrival = Arrival(
            *(document_id, business_id, known.filename, _new_version()), source=known.source, must_exist=True
        )
        return await self._taken_perhaps(self._intake.take_again(arrival, number))

    async def publish(self, business_id: str, document_id: str) -> Document | None:
        """Make the held version live, in one unit. None without such a document; raises NothingHeldError."""
        missing = await self._database.read(missing_of_held(business_id, document_id, self._embedder.name))
        unit = publish(business_id, document_id, missing or 0, self._clock.now())
        return await self._decided(business_id, document_id, await self._database.write(unit))

    async def discard(self, business_id: str, document_id: str) -> Document | None:
        """Drop the held version; the live one stays. None without such a document; raises NothingHeldError."""
        unit = discard(business_id, document_id, NEVER_PUBLISHED, self._clock.now())
        return await self._decided(business_id, document_id, await self._database.write(unit))

    async def retry(self, business_id: str, document_id: str) -> Document | None:
        """Try a version that failed again. None without such a document.

        Raises NotFailedError, and VersionGoneError when the file itself was not taken.
        """
        known = await self.get(business_id, document_id)
        if known is None:
            return None
        if known.status is not DocumentStatus.FAILED:
            raise NotFailedError(NOT_FAILED)
        version = await self._database.read(stored_version(business_id, document_id, known.version))
        if version is None or not version.sha256 or not await self._files.has(version.id):
            raise VersionGoneError(NO_PAGE if known.source == "web" else NO_FILE)
        if not await self._database.write(try_again(business_id, document_id, self._clock.now())):
            raise NotFailedError(NOT_FAILED)
        self._work.put(business_id, document_id)
        self.news.tell(business_id, [document_id])
        return await self.get(business_id, document_id)

    async def set_tags(self, business_id: str, document_id: str, tags: Sequence[str]) -> Document | None:
        """Give a document these tags and no others. None without such a document; ValueError for bad tags."""
        tidy = tidy_tags(tags)
        if not await self._database.write(set_tags(business_id, document_id, tidy, self._clock.now())):
            return None
        self.news.tell(business_id, [document_id])
        return await self.get(business_id, document_id)

    async def get(self, business_id: str, document_id: str) -> Document | None:
        """The document, when it is this business's and not deleted."""
        return await self._database.read(document(business_id, document_id))

    async def list(
        self, business_id: str, limit: int, cursor: str | None, *, source: str | None = None, tag: str | None = None
    ) -> tuple[list[Document], str | None]:
        """A page of documents, the newest first, and the cursor of the next. Raises ValueError for a bad cursor."""
        before = _position(cursor) if cursor else None
        found = await self._database.read(documents(business_id, limit + 1, before, source=source, tag=tag))
        if len(found) <= limit:
            return found, None
        return found[:limit], f"{found[limit - 1].created_at}.{found[limit - 1].id}"

    async def delete(self, business_id: str, document_id: str) -> bool:
        """No search finds the document from now on; what it leaves is swept up later. False when there is none."""
        deleted = await self._database.write(delete_document(business_id, document_id, self._clock.now()))
        if deleted:
            await self._stop(business_id, document_id)
        return deleted

    async def wait_until_done(self, document_ids: Iterable[str]) -> None:
        """Return when each of the documents is ready, failed or deleted. Needs `start`."""
        wanted = frozenset(document_ids)
        async with self._changed:
            while await self._database.read(unfinished_among(wanted)):
                await self._changed.wait()

    async def sweep(self) -> int:
        """Take away what deleted documents and versions that are over left; how many versions were cleared."""
        return await self.upkeep.sweep()

    async def heal(self) -> int:
        """Embed what could not be embedded before, if it can be now; how many chunks."""
        return await self._missing.heal()

    async def _taken_perhaps(self, taking: Awaitable[Taken]) -> Document | None:
        """None for a document that was deleted meanwhile."""
        try:
            return await self._taken(await taking)
        except DocumentGoneError:
            return None

    async def _taken(self, taken: Taken) -> Document:
        accepted = taken.document
        if taken.stored:
            if accepted.version > 1:
                # What was on its way before is not wanted any more.
                await self._work.stop(accepted.id)
            self._work.put(accepted.business_id, accepted.id)
        self.news.tell(accepted.business_id, [accepted.id])
        return accepted

    async def _decided(self, business_id: str, document_id: str, done: bool) -> Document | None:  # noqa: FBT001 - a unit's answer
        found = await self.get(business_id, document_id)
        if found is not None and not done:
            raise NothingHeldError(NOTHING_HELD)
        self._want_sweep()
        self.news.tell(business_id, [document_id])
        return found

    async def _stop(self, business_id: str, document_id: str) -> None:
        await self._work.stop(document_id)
        self._want_sweep()
        self.news.tell(business_id, [document_id])
        await self._tell_ended()

    def _queue(self, business_id: str, document_id: str) -> None:
        self._work.put(business_id, document_id)

    def _want_sweep(self) -> None:
        self.upkeep.want_sweep()

    async def _tell_ended(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _new_version() -> StoredVersion:
    return StoredVersion(new_id(), "", 0)


def _position(cursor: str) -> tuple[int, str]:
    created_at, dot, document_id = cursor.partition(".")
    if not (dot and created_at.isascii() and created_at.isdigit() and len(created_at) < _TIME_DIGITS and document_id):
        raise ValueError("a cursor comes from the page before")
    return int(created_at), document_id

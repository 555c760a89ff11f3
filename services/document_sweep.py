"""Takes away what deleted documents and versions that are over leave: vectors, words, chunks, embeddings, files."""

import logging
from collections.abc import Callable

from database.clock import Clock
from database.document_chunks import chunk_ids, remove_chunks
from database.document_leftovers import (
    Ending,
    Leftover,
    deleted_documents,
    is_leftover,
    leftovers,
    remove_document,
    remove_version,
    shelve,
)
from database.engine import Database
from services.document_files import DocumentFiles
from services.knowledge_ports import SearchIndex

logger = logging.getLogger(__name__)

# Removing is slower than adding: 100 rows stay within a unit's time.
_SLICE_CHUNKS = 100


class DocumentSweep:
    """Each step may be cut off and repeated: the index forgets first, then the rows go, then files and document.

    Of the versions of a document that are over, the newest `keep_versions` stay for a roll-back.
    """

    def __init__(
        self, database: Database, index: SearchIndex, files: DocumentFiles, clock: Clock, keep_versions: int
    ) -> None:
        self._database = database
        self._index = index
        self._files = files
        self._clock = clock
        self._keep_versions = keep_versions

    async def run(self, busy: Callable[[str], bool]) -> int:
        """Sweep once, except documents that are being worked on; how many versions were cleared.

        A version whose index refuses is left for the next time.
        """
        cleared = 0
        for leftover in await self._database.read(leftovers(self._keep_versions)):
            if busy(leftover.document_id):
                continue
            try:
                await self._clear(leftover)
            except Exception as error:  # noqa: BLE001 - one document must not keep the others
                logger.warning("document %s could not be cleared away yet: %s", leftover.document_id, error)
            else:
                cleared += 1
        for document_id in await self._database.read(deleted_documents()):
            await self._database.write(remove_document(document_id))
        return cleared

    async def _clear(self, leftover: Leftover) -> None:
        if not await self._database.read(is_leftover(leftover.version_id)):
            return
        if leftover.ending is Ending.SHELVE:
            count = await self._shelve(leftover)
        else:
            count = await self._empty(leftover)
        if leftover.ending is Ending.FORGET:
            await self._files.remove(leftover.version_id)
            await self._database.write(remove_version(leftover.version_id))
        logger.info("version %s is cleared away (%s): %d chunks", leftover.version_id, leftover.ending, count)

    async def _shelve(self, leftover: Leftover) -> int:
        count, after = 0, ""
        while ids := await self._database.read(chunk_ids(leftover.version_id, _SLICE_CHUNKS, after)):
            await self._index.remove(leftover.business_id, ids)
            count, after = count + len(ids), ids[-1]
        await self._database.write(shelve(leftover.version_id, self._clock.now()))
        return count

    async def _empty(self, leftover: Leftover) -> int:
        count = 0
        # Asked again each time: a failed version may be tried again meanwhile, and its new chunks are not to go.
        while await self._database.read(is_leftover(leftover.version_id)):
            ids = await self._database.read(chunk_ids(leftover.version_id, _SLICE_CHUNKS))
            if not ids:
                break
            await self._index.remove(leftover.business_id, ids)
            count += await self._database.write(remove_chunks(ids))
        return count

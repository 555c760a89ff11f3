"""Takes away what deleted and failed documents leave behind: vectors, words, chunks, embeddings, files."""

import logging
from collections.abc import Callable

from database.document_chunks import (
    Leftover,
    leftovers,
    remove_chunks,
    remove_document,
    some_chunk_ids,
    version_ids,
)
from database.engine import Database
from services.document_files import DocumentFiles
from services.knowledge_ports import SearchIndex

logger = logging.getLogger(__name__)

# Removing is slower than adding: 100 rows stay within a unit's time.
_SLICE_CHUNKS = 100


class DocumentSweep:
    """Each step may be cut off and repeated: the index forgets first, then the rows go, then files and document."""

    def __init__(self, database: Database, index: SearchIndex, files: DocumentFiles) -> None:
        self._database = database
        self._index = index
        self._files = files

    async def run(self, busy: Callable[[str], bool]) -> int:
        """Sweep once, except documents that are being worked on; how many documents were cleared.

        A document whose index refuses is left for the next time.
        """
        cleared = 0
        for leftover in await self._database.read(leftovers()):
            if busy(leftover.document_id):
                continue
            try:
                await self._clear(leftover)
            except Exception as error:  # noqa: BLE001 - one document must not keep the others
                logger.warning("document %s could not be cleared away yet: %s", leftover.document_id, error)
            else:
                cleared += 1
        return cleared

    async def _clear(self, leftover: Leftover) -> None:
        count = 0
        while ids := await self._database.read(some_chunk_ids(leftover.document_id, _SLICE_CHUNKS)):
            await self._index.remove(leftover.business_id, ids)
            count += await self._database.write(remove_chunks(ids))
        for version_id in await self._database.read(version_ids(leftover.document_id)):
            await self._files.remove(version_id)
        if leftover.deleted:
            await self._database.write(remove_document(leftover.document_id))
        logger.info("document %s is cleared away: %d chunks", leftover.document_id, count)

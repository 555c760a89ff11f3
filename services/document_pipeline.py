"""The first half of a version's way: from its file to chunks in knowledge.db. It may be cut off and is repeated then.

The other half, embedding and indexing, is document_indexing.py.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from database.chunk_sets import add_embedded_chunks, vector_bytes
from database.clock import Clock
from database.document_chunks import ChunkVector, add_chunks, chunk_ids, remove_chunks
from database.document_work import DocumentTask, Reading, Step, begin_parsing, end_parsing
from database.engine import Database
from database.knowledge_settings import knowledge_settings
from database.metrics import Metrics
from database.records import Chunk, DocumentStatus, new_id
from services.chunk_files import MIME, READER, SOURCE, KeptChunk, kept_slices
from services.chunker import CHUNKER, ChunkDraft
from services.document_errors import TOO_MUCH_TEXT, UnreadableDocumentError
from services.document_files import DocumentFiles
from services.document_news import DocumentNews
from services.document_parser import DocumentParser
from services.knowledge_ports import Embedder, SearchIndex
from services.version_errors import NO_FILE

logger = logging.getLogger(__name__)

_REMOVE_CHUNKS = 200
_NUMBER_BYTES = 4
# Chunks wait for each other until so many can be stored in one unit.
_STORE_CHUNKS = 128
# Where the stages end on the way from 0 to 1. How many chunks there will be is not known before parsing is over.
PARSING_FROM, PARSED, EMBEDDED, INDEXED = 0.05, 0.3, 0.7, 0.99


class DocumentOverError(Exception):
    """The owner deleted the document, or sent a newer version, while we were at it."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What ingestion works with."""

    database: Database
    index: SearchIndex
    embedder: Embedder
    parser: DocumentParser
    files: DocumentFiles


class DocumentPipeline:
    """`parse` takes one version to its chunks; at most `max_chunks` of them."""

    def __init__(
        self, knowledge: Knowledge, clock: Clock, metrics: Metrics, news: DocumentNews, max_chunks: int
    ) -> None:
        self._database = knowledge.database
        self._index = knowledge.index
        self._embedder = knowledge.embedder
        self._parser = knowledge.parser
        self._files = knowledge.files
        self._clock = clock
        self._metrics = metrics
        self._news = news
        self._max_chunks = max_chunks

    async def parse(self, task: DocumentTask) -> None:
        """Until all chunks of the version are stored.

        Raises UnreadableDocumentError for the document's own fault, DocumentOverError, and what index and database
        raise.
        """
        began = self._clock.monotonic()
        if not await self._files.has(task.version_id):
            raise UnreadableDocumentError(NO_FILE)
        _unless_over(await self._database.write(begin_parsing(task, PARSING_FROM, self._clock.now())))
        self._news.tell(task.business_id, [task.document_id])
        # What a parse that was cut off has left; the words of it may be indexed already.
        while ids := await self._database.read(chunk_ids(task.version_id, _REMOVE_CHUNKS)):
            await self._index.remove(task.business_id, ids)
            await self._database.write(remove_chunks(ids))
        chunks = _Numbered(task, self._max_chunks)
        reading = await (self._import(chunks) if task.source == SOURCE else self._read(chunks))
        _unless_over(await self._database.write(end_parsing(task, reading, PARSED, self._clock.now())))
        self._news.tell(task.business_id, [task.document_id])
        self._metrics.document_seconds.labels("parse").observe(self._clock.monotonic() - began)

    async def _read(self, chunks: "_Numbered") -> Reading:
        task = chunks.task
        settings = await self._database.read(knowledge_settings(task.business_id))
        parsed = await self._parser.parse(
            self._files.path(task.version_id),
            task.filename,
            partial(self._take, chunks),
            chunk_characters=settings.chunk_characters,
        )
        await self._store(chunks)
        return Reading(parsed.mime, parsed.parser, CHUNKER, self._embedder.name, parsed.dropped, parsed.warning)

    async def _import(self, chunks: "_Numbered") -> Reading:
        """Chunks of a chunk set; embeddings of the right size are taken, too, when our embedder made them."""
        embedder, size = self._embedder.name, 0
        slices = kept_slices(self._files.path(chunks.task.version_id))
        while kept := await asyncio.to_thread(next, slices, None):
            chunks.take(kept)
            if not size and any(each.vector and each.embedder == embedder for each in kept):
                size = await self._vector_bytes(embedder, kept[0].text)
            vectors = [
                ChunkVector(chunk.id, each.vector)
                for chunk, each in zip(chunks.waiting, kept, strict=True)
                if each.vector and each.embedder == embedder and len(each.vector) == size
            ]
            step = Step(
                chunks.task, DocumentStatus.PARSING, PARSED - (PARSED - PARSING_FROM) / (1 + chunks.count / 100)
            )
            unit = add_embedded_chunks(step, chunks.waiting, embedder, vectors, self._clock.now())
            _unless_over(await self._database.write(unit))
            chunks.waiting = []
            self._news.tell(chunks.task.business_id, [chunks.task.document_id])
        return Reading(MIME, READER, READER, embedder)

    async def _vector_bytes(self, embedder: str, text: str) -> int:
        """As of any vector that is there; of a first one this embedder makes one to see."""
        known = await self._database.read(vector_bytes(embedder))
        return known or (await self._embedder.embed([text])).shape[1] * _NUMBER_BYTES

    async def _take(self, chunks: "_Numbered", drafts: list[ChunkDraft]) -> None:
        chunks.take(drafts)
        if len(chunks.waiting) >= _STORE_CHUNKS:
            await self._store(chunks)

    async def _store(self, chunks: "_Numbered") -> None:
        if not chunks.waiting:
            return
        progress = PARSED - (PARSED - PARSING_FROM) / (1 + chunks.count / 100)
        step = Step(chunks.task, DocumentStatus.PARSING, progress)
        _unless_over(await self._database.write(add_chunks(step, chunks.waiting, self._clock.now())))
        chunks.waiting = []
        self._news.tell(chunks.task.business_id, [chunks.task.document_id])


class _Numbered:
    """Makes chunks of drafts, numbered through the document; `waiting` are those that are not stored yet."""

    def __init__(self, task: DocumentTask, most: int) -> None:
        self.task = task
        self._most = most
        self.count = 0
        self.waiting: list[Chunk] = []

    def take(self, drafts: Sequence[ChunkDraft | KeptChunk]) -> None:
        if self.count + len(drafts) > self._most:
            raise UnreadableDocumentError(TOO_MUCH_TEXT)
        task = self.task
        self.waiting += [
            Chunk(
                *(new_id(), task.business_id, task.document_id, task.version_id, self.count + offset),
                *(draft.text, draft.heading, draft.page),
            )
            for offset, draft in enumerate(drafts)
        ]
        self.count += len(drafts)


def _unless_over(went_on: bool) -> None:  # noqa: FBT001 - a unit's answer
    if not went_on:
        raise DocumentOverError

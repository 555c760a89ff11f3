"""One document's way from file to answers: parse, embed, index, make it live. Any step may be cut off and repeated.

Chunks and vectors are stored in knowledge.db in small slices, so that a restart goes on where it was; searches see
nothing of it before the last commit, which makes all of it live at once.
"""

import logging
from dataclasses import dataclass
from functools import partial

import numpy as np

from database.chunks import embedded_text
from database.clock import Clock
from database.document_chunks import (
    ChunkVector,
    add_chunks,
    add_vectors,
    chunks_with_vectors,
    chunks_without_vector,
    count_of,
    remove_chunks,
    some_chunk_ids,
)
from database.documents import DocumentTask, Reading, advance, count_attempt, end_parsing, make_live
from database.engine import Database
from database.metrics import Metrics
from database.records import Chunk, DocumentStatus, new_id
from services.chunker import CHUNKER, ChunkDraft
from services.document_errors import KEEPS_FAILING, TOO_MUCH_TEXT, UnreadableDocumentError
from services.document_files import DocumentFiles
from services.document_parser import DocumentParser
from services.knowledge_ports import Embedder, SearchIndex, Vectors

logger = logging.getLogger(__name__)

# A unit of so many rows keeps the writer for a few milliseconds; the store's own slice is 128 vectors.
_EMBED_CHUNKS = 64
_INDEX_CHUNKS = 128
_REMOVE_CHUNKS = 200
_MAX_CHUNKS = 200_000
_WARM_UP = "Hello"
# Where the stages end on the way from 0 to 1. How many chunks there will be is not known before parsing is over.
_PARSING_FROM, _PARSED, _EMBEDDED, _INDEXED = 0.05, 0.3, 0.7, 0.99


class DocumentDeletedError(Exception):
    """The owner deleted the document while we were at it."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the pipeline works with."""

    database: Database
    index: SearchIndex
    embedder: Embedder
    parser: DocumentParser
    files: DocumentFiles


class DocumentPipeline:
    """`run` takes one document through what is left of its way."""

    def __init__(self, knowledge: Knowledge, clock: Clock, metrics: Metrics, attempts: int) -> None:
        self._database = knowledge.database
        self._index = knowledge.index
        self._embedder = knowledge.embedder
        self._parser = knowledge.parser
        self._files = knowledge.files
        self._clock = clock
        self._metrics = metrics
        self._attempts = attempts
        self._warm = False

    async def run(self, task: DocumentTask) -> None:
        """Until the document is live.

        Raises UnreadableDocumentError for the document's own fault, DocumentDeletedError, and what embedder, index
        and database raise.
        """
        began = self._clock.monotonic()
        if task.status in {DocumentStatus.QUEUED, DocumentStatus.PARSING}:
            await self._parse(task)
        parsed = self._clock.monotonic()
        total = await self._embed(task)
        embedded = self._clock.monotonic()
        await self._add_to_index(task, total)
        live = await self._database.write(make_live(task, self._embedder.name, self._clock.now()))
        if live is None:
            raise DocumentDeletedError
        ended = self._clock.monotonic()
        for stage, seconds in (("parse", parsed - began), ("embed", embedded - parsed), ("index", ended - embedded)):
            self._metrics.document_seconds.labels(stage).observe(seconds)
        logger.info(
            "document %s is live: %d chunks in %.1f s (parse %.1f, embed %.1f, index %.1f)",
            *(task.document_id, live, ended - began, parsed - began, embedded - parsed, ended - embedded),
        )

    async def _parse(self, task: DocumentTask) -> None:
        await self._advance(task, DocumentStatus.PARSING, _PARSING_FROM)
        # What a parse that was cut off has left; the words of it may be indexed already.
        while ids := await self._database.read(some_chunk_ids(task.document_id, _REMOVE_CHUNKS)):
            await self._index.remove(task.business_id, ids)
            await self._database.write(remove_chunks(ids))
        slices = _Numbered(task)
        sink = partial(self._store, task, slices)
        parsed = await self._parser.parse(self._files.path(task.version_id), task.filename, sink)
        reading = Reading(parsed.mime, parsed.parser, CHUNKER, self._embedder.name)
        _unless_deleted(await self._database.write(end_parsing(task, reading, _PARSED, self._clock.now())))

    async def _store(self, task: DocumentTask, slices: "_Numbered", drafts: list[ChunkDraft]) -> None:
        chunks = slices.take(drafts)
        progress = _PARSED - (_PARSED - _PARSING_FROM) / (1 + slices.count / 100)
        _unless_deleted(await self._database.write(add_chunks(task, chunks, progress, self._clock.now())))

    async def _embed(self, task: DocumentTask) -> int:
        """Embed what has no vector yet; how many chunks there are."""
        total = await self._database.read(count_of(task.version_id))
        if not self._warm:
            # A model that is loading says nothing about the document.
            await self._embedder.embed([_WARM_UP])
            self._warm = True
        after = -1
        while True:
            chunks = await self._database.read(
                chunks_without_vector(task.version_id, self._embedder.name, after, _EMBED_CHUNKS)
            )
            if not chunks:
                return total
            if after < 0:
                await self._count_attempt(task)  # where all is embedded, indexing alone counts
            vectors = await self._vectors(chunks)
            after = chunks[-1].ordinal
            progress = _PARSED + (_EMBEDDED - _PARSED) * (after + 1) / total
            unit = add_vectors(task, self._embedder.name, vectors, progress, self._clock.now())
            _unless_deleted(await self._database.write(unit))

    async def _vectors(self, chunks: list[Chunk]) -> list[ChunkVector]:
        try:
            vectors = await self._embedder.embed([embedded_text(chunk.heading, chunk.text) for chunk in chunks])
        except Exception:
            self._metrics.chunks_failed.inc(len(chunks))
            raise
        rows = zip(chunks, np.asarray(vectors, dtype="<f4"), strict=True)
        return [ChunkVector(chunk.id, vector.tobytes()) for chunk, vector in rows]

    async def _add_to_index(self, task: DocumentTask, total: int) -> None:
        await self._advance(task, DocumentStatus.INDEXING, _EMBEDDED)
        await self._count_attempt(task)
        after = -1
        while True:
            rows = await self._database.read(
                chunks_with_vectors(task.version_id, self._embedder.name, after, _INDEX_CHUNKS)
            )
            if not rows:
                return
            await self._add(rows)
            after = rows[-1][0].ordinal
            progress = _EMBEDDED + (_INDEXED - _EMBEDDED) * (after + 1) / total
            await self._advance(task, DocumentStatus.INDEXING, progress)

    async def _add(self, rows: list[tuple[Chunk, bytes]]) -> None:
        chunks = [chunk for chunk, _ in rows]
        vectors: Vectors = np.frombuffer(b"".join(vector for _, vector in rows), dtype="<f4").reshape(len(rows), -1)
        try:
            await self._index.add(chunks, vectors)
        except Exception:
            self._metrics.chunks_failed.inc(len(chunks))
            raise

    async def _count_attempt(self, task: DocumentTask) -> None:
        """Embedding and indexing run in this process, parsing does not: what kills it here is given up in the end."""
        if await self._database.write(count_attempt(task.document_id)) > self._attempts:
            raise UnreadableDocumentError(KEEPS_FAILING)

    async def _advance(self, task: DocumentTask, status: DocumentStatus, progress: float) -> None:
        _unless_deleted(await self._database.write(advance(task.document_id, status, progress, self._clock.now())))


class _Numbered:
    """Makes chunks of drafts, numbered through the document."""

    def __init__(self, task: DocumentTask) -> None:
        self._task = task
        self.count = 0

    def take(self, drafts: list[ChunkDraft]) -> list[Chunk]:
        if self.count + len(drafts) > _MAX_CHUNKS:
            raise UnreadableDocumentError(TOO_MUCH_TEXT)
        task = self._task
        chunks = [
            Chunk(
                *(new_id(), task.business_id, task.document_id, task.version_id, self.count + offset),
                *(draft.text, draft.heading, draft.page),
            )
            for offset, draft in enumerate(drafts)
        ]
        self.count += len(chunks)
        return chunks


def _unless_deleted(went_on: bool) -> None:  # noqa: FBT001 - a unit's answer
    if not went_on:
        raise DocumentDeletedError

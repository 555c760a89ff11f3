"""Tries again what the embedder could not take: chunks of live documents that are found by their words only."""

import asyncio
import logging

import numpy as np

from database.chunks import embedded_text
from database.document_chunks import ChunkVector, chunks_without_vector
from database.engine import Database
from database.missing_vectors import Incomplete, heal_chunks, incomplete_documents, recount_missing, still_live
from database.records import Chunk
from services.chunk_embedding import ChunkEmbedding
from services.document_news import DocumentNews
from services.knowledge_ports import Embedder, SearchIndex, Vectors

logger = logging.getLogger(__name__)

_SLICE_CHUNKS = 64
_DOCUMENTS_AT_ONCE = 100


class MissingVectors:
    """`heal` is called now and then."""

    def __init__(self, database: Database, index: SearchIndex, embedder: Embedder, news: DocumentNews) -> None:
        self._database = database
        self._index = index
        self._embedding = ChunkEmbedding(embedder)
        self._news = news
        self._one_at_a_time = asyncio.Lock()

    async def heal(self) -> int:
        """Embed what can be embedded now; how many chunks that were. Raises what an embedder raises that is away."""
        healed = 0
        async with self._one_at_a_time:
            after = ""
            while found := await self._database.read(incomplete_documents(after, _DOCUMENTS_AT_ONCE)):
                for each in found:
                    healed += await self._heal(each)
                after = found[-1].document_id
        return healed

    async def _heal(self, document: Incomplete) -> int:
        embedding = self._embedding.now()
        healed, after, name = 0, -1, embedding.name
        while chunks := await self._database.read(
            chunks_without_vector(document.version_id, name, after, _SLICE_CHUNKS)
        ):
            after = chunks[-1].ordinal
            healed += await self._embed(document, chunks, embedding)
        missing = await self._database.write(recount_missing(document, name))
        if healed:
            logger.info("document %s: %d chunks are healed, %d left", document.document_id, healed, missing)
            self._news.tell(document.business_id, [document.document_id])
        return healed

    async def _embed(self, document: Incomplete, chunks: list[Chunk], embedding: ChunkEmbedding) -> int:
        found = await embedding.embed([embedded_text(chunk.heading, chunk.text) for chunk in chunks])
        healed = [(chunk, vector) for chunk, vector in zip(chunks, found, strict=True) if vector is not None]
        vectors = [ChunkVector(chunk.id, vector) for chunk, vector in healed]
        if not healed or not await self._database.write(heal_chunks(document, embedding.name, vectors)):
            return 0
        matrix: Vectors = np.frombuffer(b"".join(vector for _, vector in healed), "<f4").reshape(len(healed), -1)
        await self._index.add([chunk for chunk, _ in healed], matrix, embedder=embedding.name)
        if not await self._database.read(still_live(document)):
            # Swept before all of it was added.
            await self._index.remove(document.business_id, [chunk.id for chunk, _ in healed])
        return len(healed)

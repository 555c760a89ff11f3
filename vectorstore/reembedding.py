"""Embeds what another embedder has embedded before: the vectors go to knowledge.db, the index is filled from there."""

import logging
from collections.abc import Sequence

import numpy as np

from database.chunks import embedded_text
from database.document_chunks import ChunkVector, chunks_without_vector
from database.engine import Database
from database.other_embedders import add_live_vectors, embedded_by
from database.records import Chunk
from vectorstore.embedders import Embedder

logger = logging.getLogger(__name__)

# A unit of so many rows keeps the writer for a few milliseconds.
SLICE = 64


async def embed_anew(knowledge: Database, embedder: Embedder, version_ids: Sequence[str]) -> None:
    """Embed these versions, as far as this embedder has not seen them: what was cut off goes on where it was.

    Raises EmbeddingError; what is done by then stays.
    """
    logger.info("%d documents are embedded anew, by %s", len(version_ids), embedder.name)
    for version_id in version_ids:
        after = -1
        while chunks := await knowledge.read(chunks_without_vector(version_id, embedder.name, after, SLICE)):
            await knowledge.write(add_live_vectors(embedder.name, await _vectors(embedder, chunks)))
            after = chunks[-1].ordinal
        await knowledge.write(embedded_by(version_id, embedder.name))
    logger.info("%d documents have been embedded anew", len(version_ids))


async def _vectors(embedder: Embedder, chunks: list[Chunk]) -> list[ChunkVector]:
    vectors = await embedder.embed([embedded_text(chunk.heading, chunk.text) for chunk in chunks])
    rows = zip(chunks, np.asarray(vectors, dtype="<f4"), strict=True)
    return [ChunkVector(chunk.id, vector.tobytes()) for chunk, vector in rows]

"""Embeds what another embedder has embedded before: the vectors go to knowledge.db, the index is filled from there."""

import logging
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from database.chunks import embedded_text
from database.document_chunks import ChunkVector, chunks_without_vector
from database.engine import Database
from database.other_embedders import add_live_vectors
from database.records import Chunk
from vectorstore.embedders import Embedder, EmbeddingError
from vectorstore.frames import Vectors

logger = logging.getLogger(__name__)

# A unit of so many rows keeps the writer for a few milliseconds.
SLICE = 64
PLAIN = "Hello"
# an embedder that has seen nothing
NOBODY = ""

Stored = Callable[[Sequence[Chunk], Vectors], Awaitable[None]]


async def embed_anew(
    knowledge: Database, embedder: Embedder, version_id: str, stored: Stored | None = None, *, again: bool = False
) -> None:
    """Embed a version, as far as this embedder has not seen it: what was cut off goes on where it was.

    `again`: also what it has seen. `stored` is told of each slice. Raises EmbeddingError
    when it embeds nothing at all, and what is done by then stays.
    """
    after, lacking = -1, 0
    seen_by = NOBODY if again else embedder.name
    while chunks := await knowledge.read(chunks_without_vector(version_id, seen_by, after, SLICE)):
        good, vectors = await embed_what_can_be(embedder, chunks)
        await knowledge.write(add_live_vectors(embedder.name, chunk_vectors(good, vectors)))
        if stored is not None:
            await stored(good, vectors)
        lacking += len(chunks) - len(good)
        after = chunks[-1].ordinal
    if lacking:
        logger.warning("%d chunks of version %s cannot be embedded by %s", lacking, version_id, embedder.name)


async def embed_what_can_be(embedder: Embedder, chunks: Sequence[Chunk]) -> tuple[list[Chunk], Vectors]:
    """Those chunks that the embedder takes, and their vectors. Raises EmbeddingError when it takes nothing now."""
    try:
        return list(chunks), await embedder.embed([embedded_text(chunk.heading, chunk.text) for chunk in chunks])
    except EmbeddingError:
        await embedder.embed([PLAIN])  # an embedder that is away says nothing against the chunks
    if len(chunks) == 1:
        return [], np.empty((0, 0), np.float32)
    half = len(chunks) // 2
    parts = [await embed_what_can_be(embedder, part) for part in (chunks[:half], chunks[half:])]
    vectors = [rows for good, rows in parts if good]
    return [chunk for good, _ in parts for chunk in good], (
        np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32)
    )


def chunk_vectors(chunks: Sequence[Chunk], vectors: Vectors) -> list[ChunkVector]:
    """As they are stored."""
    rows = zip(chunks, np.asarray(vectors, dtype="<f4"), strict=True)
    return [ChunkVector(chunk.id, vector.tobytes()) for chunk, vector in rows]

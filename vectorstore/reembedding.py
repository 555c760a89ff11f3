"""Embeds what another embedder has embedded before: the vectors go to knowledge.db, the index is filled from there."""

import logging
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from database.chunks import embedded_text
from database.document_chunks import ChunkVector, chunks_without_vector
from database.engine import Database
from database.other_embedders import add_live_vectors
from database.records import Chunk
from vectorstore.careful_embedding import embed_what_can_be
from vectorstore.embedders import Embedder
from vectorstore.frames import Vectors

logger = logging.getLogger(__name__)

# A unit of so many rows keeps the writer for a few milliseconds.
SLICE = 64
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
        texts = [embedded_text(chunk.heading, chunk.text) for chunk in chunks]
        found = zip(chunks, await embed_what_can_be(embedder, texts), strict=True)
        good = {chunk: vector for chunk, vector in found if vector is not None}
        await knowledge.write(
            add_live_vectors(embedder.name, [ChunkVector(chunk.id, vector) for chunk, vector in good.items()])
        )
        if stored is not None and good:
            rows = np.frombuffer(b"".join(good.values()), "<f4")
            await stored(list(good), rows.reshape(len(good), -1))
        lacking += len(chunks) - len(good)
        after = chunks[-1].ordinal
    if lacking:
        logger.warning("%d chunks of version %s cannot be embedded by %s", lacking, version_id, embedder.name)

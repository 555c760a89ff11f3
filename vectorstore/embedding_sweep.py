"""Forgets the embeddings of former embedders, in slices that customers do not notice."""

import logging

from database.engine import Database
from database.other_embedders import forget_marks, forget_others, live_versions_not_by
from vectorstore.serving_embedder import ServingEmbedder

logger = logging.getLogger(__name__)

SLICE = 500


async def forget_former_embedders(knowledge: Database, serving: ServingEmbedder) -> bool:
    """Delete what neither the serving nor the coming embedder has made. False while old vectors are all there is."""
    if await knowledge.read(live_versions_not_by(serving.name)):
        return False
    kept = serving.names
    await knowledge.write(forget_marks(kept))
    after: str | None = ""
    while after is not None:
        after = await knowledge.write(forget_others(kept, after, SLICE))
    return True

"""Embeds the texts of chunks: the same text once, and nothing before the model has shown that it is there."""

from collections.abc import Sequence

from services.knowledge_ports import Embedder
from vectorstore.careful_embedding import PROBE, embed_what_can_be
from vectorstore.serving_embedder import current


class ChunkEmbedding:
    """`embedder` may fail; what it raises is raised here only where it looks like an outage."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._warm: set[str] = set()

    def now(self) -> "ChunkEmbedding":
        """The same by the one embedder that answers at this moment: another one may take over at any time."""
        fixed = ChunkEmbedding(current(self._embedder))
        fixed._warm = self._warm
        return fixed

    @property
    def name(self) -> str:
        """The embedder's."""
        return self._embedder.name

    async def embed(self, texts: Sequence[str]) -> list[bytes | None]:
        """A stored embedding a text (float32, little endian), None for a text that the embedder cannot take."""
        if self.name not in self._warm:
            # A model that is loading says nothing about the texts.
            await self._embedder.embed([PROBE])
            self._warm.add(self.name)
        places: dict[str, int] = {}
        for text in texts:
            places.setdefault(text, len(places))
        found = await embed_what_can_be(self._embedder, list(places))
        return [found[places[text]] for text in texts]

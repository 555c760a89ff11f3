"""Embeds the texts of chunks, also where the embedder cannot take one of them: that one goes without.

A fault of a whole slice may be an outage or one bad text. A text that every embedder takes tells them apart: does it
fail too, the fault is raised and everything waits; otherwise the slice is halved until the bad ones are alone.
"""

import logging
from collections.abc import Sequence

import numpy as np

from services.knowledge_ports import Embedder
from vectorstore.serving_embedder import current

logger = logging.getLogger(__name__)

PROBE = "Hello"
# calls that may be spent on one slice before what still fails of it goes without, to be tried again later
MOST_CALLS = 100


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
        found = await _Slice(self._embedder).embed(list(places))
        return [found[places[text]] for text in texts]


class _Slice:
    """The calls that are spent on one slice."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._left = MOST_CALLS

    async def embed(self, texts: list[str]) -> list[bytes | None]:
        if not texts:
            return []
        self._left -= 1
        try:
            vectors = np.asarray(await self._embedder.embed(texts), dtype="<f4")
        except Exception as error:  # noqa: BLE001 - whatever the embedder is, it is the text's fault or its own
            await self._embedder.embed([PROBE])  # raises when the fault is the embedder's
            if len(texts) == 1 or self._left <= 0:
                logger.warning("%d chunks cannot be embedded and are found by their words: %r", len(texts), error)
                return [None] * len(texts)
        else:
            return [vector.tobytes() for vector in vectors]
        half = len(texts) // 2
        return [*await self.embed(texts[:half]), *await self.embed(texts[half:])]

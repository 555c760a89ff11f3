"""Embeds texts, also where the embedder cannot take one of them: that one goes without.

A fault of a whole slice may be an outage or one bad text. A text that every embedder takes tells them apart: does it
fail too, the fault is raised and everything waits; otherwise the slice is halved until the bad ones are alone.
"""

import logging
from collections.abc import Sequence

import numpy as np

from vectorstore.embedders import Embedder

logger = logging.getLogger(__name__)

PROBE = "Hello"
# calls that may be spent on one slice before what still fails of it goes without, to be tried again later
MOST_CALLS = 100


async def embed_what_can_be(embedder: Embedder, texts: Sequence[str]) -> list[bytes | None]:
    """A stored embedding a text (float32, little endian), None for a text that the embedder cannot take.

    Raises what the embedder raises when it takes nothing at all.
    """
    return await _Slice(embedder).embed(list(texts))


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
                logger.warning("%d texts cannot be embedded and are found by their words: %r", len(texts), error)
                return [None] * len(texts)
        else:
            return [vector.tobytes() for vector in vectors]
        half = len(texts) // 2
        return [*await self.embed(texts[:half]), *await self.embed(texts[half:])]

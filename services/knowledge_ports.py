"""What ingestion needs from the embedder and the search index, in its own words."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from database.records import Chunk

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors, outside the event loop."""

    @property
    def name(self) -> str:
        """Which model, and which form of it; vectors of different names never mix."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text, float32, each of length 1."""
        ...


class SearchIndex(Protocol):
    """What finds chunks. Every call may be repeated: the second time changes nothing."""

    async def add(self, chunks: Sequence[Chunk], vectors: Vectors, *, embedder: str | None = None) -> Any:
        """Take chunks in. They are found only once their document's version is live.

        `embedder` names who made the vectors; None is who answers now.
        """
        ...

    async def remove(self, business_id: str, chunk_ids: Sequence[str]) -> Any:
        """Forget chunks, known or not."""
        ...

    async def scrub(self) -> Any:
        """Have what was forgotten gone from the files, too; slow, in small steps."""
        ...

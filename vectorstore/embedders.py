"""What turns texts into vectors: the port, and the error that all of its kinds raise."""

from collections.abc import Sequence
from typing import Protocol

from vectorstore.frames import Vectors

__all__ = ["Embedder", "EmbeddingError", "Vectors"]


class EmbeddingError(Exception):
    """The embedder gave no vectors (time-out, refusal, fault); the cause is chained."""


class Embedder(Protocol):
    """Runs outside the event loop. Vectors of embedders with different names never mix."""

    @property
    def name(self) -> str:
        """Which model, and which form of it."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dimension), each row of length 1. Raises EmbeddingError."""
        ...

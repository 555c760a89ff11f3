"""The embedder whose vectors answer now, and the one that is to take over, for all who must agree on that."""

from collections.abc import Sequence

from vectorstore.embedders import Embedder
from vectorstore.frames import Vectors


def current(embedder: Embedder) -> Embedder:
    """The one that answers at this moment: for work whose vectors and names must be of one embedder."""
    return embedder.current if isinstance(embedder, ServingEmbedder) else embedder


def coming(embedder: Embedder) -> Embedder | None:
    """The one that is to take over, if there is one: it fills collections, too."""
    return embedder.coming if isinstance(embedder, ServingEmbedder) else None


class ServingEmbedder:
    """An Embedder. `current` changes once at a switch: who needs a vector and a name that fit together takes it once.

    `coming` has collections of its own already; None while nobody is to take over.
    """

    def __init__(self, current: Embedder, coming: Embedder | None = None) -> None:
        self.current = current
        self.coming = coming

    @property
    def name(self) -> str:
        """The current one's."""
        return self.current.name

    @property
    def names(self) -> set[str]:
        """Those whose vectors are wanted."""
        return {each.name for each in (self.current, self.coming) if each is not None}

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As Embedder.embed, by the current one."""
        return await self.current.embed(texts)

    def switch(self) -> None:
        """The coming one takes over."""
        if self.coming is not None:
            self.current, self.coming = self.coming, None

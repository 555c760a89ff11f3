"""Remembers the vectors of questions, so that the same question is embedded once."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from database.metrics import Metrics
from vectorstore.embedders import Embedder
from vectorstore.frames import Vectors

# More texts at once are a document's, which nobody asks for twice.
MOST_QUESTIONS = 8


class RememberingEmbedder:
    """An Embedder around another one. `entries` is how many questions it remembers; 0 is none.

    In memory a question takes four bytes a dimension: 2,000 of them with 1,536 dimensions are 12 MB.
    """

    def __init__(self, embedder: Embedder, metrics: Metrics, *, entries: int) -> None:
        self._embedder = embedder
        self._entries = entries
        # by the embedder's name, too: it may be another one from one moment to the next
        self._kept: OrderedDict[tuple[str, str], Vectors] = OrderedDict()
        self._hits = metrics.embedding_cache.labels("hit")
        self._misses = metrics.embedding_cache.labels("miss")

    @property
    def name(self) -> str:
        """The embedder's own: its vectors are the same."""
        return self._embedder.name

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As Embedder.embed."""
        if not self._entries or not texts or len(texts) > MOST_QUESTIONS:
            return await self._embedder.embed(texts)
        name = self._embedder.name
        known = {text: self._kept[name, text] for text in texts if (name, text) in self._kept}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        self._hits.inc(len(texts) - len(missing))
        self._misses.inc(len(missing))
        for text in known:
            self._kept.move_to_end((name, text))
        if missing:
            vectors = await self._embedder.embed(missing)
            for text, row in zip(missing, vectors, strict=True):
                known[text] = row.copy()
                self._kept[name, text] = known[text]
        while len(self._kept) > self._entries:
            self._kept.popitem(last=False)
        return np.stack([known[text] for text in texts])

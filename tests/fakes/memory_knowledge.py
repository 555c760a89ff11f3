"""An embedder and a search index that behave, keep everything in memory, and fail when a test says so."""

import asyncio
import zlib
from collections.abc import Sequence

import numpy as np

from database.records import Chunk
from services.knowledge_ports import Vectors


class MemoryEmbedder:
    """Vectors that depend on the text alone. `gate` holds it up; `failures` makes the next calls fail.

    A call with a text that holds one of the words of `poison` fails, too, whenever it comes. `calls` are sizes.
    """

    name = "memory-8"
    dimension = 8

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: list[int] = []
        self.poison: set[str] = set()
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.called = asyncio.Event()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.called.set()
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the embedder is away")
        if any(word in text for word in self.poison for text in texts):
            raise ValueError("the embedder does not take this text")
        self.calls.append(len(texts))
        self.texts += texts
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=self.dimension) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


class MemoryIndex:
    """Remembers chunks and vectors by id. `gate` holds `add` up; `failures` makes the next calls fail.

    `add` takes in `slice_size` at a time: with `between` each of them waits for a turn.
    """

    def __init__(self) -> None:
        self.chunks: dict[str, Chunk] = {}
        self.vectors: dict[str, list[float]] = {}
        self.adds: list[int] = []
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.called = asyncio.Event()
        self.slice_size = 1_000_000
        self.between: asyncio.Semaphore | None = None
        self.adding = False

    async def add(self, chunks: Sequence[Chunk], vectors: Vectors, *, embedder: str | None = None) -> None:
        self.called.set()
        await self.gate.wait()
        self._fail_perhaps()
        assert len(chunks) == len(vectors)
        self.adds.append(len(chunks))
        self.adding = True
        for start in range(0, len(chunks), self.slice_size):
            if self.between is not None:
                await self.between.acquire()
            end = start + self.slice_size
            for chunk, vector in zip(chunks[start:end], vectors[start:end], strict=True):
                self.chunks[chunk.id] = chunk
                self.vectors[chunk.id] = vector.tolist()
        self.adding = False

    async def remove(self, business_id: str, chunk_ids: Sequence[str]) -> None:
        self._fail_perhaps()
        for chunk_id in chunk_ids:
            if chunk_id in self.chunks:
                assert self.chunks.pop(chunk_id).business_id == business_id
                del self.vectors[chunk_id]

    async def scrub(self) -> None:
        """Nothing is left behind here."""

    def _fail_perhaps(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the index is away")

"""Event-loop lag while 5,000 chunks are embedded and indexed, beside the plain way in the server's own process."""

import asyncio
import gc
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from database.chunks import vectors_of
from tests.bench.figures import Figure, table
from tests.fakes.knowledge_base import knowledge_base
from vectorstore.chroma_manager import Collection
from vectorstore.wordllama_embedder import WordLlamaEmbedder

CHUNKS = 5_000
BEAT_SECONDS = 0.001


class Lag:
    """How late a task that sleeps a millisecond wakes up: what every request feels of the event loop."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """Measure while the block runs."""
        gc.collect()
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()

    async def _beat(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(BEAT_SECONDS)
            self.seconds.append(time.perf_counter() - began - BEAT_SECONDS)

    def p99_ms(self) -> float:
        """Weighed by time: of a thousand moments at which a request may come, ten wait longer than this."""
        late = np.sort(np.maximum(np.array(self.seconds), 0.0))
        share = np.cumsum(late + BEAT_SECONDS) / np.sum(late + BEAT_SECONDS)
        return float(late[np.searchsorted(share, 0.99)]) * 1000

    def plain_p99_ms(self) -> float:
        """Of a hundred beats, one was later than this."""
        return float(np.percentile(self.seconds, 99)) * 1000


def some_texts(count: int, words: int = 60) -> list[str]:
    """Chunks of about 400 characters (200 tokens) of made-up words, the frequent ones often, as in a language."""
    dice = random.Random(11)
    vocabulary = ["".join(dice.choices("abcdefghilmnoprstu", k=dice.randint(3, 9))) for _ in range(8_000)]
    weights = [1 / (rank + 3) for rank in range(len(vocabulary))]
    return [" ".join(dice.choices(vocabulary, weights, k=words)) for _ in range(count)]


async def ours(directory: Path, texts: list[str]) -> tuple[Lag, float]:
    """Embed, write to knowledge.db, index in both legs; the lag, and the seconds it took."""
    embedder, lag = WordLlamaEmbedder(), Lag()
    await embedder.load()
    async with knowledge_base(directory, embedder=embedder) as base:
        await base.index.wait_healthy()
        began = time.perf_counter()
        async with lag.measured():
            chunks = await base.store("business", texts)
            for start in range(0, len(chunks), 256):
                part = chunks[start : start + 256]
                stored = dict(await base.database.read(vectors_of(embedder.name, [chunk.id for chunk in part])))
                matrix = np.frombuffer(b"".join(stored[chunk.id] for chunk in part), "<f4").reshape(len(part), -1)
                await base.index.add(part, matrix)
        seconds = time.perf_counter() - began
        assert await base.vectors.count(_place(embedder.name)) == len(texts)
    embedder.close()
    return lag, seconds


async def plainly(directory: Path, texts: list[str]) -> tuple[Lag, float]:
    """asyncio.to_thread(collection.add) with the same vectors in this process, 1,000 at once."""
    from chromadb import PersistentClient
    from chromadb.config import Settings

    embedder, lag = WordLlamaEmbedder(), Lag()
    vectors = await embedder.embed(texts)
    client = PersistentClient(str(directory), Settings(anonymized_telemetry=False))
    collection = client.create_collection("plain", embedding_function=None)
    began = time.perf_counter()
    async with lag.measured():
        for start in range(0, len(texts), 1_000):
            ids = [str(n) for n in range(start, min(start + 1_000, len(texts)))]
            part = vectors[start : start + 1_000]
            await asyncio.to_thread(collection.add, ids=ids, embeddings=part, documents=texts[start : start + 1_000])
    embedder.close()
    return lag, time.perf_counter() - began


def _place(embedder: str) -> Collection:
    return Collection("business", embedder)


async def run() -> list[Figure]:
    """The figures of this benchmark."""
    texts = some_texts(CHUNKS)
    with tempfile.TemporaryDirectory() as directory:
        lag, seconds = await ours(Path(directory), texts)
        plain, plain_seconds = await plainly(Path(directory) / "plain", texts)
    name = f"event-loop lag p99 while {CHUNKS:,} chunks are embedded and indexed"
    beside = "to_thread(collection.add)"
    return [
        Figure(name, lag.p99_ms(), "ms", plain.p99_ms(), beside, 50, 10, higher_is_better=False),
        Figure(f"{name}, longest", max(lag.seconds) * 1000, "ms", max(plain.seconds) * 1000, beside),
        Figure(
            "chunks embedded, stored, indexed in both legs",
            CHUNKS / seconds,
            "chunks/s",
            CHUNKS / plain_seconds,
            f"only added, by {beside}",
        ),
    ]


if __name__ == "__main__":
    print(table(asyncio.run(run())))

"""Vectors from an OpenAI-compatible server, through the openai client: langchain's own drops what they cost."""

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from database.clock import Clock
from database.metrics import Metrics
from vectorstore.embedders import EmbeddingError
from vectorstore.frames import Vectors

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NO_KEY = "not-needed"
BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class OpenAIEmbedderOptions:
    """Where and how to ask. `retries` come after the first try; `batch` is texts a request.

    `api_key` "" is for servers that want none; `price_usd` is for a million tokens.
    """

    api_key: str = field(repr=False)
    model: str = "text-embedding-3-small"
    base_url: str | None = None
    timeout_seconds: float = 20.0
    retries: int = 2
    concurrency: int = 4
    batch: int = 128
    price_usd: float = 0.0


class OpenAIEmbedder:
    """The client is made at the first use, in a thread: importing it takes a moment."""

    def __init__(self, options: OpenAIEmbedderOptions, metrics: Metrics, *, clock: Clock, dice: random.Random) -> None:
        self.name = f"openai-{options.model}"
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._dice = dice
        self._room = asyncio.Semaphore(options.concurrency)
        self._making = asyncio.Lock()
        self._client: AsyncOpenAI | None = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As Embedder.embed."""
        if not texts:
            return np.empty((0, 0), np.float32)
        parts = [
            await self._batch(list(texts[start : start + self._options.batch]))
            for start in range(0, len(texts), self._options.batch)
        ]
        return np.concatenate(parts)

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.close()

    async def _batch(self, texts: list[str]) -> Vectors:
        client = await self._ready_client()
        for attempt in range(self._options.retries + 1):
            if attempt:
                await self._clock.sleep(self._dice.uniform(0.5, 1.0) * 2.0**attempt)
            try:
                async with self._room:
                    answer = await self._asked(client, texts)
                    rows = [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
            except Exception as error:  # noqa: BLE001 - the border: whatever the client raises is "no vectors"
                self._metrics.model_calls.labels(self._options.model, "failed").inc()
                cause = error
            else:
                self._metrics.model_calls.labels(self._options.model, "ok").inc()
                self._record(answer.usage, texts)
                return _normalised(rows, len(texts))
        raise EmbeddingError(f"{self._options.model} gave no embeddings") from cause

    async def _asked(self, client: "AsyncOpenAI", texts: list[str]) -> Any:
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                return await client.embeddings.create(model=self._options.model, input=texts)
        except (asyncio.CancelledError, TimeoutError):
            self._record(None, texts)  # the server bills what it got, also where nobody hears its answer
            raise

    async def _ready_client(self) -> "AsyncOpenAI":
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make)
        return self._client

    def _make(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI  # noqa: PLC0415 - half a second: only where it is used

        return AsyncOpenAI(
            api_key=self._options.api_key or NO_KEY,
            base_url=self._options.base_url,
            timeout=self._options.timeout_seconds,
            max_retries=0,  # we retry ourselves, on our own clock
        )

    def _record(self, usage: Any, texts: Sequence[str]) -> None:
        """What the server counted, or an estimate where it counts nothing."""
        counted = getattr(usage, "prompt_tokens", None)
        tokens = counted or math.ceil(sum(len(text.encode(errors="replace")) for text in texts) / BYTES_A_TOKEN)
        self._metrics.model_tokens.labels(self._options.model, "input").inc(tokens)
        self._metrics.model_cost.labels(self._options.model).inc(tokens * self._options.price_usd / 1_000_000)


def _normalised(rows: Any, count: int) -> Vectors:
    vectors: Vectors = np.asarray(rows, np.float32)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True) if vectors.ndim == 2 else None  # noqa: PLR2004 - rows
    if lengths is None or len(vectors) != count or not np.all(np.isfinite(vectors)) or not np.all(lengths > 0):
        raise EmbeddingError("the server's embeddings are not what was asked for")
    normalised: Vectors = vectors / lengths
    return normalised

"""Vectors from an OpenAI-compatible server, through langchain-openai."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from database.clock import Clock
from database.metrics import Metrics
from vectorstore.embedders import EmbeddingError
from vectorstore.frames import Vectors


@dataclass(frozen=True, slots=True)
class OpenAIEmbedderOptions:
    """Where and how to ask. `retries` come after the first try; `batch` is texts a request."""

    api_key: str = field(repr=False)
    model: str = "text-embedding-3-small"
    base_url: str | None = None
    timeout_seconds: float = 20.0
    retries: int = 2
    concurrency: int = 4
    batch: int = 128


class OpenAIEmbedder:
    """The client is made at the first use, in a thread: importing langchain takes a second."""

    def __init__(self, options: OpenAIEmbedderOptions, metrics: Metrics, *, clock: Clock, dice: random.Random) -> None:
        self.name = f"openai-{options.model}"
        self._options = options
        self._metrics = metrics
        self._clock = clock
        self._dice = dice
        self._room = asyncio.Semaphore(options.concurrency)
        self._making = asyncio.Lock()
        self._client: Any = None
        self._connections: Any = None

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
        if self._connections is not None:
            await self._connections.aclose()

    async def _batch(self, texts: list[str]) -> Vectors:
        client = await self._ready_client()
        for attempt in range(self._options.retries + 1):
            if attempt:
                await self._clock.sleep(self._dice.uniform(0.5, 1.0) * 2.0**attempt)
            try:
                async with self._room, asyncio.timeout(self._options.timeout_seconds):
                    rows = await client.aembed_documents(texts)
            except Exception as error:  # noqa: BLE001 - the border: whatever the client raises is "no vectors"
                self._metrics.model_calls.labels(self._options.model, "failed").inc()
                cause = error
            else:
                self._metrics.model_calls.labels(self._options.model, "ok").inc()
                return _normalised(rows, len(texts))
        raise EmbeddingError(f"{self._options.model} gave no embeddings") from cause

    async def _ready_client(self) -> Any:
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make)
        return self._client

    def _make(self) -> Any:
        from httpx import AsyncClient  # noqa: PLC0415 - as below
        from langchain_openai import OpenAIEmbeddings  # noqa: PLC0415 - a second: only where it is used

        self._connections = AsyncClient(timeout=self._options.timeout_seconds, follow_redirects=True)
        return OpenAIEmbeddings(
            model=self._options.model,
            api_key=self._options.api_key,  # type: ignore[arg-type]  # pydantic makes the secret of it
            base_url=self._options.base_url,
            timeout=self._options.timeout_seconds,
            max_retries=0,
            http_async_client=self._connections,
            # Otherwise models and servers without tiktoken's table make it download one.
            check_embedding_ctx_length=False,
            chunk_size=self._options.batch,
        )


def _normalised(rows: Any, count: int) -> Vectors:
    vectors: Vectors = np.asarray(rows, np.float32)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True) if vectors.ndim == 2 else None  # noqa: PLR2004 - rows
    if lengths is None or len(vectors) != count or not np.all(np.isfinite(vectors)) or not np.all(lengths > 0):
        raise EmbeddingError("the server's embeddings are not what was asked for")
    normalised: Vectors = vectors / lengths
    return normalised

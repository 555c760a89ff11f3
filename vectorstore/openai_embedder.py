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
from vectorstore.model_attempts import Attempts, FailedAttemptError, failure_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NO_KEY = "not-needed"
BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class OpenAIEmbedderOptions:
    """Where and how to ask. `retries` come after the first try; `batch` is texts a request.

    What will not pass is not tried again: a refusal, and a server that asks for more than `timeout_seconds` of rest.
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
        self._attempts = Attempts(options.retries, clock, dice, self._count)
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
        try:
            vectors = await self._attempts.until_answered(
                lambda: self._asked(client, texts), seconds=self._options.timeout_seconds
            )
        except FailedAttemptError as error:
            raise EmbeddingError(f"{self._options.model} gave no embeddings ({error.outcome})") from error.__cause__
        self._count("answered")
        return vectors

    async def _asked(self, client: "AsyncOpenAI", texts: list[str]) -> Vectors:
        """One try. What the server bills is recorded, also where nobody hears its answer."""
        async with self._room:
            try:
                async with asyncio.timeout(self._options.timeout_seconds):
                    answer = await client.embeddings.create(model=self._options.model, input=texts)
                rows = [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
            except asyncio.CancelledError:
                self._record(None, texts)
                raise
            except Exception as error:  # the border: the client raises anything at a bad answer
                failed = failure_of(error)
                if failed.is_billed:
                    self._record(None, texts)
                raise failed from error
        self._record(answer.usage, texts)
        return _normalised(rows, len(texts))

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

    def _count(self, outcome: str) -> None:
        self._metrics.model_calls.labels(self._options.model, outcome).inc()

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
        raise FailedAttemptError("nonsense", may_help_again=True)
    normalised: Vectors = vectors / lengths
    return normalised

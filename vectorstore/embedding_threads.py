"""Runs an embedder that counts on this machine: a few texts (queries) never wait behind many (an upload)."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np

from vectorstore.embedding_process import EmbeddingProcess
from vectorstore.frames import Vectors

M = TypeVar("M")

QUERY_TEXTS = 4
# From so many texts on a process of its own is worth its start.
PROCESS_TEXTS = 64
PROCESS_SLICE = 64
# A short question is embedded where it is asked, by a model that is this quick: to wait for a thread takes longer.
SHORT_CHARACTERS = 400


class EmbeddingThreads(Generic[M]):
    """Loads a model once, at the first use; embeds in slices, so that no call holds the interpreter lock for long.

    Many texts go to a process, which has the model once more: `arguments` are those of vectorstore.embedding_child.
    A model is `quick` when a question takes it less than a millisecond.
    """

    def __init__(
        self,
        load: Callable[[], M],
        embed: Callable[[M, list[str]], Vectors],
        arguments: Callable[[], Sequence[str]],
        *,
        dimension: int,
        slice_texts: int,
        quick: bool = False,
    ) -> None:
        self._load = load
        self._embed = embed
        self._dimension = dimension
        self._slice_texts = slice_texts
        self._quick = quick
        self._queries = ThreadPoolExecutor(1, thread_name_prefix="embed-query")
        self._bulk = ThreadPoolExecutor(1, thread_name_prefix="embed-bulk")
        self._process = EmbeddingProcess(arguments, dimension)
        self._loading = threading.Lock()
        self._model: M | None = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dimension). Raises EmbeddingError, and what `load` and `embed` raise."""
        if self._quick and self._model is not None and len(texts) == 1 and len(texts[0]) <= SHORT_CHARACTERS:
            return self._embed(self._model, list(texts))
        executor = self._queries if len(texts) <= QUERY_TEXTS else self._bulk
        alone = len(texts) >= PROCESS_TEXTS
        work, at_once = (self._process.embed, PROCESS_SLICE) if alone else (self._slice, self._slice_texts)
        loop = asyncio.get_running_loop()
        parts = [
            await loop.run_in_executor(executor, work, list(texts[start : start + at_once]))
            for start in range(0, len(texts), at_once)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self._dimension), np.float32)

    async def load(self) -> None:
        """Load the model now. Raises what `load` raises."""
        await asyncio.get_running_loop().run_in_executor(self._queries, self._loaded)

    def close(self) -> None:
        """End the threads, once they have finished what they are at, and the process at once."""
        self._process.end()
        self._queries.shutdown(wait=False, cancel_futures=True)
        self._bulk.submit(self._process.clear)
        self._bulk.shutdown(wait=False)

    def _slice(self, texts: list[str]) -> Vectors:
        return self._embed(self._loaded(), texts)

    def _loaded(self) -> M:
        with self._loading:
            if self._model is None:
                self._model = self._load()
            return self._model

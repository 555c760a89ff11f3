"""The default embedder: WordLlama's weights out of its wheel; no network, no cost, thousands of chunks a second."""

import importlib.util
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vectorstore.embedders import EmbeddingError
from vectorstore.embedding_threads import EmbeddingThreads
from vectorstore.frames import Vectors

logger = logging.getLogger(__name__)

DIMENSION = 256
SLICE_TEXTS = 16


class WordLlamaEmbedder:
    """Loaded at the first use, in a thread. A few texts (queries) never wait behind many (an upload)."""

    name = "wordllama-256"
    dimension = DIMENSION

    def __init__(self) -> None:
        self._threads = EmbeddingThreads(
            _load, _embed, lambda: ["wordllama"], dimension=DIMENSION, slice_texts=SLICE_TEXTS, quick=True
        )

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As Embedder.embed; in slices, so that no call holds the interpreter lock for long."""
        return await self._threads.embed(texts)

    async def load(self) -> None:
        """Load the weights now rather than at the first use; what keeps them away is logged, and raised by `embed`."""
        try:
            await self._threads.load()
        except EmbeddingError as error:
            logger.warning("searches go without vectors: %s", error)

    def close(self) -> None:
        """End the threads, once they have finished what they are at."""
        self._threads.close()


def embedding() -> Callable[[list[str]], Vectors]:
    """The model, for a process of its own. Raises EmbeddingError."""
    return partial(_embed, _load())


def _embed(model: Any, texts: list[str]) -> Vectors:
    vectors = np.empty((len(texts), DIMENSION), np.float32)
    # Text by text: WordLlama's own embed() pads the slice to its longest text and multiplies by a mask. The fast call
    # gives the same ids without counting where in the text they are: a quarter less time (measured).
    for row, encoding in enumerate(model.tokenizer.encode_batch_fast(texts, add_special_tokens=False)):
        vectors[row] = _pooled(model.embedding, encoding.ids)
    return vectors


def _pooled(weights: Vectors, ids: list[int]) -> Vectors:
    """The mean of the words' vectors, brought to length 1; a text without words gets the first axis."""
    if ids:
        total: Vectors = weights.take(np.asarray(ids, np.intp), axis=0, mode="clip").sum(axis=0)
        length = float(np.sqrt(total @ total))
        if length > 0:
            return total / np.float32(length)
    axis = np.zeros(DIMENSION, np.float32)
    axis[0] = 1.0
    return axis


def _load() -> Any:
    """The model. Raises EmbeddingError, whatever the package's own fault is: the words can answer without it."""
    try:
        return _load_offline()
    except EmbeddingError:
        raise
    except Exception as error:  # its tokenizer raises plain Exceptions
        raise EmbeddingError(f"WordLlama cannot be loaded: {error}") from error


def _load_offline() -> Any:
    # Rayon's threads would take both cores of a small machine from the event loop.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    found = importlib.util.find_spec("wordllama")
    if found is None or found.origin is None:
        raise EmbeddingError("the package wordllama is not installed")
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        from wordllama import WordLlama  # noqa: PLC0415 - half a second and 40 MB: only where it is used
    finally:
        # Its import calls logging.basicConfig, which is not its business.
        root.handlers[:] = handlers
        root.setLevel(level)
    # Offline: without cache_dir it looks for its tokenizer in the wrong folder, then in the network.
    model = WordLlama.load(cache_dir=Path(found.origin).parent, dim=DIMENSION, disable_download=True)
    model.tokenizer.no_padding()
    return model

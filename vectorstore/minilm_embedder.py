"""Chroma's own embedder, all-MiniLM-L6-v2 as ONNX: offline, slower than WordLlama, better at sense."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from database.clock import Clock
from vectorstore.embedders import EmbeddingError
from vectorstore.embedding_threads import EmbeddingThreads
from vectorstore.frames import Vectors
from vectorstore.minilm_files import MODEL, TOKENIZER, MiniLMFiles

logger = logging.getLogger(__name__)

DIMENSION = 384
# as Chroma cuts it, after sentence-transformers' own settings of the model
MOST_TOKENS = 256
SLICE_TEXTS = 8
FAILURE_SECONDS = 60.0


class MiniLMEmbedder:
    """Loaded at the first use, in a thread; ONNX Runtime lets go of the interpreter lock while it counts.

    When that fails, it is not tried again for a minute: a load from elsewhere may take long to fail.
    """

    name = "minilm-l6-v2-384"
    dimension = DIMENSION

    def __init__(self, files: MiniLMFiles, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._failure = ""
        self._failed_until = 0.0
        self._closed = threading.Event()
        self._threads = EmbeddingThreads(
            self._load, _embed, self._child_arguments, dimension=DIMENSION, slice_texts=SLICE_TEXTS
        )

    @property
    def available(self) -> bool:
        """Whether its files are there, or may be loaded."""
        return self._files.download or self._files.found() is not None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As Embedder.embed; in slices, so that little memory is needed."""
        return await self._threads.embed(texts)

    async def load(self) -> None:
        """Load the model now rather than at the first use; what keeps it away is logged, and raised by `embed`."""
        try:
            await self._threads.load()
        except EmbeddingError as error:
            logger.warning("searches go without vectors: %s", error)

    def close(self) -> None:
        """End the threads, once they have finished what they are at; files that are being loaded are given up."""
        self._closed.set()
        self._threads.close()

    def _load(self) -> "_Model":
        if self._failure and self._clock.monotonic() < self._failed_until:
            raise EmbeddingError(self._failure)
        try:
            return self._loaded()
        except EmbeddingError as error:
            self._failure, self._failed_until = str(error), self._clock.monotonic() + FAILURE_SECONDS
            raise

    def _loaded(self) -> "_Model":
        return _model(self._files.fetched(self._closed.is_set))

    def _child_arguments(self) -> list[str]:
        return ["minilm", str(self._files.fetched(self._closed.is_set))]


def embedding(folder: str) -> Callable[[list[str]], Vectors]:
    """The model, for a process of its own. Raises EmbeddingError."""
    return partial(_embed, _model(Path(folder)))


def _model(folder: Path) -> "_Model":
    try:
        return _Model(str(folder / MODEL), str(folder / TOKENIZER))
    except Exception as error:  # both packages raise exceptions of their own, and plain ones
        raise EmbeddingError(f"minilm cannot be loaded from {folder}: {error}") from error


def _embed(model: "_Model", texts: list[str]) -> Vectors:
    try:
        return model.embed(texts)
    except Exception as error:  # whatever is wrong inside the runtime is "no vectors"
        raise EmbeddingError(f"minilm gave no vectors: {error}") from error


class _Model:
    """Tokenizer and session. Vectors are the mean of the words', as sentence-transformers makes them."""

    def __init__(self, model: str, tokenizer: str) -> None:
        # Rayon's threads would take both cores of a small machine from the event loop.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        import onnxruntime  # noqa: PLC0415 - a quarter of a second and 40 MB: only where it is used
        from tokenizers import Tokenizer  # noqa: PLC0415 - the same

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # One core of a small machine stays free for customers.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._tokenizer: Any = Tokenizer.from_file(tokenizer)
        self._tokenizer.enable_truncation(max_length=MOST_TOKENS)
        self._tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")  # noqa: S106 - no password

    def embed(self, texts: list[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([each.ids for each in encoded], np.int64).reshape(len(texts), -1)
        mask = np.array([each.attention_mask for each in encoded], np.int64).reshape(len(texts), -1)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, given)[0]
        weights = mask[:, :, np.newaxis].astype(np.float32)
        means = (states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        means[:, 0] += lengths[:, 0] == 0  # a text without any word gets the first axis
        vectors: Vectors = (means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)).astype(np.float32)
        if vectors.shape != (len(texts), DIMENSION) or not np.all(np.isfinite(vectors)):
            raise EmbeddingError("the model's vectors are not what was asked for")
        return vectors

"""Many texts are embedded in a process of their own, whatever becomes of it."""

import asyncio
import os
import signal
import sys

import numpy as np
import pytest

from tests.bench.index_lag import some_texts
from vectorstore.embedders import EmbeddingError
from vectorstore.embedding_process import EmbeddingProcess
from vectorstore.wordllama_embedder import DIMENSION, WordLlamaEmbedder

TEXTS = ["When do you open?", "", "\x00", *some_texts(200)]


@pytest.fixture
def process():
    process = EmbeddingProcess(lambda: ["wordllama"], DIMENSION)
    yield process
    process.end()
    process.clear()


def child(script: str, seconds: float = 60.0) -> EmbeddingProcess:
    """A process that runs other code than ours."""
    return EmbeddingProcess(list, DIMENSION, seconds=seconds, command=(sys.executable, "-c", script))


async def test_the_process_gives_the_same_vectors():
    """Whether a text comes alone or with two hundred others, its vector is the same."""
    embedder = WordLlamaEmbedder()
    try:
        many = await embedder.embed(TEXTS)
        few = np.concatenate([await embedder.embed(TEXTS[start : start + 4]) for start in range(0, len(TEXTS), 4)])
    finally:
        embedder.close()
    assert many.shape == (len(TEXTS), DIMENSION)
    assert np.allclose(many, few, atol=1e-6)


def test_a_killed_process_is_started_again(process):
    """Who asks next does not notice."""
    process.embed(TEXTS[:2])
    first = process.pid
    assert first
    os.kill(first, signal.SIGKILL)
    assert process.embed(TEXTS[:2]).shape == (2, DIMENSION)
    assert process.pid != first


def test_an_idle_process_ends_and_comes_back():
    """It gives its memory back; the next upload starts another one."""
    impatient = "from vectorstore import embedding_child as it; it.IDLE_SECONDS = 0.1; it.main('wordllama', [])"
    idle = child(impatient)
    try:
        idle.embed(TEXTS[:2])
        first = idle.pid
        assert first
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert idle.embed(TEXTS[:2]).shape == (2, DIMENSION)
        assert idle.pid != first
    finally:
        idle.clear()


@pytest.mark.parametrize("script", ["raise SystemExit", "import time; time.sleep(600)"], ids=["dies", "hangs"])
def test_one_that_never_answers_is_given_up(script):
    """A fault is raised in the end, nobody waits for ever, and nothing is left running."""
    hopeless = child(script, seconds=0.3)
    with pytest.raises(EmbeddingError, match="died, or took too long"):
        hopeless.embed(["x"])
    assert hopeless.pid is None


def test_a_model_that_cannot_be_loaded_is_told():
    """What keeps the model away is said by who asked for vectors, and does not end the process."""
    minilm = EmbeddingProcess(lambda: ["minilm", "/nowhere"], DIMENSION)
    try:
        for _ in range(2):
            with pytest.raises(EmbeddingError, match="cannot be loaded"):
                minilm.embed(["x"])
    finally:
        minilm.clear()


async def test_closing_ends_a_process_at_work():
    """The end waits for nobody's upload, and nothing is started afterwards."""
    embedder = WordLlamaEmbedder()
    upload = asyncio.create_task(embedder.embed(TEXTS * 50))
    await embedder.embed(TEXTS[:65])
    embedder.close()
    with pytest.raises((EmbeddingError, RuntimeError)):
        await upload

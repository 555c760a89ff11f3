"""The embedders: their vectors, and what happens when they have none."""

import asyncio
import logging
import random
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from database.metrics import Metrics
from tests.fakes.hasty_clock import HastyClock
from tests.fakes.scripted_openai import ScriptedOpenAI
from vectorstore.embedders import EmbeddingError
from vectorstore.openai_embedder import OpenAIEmbedder, OpenAIEmbedderOptions
from vectorstore.remembering_embedder import RememberingEmbedder
from vectorstore.wordllama_embedder import WordLlamaEmbedder


@pytest.fixture
async def wordllama() -> AsyncIterator[WordLlamaEmbedder]:
    embedder = WordLlamaEmbedder()
    yield embedder
    embedder.close()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI().running() as running:
        yield running


@pytest.fixture
def clock() -> HastyClock:
    return HastyClock()


@pytest.fixture
async def openai(
    server: ScriptedOpenAI, metrics: Metrics, clock: HastyClock
) -> AsyncIterator[Callable[..., OpenAIEmbedder]]:
    made: list[OpenAIEmbedder] = []

    def make(**options: Any) -> OpenAIEmbedder:
        chosen = OpenAIEmbedderOptions("sk-test", base_url=server.base_url, **options)
        made.append(OpenAIEmbedder(chosen, metrics, clock=clock, dice=random.Random(1)))
        return made[-1]

    yield make
    for embedder in made:
        await embedder.close()


async def test_wordllama_vectors(wordllama: WordLlamaEmbedder) -> None:
    """One row of length 1 a text, in their order, whatever is in the text; the same in a crowd as alone."""
    texts = ["When do you open?", "Opening hours", "", "水", "\x00", "a" * 5_000, *("filler" for _ in range(40))]
    vectors = await wordllama.embed(texts)
    assert vectors.shape == (len(texts), wordllama.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (await wordllama.embed(texts[:1]))[0] == pytest.approx(vectors[0], abs=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[6]
    assert (await wordllama.embed([])).shape == (0, wordllama.dimension)


async def test_queries_do_not_wait(wordllama: WordLlamaEmbedder) -> None:
    """A question is embedded while an upload is, not after it."""
    await wordllama.load()
    upload = asyncio.create_task(wordllama.embed(["a long document " * 50] * 3_000))
    await asyncio.sleep(0)
    await wordllama.embed(["a question"])
    assert not upload.done()
    await upload


@pytest.mark.blocking_allowed  # it writes a package
@pytest.mark.parametrize("fault", ["ImportError", "OSError", "Exception"])
async def test_wordllama_cannot_be_loaded(
    wordllama: WordLlamaEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A broken installation is an EmbeddingError, so that searches go on by words; the log is left as it was."""
    (tmp_path / "wordllama").mkdir()
    source = f"import logging\nlogging.getLogger().setLevel(5)\nraise {fault}('it is broken')\n"
    (tmp_path / "wordllama" / "__init__.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wordllama", raising=False)
    level = logging.getLogger().level
    await wordllama.load()
    with pytest.raises(EmbeddingError, match="it is broken"):
        await wordllama.embed(["When do you open?"])
    assert logging.getLogger().level == level


async def test_openai_vectors(server: ScriptedOpenAI, openai: Callable[..., OpenAIEmbedder]) -> None:
    """One row of length 1 a text, in their order, in batches; the texts arrive as they are."""
    embedder = openai(batch=3)
    texts = ["red shoes", "blue hats", "red hats", "green gloves"]
    vectors = await embedder.embed(texts)
    assert vectors.shape == (4, server.dimension)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert [text for batch in server.embeddings for text in batch] == texts
    assert len(server.embeddings) == 2
    assert (await embedder.embed([])).shape[0] == 0


async def test_openai_tries_again(
    server: ScriptedOpenAI, metrics: Metrics, openai: Callable[..., OpenAIEmbedder]
) -> None:
    """A fault that passes is not noticed; each try is counted by how it ended, as a chat model's is."""
    server.faults.extend(["status_500", "hang_up"])
    assert len(await openai().embed(["text"])) == 1
    counted = metrics.registry.get_sample_value
    model = "text-embedding-3-small"
    for outcome in ("status_500", "connection", "answered"):
        assert counted("concierge_model_calls_total", {"model": model, "outcome": outcome}) == 1


@pytest.mark.parametrize("fault", ["garbage", "empty", "status_500"])
async def test_openai_gives_up(server: ScriptedOpenAI, openai: Callable[..., OpenAIEmbedder], fault: str) -> None:
    """A fault that stays is an EmbeddingError, after a bounded number of tries."""
    server.lasting_fault = fault  # type: ignore[assignment]
    with pytest.raises(EmbeddingError):
        await openai(retries=1).embed(["text"])
    assert len(server.embeddings) == 2


@pytest.mark.parametrize("fault", ["status_400", "status_401", "status_404", "out_of_quota"])
async def test_openai_refuses(server: ScriptedOpenAI, openai: Callable[..., OpenAIEmbedder], fault: str) -> None:
    """What will not pass is an EmbeddingError at once: nobody waits for tries that cannot help."""
    server.lasting_fault = fault  # type: ignore[assignment]
    with pytest.raises(EmbeddingError):
        await openai(retries=3).embed(["text"])
    assert len(server.embeddings) == 1


async def test_openai_rests_as_long_as_it_is_told(
    server: ScriptedOpenAI, openai: Callable[..., OpenAIEmbedder], clock: HastyClock
) -> None:
    """A server that says when to come again is asked then and not before, unless that is longer than anyone waits."""
    server.retry_after = "7"
    server.faults.append("status_429")
    embedder = openai(retries=1, timeout_seconds=10.0)
    assert len(await embedder.embed(["text"])) == 1
    assert clock.slept == [7.0]
    server.retry_after = "600"
    server.lasting_fault = "status_429"
    with pytest.raises(EmbeddingError):
        await embedder.embed(["text"])
    assert clock.slept == [7.0]


async def test_openai_hangs(server: ScriptedOpenAI, openai: Callable[..., OpenAIEmbedder]) -> None:
    """A server that never answers costs the time-out, not for ever."""
    server.lasting_fault = "hang"
    with pytest.raises(EmbeddingError):
        await openai(retries=0, timeout_seconds=0.3).embed(["text"])


async def test_openai_bills_what_nobody_heard(
    server: ScriptedOpenAI, metrics: Metrics, openai: Callable[..., OpenAIEmbedder]
) -> None:
    """A call that ran out of time counts by what went in; one that was refused does not."""
    server.faults.extend(["hang", "status_500"])
    with pytest.raises(EmbeddingError):
        await openai(retries=1, timeout_seconds=0.3).embed(["x" * 40])
    sample = metrics.registry.get_sample_value
    assert sample("concierge_model_tokens_total", {"model": "text-embedding-3-small", "direction": "input"}) == 10


async def test_openai_usage(server: ScriptedOpenAI, metrics: Metrics, openai: Callable[..., OpenAIEmbedder]) -> None:
    """Tokens and their price are recorded, as the server counts them."""
    await openai(price_usd=2.0).embed(["twelve chars"])
    sample = metrics.registry.get_sample_value
    model = "text-embedding-3-small"
    assert sample("concierge_model_tokens_total", {"model": model, "direction": "input"}) == 12
    assert sample("concierge_model_cost_usd_total", {"model": model}) == pytest.approx(24e-6)


async def test_questions_are_embedded_once(
    server: ScriptedOpenAI, metrics: Metrics, openai: Callable[..., OpenAIEmbedder]
) -> None:
    """A question that was asked before costs no call; the oldest are forgotten first; a document is not remembered."""
    raw = openai()
    remembering = RememberingEmbedder(raw, metrics, entries=2)
    assert remembering.name == raw.name
    first = await remembering.embed(["red shoes"])
    assert (await remembering.embed(["red shoes"]) == first).all()
    both = await remembering.embed(["blue hats", "red shoes", "blue hats"])
    assert (both[1] == first[0]).all()
    assert (both[0] == both[2]).all()
    assert server.embeddings == [["red shoes"], ["blue hats"]]
    await remembering.embed(["red shoes"])
    await remembering.embed(["green gloves"])
    await remembering.embed(["red shoes"])
    await remembering.embed([f"piece {n}" for n in range(9)])
    await remembering.embed(["blue hats"])
    assert [batch[0] for batch in server.embeddings[2:]] == ["green gloves", "piece 0", "blue hats"]
    assert metrics.registry.get_sample_value("concierge_embedding_cache_total", {"outcome": "hit"}) == 5


async def test_what_could_not_be_embedded_is_tried_again(
    server: ScriptedOpenAI, metrics: Metrics, openai: Callable[..., OpenAIEmbedder]
) -> None:
    """A failure is not remembered."""
    remembering = RememberingEmbedder(openai(retries=0), metrics, entries=2)
    server.faults.append("status_500")
    with pytest.raises(EmbeddingError):
        await remembering.embed(["red shoes"])
    assert (await remembering.embed(["red shoes"])).shape[0] == 1

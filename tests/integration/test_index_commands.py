"""The index as settings and commands reach it: embedders that change over restarts, reindex, copies to a server."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from bot.commands.failures import CommandError, Exit
from bot.commands.reindex import own_index, reindex
from bot.commands.vectors import copy_vectors
from bot.data_directory import DATABASE_FILES
from bot.settings import Settings
from database.clock import SystemClock
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from tests.fakes.chroma_run import ChromaRun, chroma_run
from tests.fakes.knowledge_base import WordHashEmbedder, knowledge_base
from tests.fakes.tiny_onnx import tiny_minilm
from vectorstore.chroma_manager import Collection
from vectorstore.minilm_embedder import MiniLMEmbedder
from vectorstore.wordllama_embedder import WordLlamaEmbedder

pytestmark = pytest.mark.blocking_allowed  # commands start processes and read files

SHOP = "shop"
TEXTS = ["When do you open? At nine.", "A refund takes three hours.", "Opening hours are from nine to six."]


def settings(directory: Path, **more: Any) -> Settings:
    return Settings(concierge_data_dir=directory, concierge_reindex_share=1.0, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose knowledge WordLlama has embedded, opened once and closed: each test works on a copy."""
    directory = tmp_path_factory.mktemp("opened")
    embedder = WordLlamaEmbedder()
    async with knowledge_base(directory, embedder=embedder) as base:
        await base.learn(SHOP, TEXTS)
    embedder.close()
    assert await answered_by(settings(directory)) == WordLlamaEmbedder.name
    return directory


@pytest.fixture
def data(opened: Path, tmp_path: Path) -> Path:
    shutil.copytree(opened, tmp_path / "data")
    return tmp_path / "data"


async def answered_by(chosen: Settings) -> str:
    """Open the index as a server does; once it has settled, who answers by vectors."""
    async with own_index(chosen, SystemClock()) as index:
        async with asyncio.timeout(60):
            if index.serving.coming is not None:
                await index.switch.ended.wait()
            await index.vectors.wait_ready()
            await index.index.wait_healthy()
        (found,) = await index.index.search(SHOP, "opening hours", limit=1)
        assert found.cosine is not None
        component = await index.check()
        assert "reindexing" not in component.facts
        return index.serving.name


async def test_another_embedder_in_the_settings(data: Path, tmp_path: Path) -> None:
    """Another embedder takes over after a restart, and the former one again after another."""
    minilm = {"concierge_embedder": "minilm", "concierge_minilm_dir": tiny_minilm(tmp_path / "model")}
    assert await answered_by(settings(data, **minilm)) == MiniLMEmbedder.name
    assert await answered_by(settings(data, **minilm)) == MiniLMEmbedder.name
    assert await answered_by(settings(data)) == WordLlamaEmbedder.name


async def test_the_former_one_cannot_be_asked(tmp_path: Path) -> None:
    """Where the former embedder is gone, the new one embeds everything while the words answer."""
    data = tmp_path / "data"
    data.mkdir()
    async with knowledge_base(data, embedder=WordHashEmbedder()) as base:
        await base.learn(SHOP, TEXTS)
    assert await answered_by(settings(data)) == WordLlamaEmbedder.name


async def test_reindex(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a server the command makes both indexes anew by itself, and says how many chunks that were."""
    for embed in (False, True):
        assert await reindex(settings(data), SystemClock(), embed=embed, as_json=True) is Exit.OK
        made = json.loads(capsys.readouterr().out)
        assert (made["state"], made["chunks"]) == ("done", len(TEXTS))
    assert await answered_by(settings(data)) == WordLlamaEmbedder.name


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ChromaRun]:
    async with chroma_run(tmp_path / "server") as running:
        yield running


async def test_move_to_a_server_and_back(data: Path, server: ChromaRun, capsys: pytest.CaptureFixture[str]) -> None:
    """Copied to a server, the index is there when the setting names it; copied back, it is here again."""
    assert await copied(data, capsys, to=server.url) == {"collections": 1, "copied": 3, "skipped": 0, "removed": 0}
    assert await copied(data, capsys, to=server.url) == {"collections": 1, "copied": 0, "skipped": 3, "removed": 0}
    there = settings(data, concierge_chroma_url=server.url)
    async with own_index(there, SystemClock()) as index:
        await index.vectors.wait_ready()
        await index.index.wait_healthy()
        place = Collection(SHOP, WordLlamaEmbedder.name)
        assert await index.vectors.count(place) == len(TEXTS)
        await index.vectors.add(place, ["one more"], np.eye(256, dtype=np.float32)[:1])
    assert (await copied(data, capsys, source=server.url))["copied"] == 1


async def copied(data: Path, capsys: pytest.CaptureFixture[str], **way: str) -> dict[str, int]:
    ways = {"to": None, "source": None} | way
    assert await copy_vectors(settings(data), SystemClock(), as_json=True, **ways) is Exit.OK
    found: dict[str, int] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://user:secret@127.0.0.1:1", "CONCIERGE_CHROMA_TOKEN"),
        ("ftp://127.0.0.1", "http://chroma:8000"),
        ("http://127.0.0.1:9", "does not answer"),
    ],
)
async def test_wrong_addresses(data: Path, url: str, expected: str) -> None:
    """An address that cannot be used is refused with a sentence, which never holds a password."""
    with pytest.raises(CommandError, match=expected) as refusal:
        await copy_vectors(settings(data), SystemClock(), to=url, source=None, as_json=True)
    assert "secret" not in str(refusal.value)


async def test_nothing_to_copy(tmp_path: Path) -> None:
    """A data directory that no server has ever opened has no index to copy."""
    async with Database.open(tmp_path / DATABASE_FILES["knowledge"], DatabaseOptions("knowledge"), Metrics()):
        pass
    with pytest.raises(CommandError, match="start the server once"):
        await copy_vectors(settings(tmp_path), SystemClock(), to="http://127.0.0.1:9", source=None, as_json=True)

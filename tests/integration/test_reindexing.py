"""Both indexes made anew while the old ones answer; by the API, by the command, and after damage."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.chroma_run import chroma_run
from tests.fakes.hasty_clock import HastyClock
from tests.fakes.knowledge_base import KnowledgeBase, WordHashEmbedder, knowledge_base
from vectorstore.chroma_manager import Collection
from vectorstore.chroma_server import ServerOptions
from vectorstore.embedders import EmbeddingError
from vectorstore.frames import Vectors
from vectorstore.reindexing import Reindexing, ReindexParts
from vectorstore.serving_embedder import ServingEmbedder

SHOP = "shop"
TEXTS = [f"The lamp of tower{n} burns for some hours." for n in range(300)]
PLACE = Collection(SHOP, WordHashEmbedder.name)


@asynccontextmanager
async def reindexing(
    directory: Path, embedder: WordHashEmbedder, place: ServerOptions | None = None
) -> AsyncIterator[tuple[KnowledgeBase, Reindexing]]:
    serving = ServingEmbedder(embedder)
    async with knowledge_base(directory, embedder=serving, place=place) as base:
        await base.index.wait_healthy()
        parts = ReindexParts(base.database, base.words, base.vectors, base.index._healer, serving, HastyClock())
        async with Reindexing.running(parts) as work:
            yield base, work


async def found(base: KnowledgeBase, lamp: int) -> bool:
    """Whether both legs find it."""
    (passage,) = await base.index.search(SHOP, f"tower{lamp} lamp burns", limit=1)
    return passage.text == TEXTS[lamp] and passage.cosine is not None


@pytest.mark.parametrize("where", ["child process", "server"])
async def test_made_anew(tmp_path: Path, where: str) -> None:
    """Nothing is embedded again, strays are gone, what is there is found before, meanwhile by words, and after."""
    async with AsyncExitStack() as stack:
        place = None
        if where == "server":
            server = await stack.enter_async_context(chroma_run(tmp_path / "server"))
            place = ServerOptions(server.url, "concierge-here")
        embedder = WordHashEmbedder()
        async with reindexing(tmp_path, embedder, place) as (base, work):
            chunks = await base.learn(SHOP, TEXTS)
            await base.learn("neighbour", TEXTS[:3])
            assert work.state() is None
            embedded = embedder.embedded
            assert work.start(embed=False)
            assert not work.start(embed=False)
            while work.progress is not None:
                (passage,) = await base.index.search(SHOP, "tower17 lamp burns", limit=1)
                assert passage.text == TEXTS[17]
                await asyncio.sleep(0.01)
            ended = work.state()
            assert ended is not None
            assert (ended.running, ended.chunks, ended.error) == (False, 303, None)
            assert embedder.embedded - embedded < 300
            assert await base.vectors.ids(PLACE) == {chunk.id for chunk in chunks}
            assert len(await base.vectors.collections()) == 2
            assert await found(base, 42)


async def test_embedded_again(tmp_path: Path) -> None:
    """On demand every embedding is made anew, and those are what answers."""
    embedder = WordHashEmbedder()
    async with reindexing(tmp_path, embedder) as (base, work):
        await base.learn(SHOP, TEXTS)
        before = embedder.embedded
        work.start(embed=True)
        await work.wait()
        assert embedder.embedded - before == len(TEXTS)
        assert await found(base, 42)


class Broken(WordHashEmbedder):
    """Fails when it is told to."""

    broken = False

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if self.broken:
            raise EmbeddingError("not now")
        return await super().embed(texts)


async def test_a_failure_leaves_the_old_ones(tmp_path: Path) -> None:
    """An embedder that is away ends it with a sentence; the indexes answer as before, and it can be begun again."""
    embedder = Broken()
    async with reindexing(tmp_path, embedder) as (base, work):
        await base.learn(SHOP, TEXTS)
        embedder.broken = True
        work.start(embed=True)
        ended = await work.wait()
        assert ended is not None
        assert ended.error == "The indexes were not made anew: not now"
        embedder.broken = False
        assert await found(base, 42)
        work.start(embed=False)
        ended = await work.wait()
        assert ended is not None
        assert ended.error is None


async def test_a_stop_in_the_middle(tmp_path: Path) -> None:
    """A stop leaves the old indexes; half of a new one is cleared away at the next start."""
    embedder = WordHashEmbedder()
    async with reindexing(tmp_path, embedder) as (base, work):
        await base.learn(SHOP, TEXTS)
        half = Collection(SHOP, embedder.name, f"{PLACE.name}.fresh")
        await base.vectors.add(half, ["half"], await embedder.embed(["half"]))
        work.start(embed=False)
        await asyncio.sleep(0)
    async with knowledge_base(tmp_path, embedder=embedder) as base:
        await base.index.wait_healthy()
        assert await base.vectors.collections() == [PLACE.name]
        assert await base.vectors.count(PLACE) == len(TEXTS)
        assert not list(tmp_path.glob("lexical-fresh*"))


async def test_uploads_meanwhile(tmp_path: Path) -> None:
    """What is uploaded while the indexes are made anew is in both of them afterwards."""
    dice = random.Random(5)
    async with reindexing(tmp_path, WordHashEmbedder()) as (base, work):
        await base.learn(SHOP, TEXTS[:200])
        work.start(embed=False)
        for lamp in range(200, 210):
            await base.learn(SHOP, [TEXTS[lamp]], filename=f"lamp {lamp}.txt")
            await asyncio.sleep(dice.random() / 50)
        await work.wait()
        await base.index.wait_healthy()
        assert await base.vectors.count(PLACE) == 210
        for lamp in (5, 200, 209):
            assert await found(base, lamp)

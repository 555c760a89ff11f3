"""Another embedder takes over while the old one answers: on real databases and a real Chroma."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from database.clock import SystemClock
from database.documents import count_change
from database.index_state import EmbedderChangedError, index_state, still_serves
from database.metrics import Metrics
from database.transaction import Transaction
from tests.fakes.hasty_clock import HastyClock
from tests.fakes.knowledge_base import KnowledgeBase, WordHashEmbedder, knowledge_base
from vectorstore.chroma_manager import Collection
from vectorstore.embedder_switch import EmbedderSwitch, SwitchParts
from vectorstore.embedders import EmbeddingError
from vectorstore.frames import Vectors
from vectorstore.serving_embedder import ServingEmbedder

SHOP = "shop"
TEXTS = [
    "We open at nine in the morning and close at six.",
    "Returns are free within thirty days of the purchase.",
    "A gift card can be bought at the counter, or on the telephone.",
]


class OtherEmbedder(WordHashEmbedder):
    """Another model: waits while its gate is closed, refuses texts with a `poison`, fails once `most` are embedded."""

    name = "other-hash"
    dimension = 32

    def __init__(self, most: int = 100_000, poison: str = "\0") -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.most = most
        self.poison = poison

    async def embed(self, texts: Sequence[str]) -> Vectors:
        await self.gate.wait()
        if self.embedded >= self.most or any(self.poison in text for text in texts):
            raise EmbeddingError("not now")
        return await super().embed(texts)


@asynccontextmanager
async def switching(
    directory: Path, old: WordHashEmbedder, new: OtherEmbedder
) -> AsyncIterator[tuple[KnowledgeBase, EmbedderSwitch]]:
    """A knowledge base that is served by the old one, with the new one taking over."""
    serving = ServingEmbedder(old, new)
    async with knowledge_base(directory, embedder=serving) as base:
        await base.database.write(index_state(old.name, "here", 1))
        healer = base.index._healer
        parts = SwitchParts(
            *(base.database, base.vectors, healer.vectors, serving, healer.look, healer.wait_healthy),
            *(HastyClock(), random.Random(1)),
        )
        async with EmbedderSwitch.running(parts) as switch:
            yield base, switch


async def rows(base: KnowledgeBase, sql: str) -> list[Any]:
    async def unit(transaction: Transaction) -> list[Any]:
        return [tuple(row) for row in await transaction.all(sql)]

    return await base.database.read(unit)


def texts(passages: Any) -> list[str]:
    return [passage.text for passage in passages]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory, closed, with a shop's texts: each test works on a copy."""
    directory = tmp_path_factory.mktemp("embedded")
    async with knowledge_base(directory) as base:
        await base.learn(SHOP, TEXTS)
        await base.learn(SHOP, [f"Number {n} of many." for n in range(200)], filename="many.txt")
    return directory


@pytest.fixture
def old(embedded: Path, tmp_path: Path) -> WordHashEmbedder:
    """What has embedded a shop's texts."""
    shutil.copytree(embedded, tmp_path, dirs_exist_ok=True)
    return WordHashEmbedder()


async def test_the_old_one_answers_until_the_switch(tmp_path: Path, old: WordHashEmbedder) -> None:
    """Both legs answer all the time; after the switch the new vectors do, and of the old ones nothing is left."""
    new = OtherEmbedder()
    async with switching(tmp_path, old, new) as (base, switch):
        await base.index.wait_healthy()
        before = (await base.index.search(SHOP, "free returns", limit=1))[0]
        assert before.cosine is not None
        assert base.index.state().degraded is None
        assert switch.progress == 0.0
        await base.database.write(lambda transaction: count_change(transaction, SHOP))
        new.gate.set()
        await switch.ended.wait()
        assert switch.progress is None
        await base.index.wait_healthy()
        assert await base.vectors.collections() == [Collection(SHOP, new.name).name]
        assert await rows(base, "SELECT DISTINCT embedder FROM embeddings") == [(new.name,)]
        assert await rows(base, "SELECT DISTINCT embedder, embedded_too FROM versions") == [(new.name, None)]
        assert await rows(base, "SELECT embedder FROM index_state") == [(new.name,)]
        assert await base.vectors.count(Collection(SHOP, new.name)) == 203
        assert await base.index.version(SHOP) == 2
        found = (await base.index.search(SHOP, "free returns", limit=1))[0]
        assert found.text == before.text
        assert found.cosine not in {None, before.cosine}
        directories = [path for path in (tmp_path / "chroma").iterdir() if path.is_dir()]
        assert len(directories) <= 1, "the old collection's files went, too"


async def test_what_keeps_it_waiting_is_told(tmp_path: Path, old: WordHashEmbedder) -> None:
    """Readiness says why an embedder does not take over, as long as it does not."""
    new = OtherEmbedder(most=0)
    new.gate.set()
    async with switching(tmp_path, old, new) as (_base, switch):
        while switch.problem is None:
            await asyncio.sleep(0.01)
        assert switch.problem == "the switch of embedder waits: not now"
        new.most = 100_000
        await switch.ended.wait()
        assert switch.problem is None


async def test_uploads_go_on(tmp_path: Path, old: WordHashEmbedder) -> None:
    """A document that comes while another embedder takes over is found by both legs at once, and after the switch."""
    new = OtherEmbedder()
    async with switching(tmp_path, old, new) as (base, switch):
        await base.index.wait_healthy()
        await base.learn(SHOP, ["Bicycles are repaired on Tuesdays."], filename="late.txt")
        found = (await base.index.search(SHOP, "bicycles repaired", limit=1))[0]
        assert found.cosine is not None
        assert found.filename == "late.txt"
        new.gate.set()
        await switch.ended.wait()
        await base.index.wait_healthy()
        again = (await base.index.search(SHOP, "bicycles repaired", limit=1))[0]
        assert again.cosine is not None
        assert again.filename == "late.txt"


async def test_goes_on_where_it_was(tmp_path: Path, old: WordHashEmbedder) -> None:
    """A fault and a stop in the middle: what was embedded is not embedded again, and the old one answers."""
    first, second = OtherEmbedder(most=70), OtherEmbedder()
    first.gate.set()
    async with switching(tmp_path, old, first) as (base, _):
        while first.embedded < 70:
            await asyncio.sleep(0.01)
        assert texts(await base.index.search(SHOP, "free returns", limit=1)) == [TEXTS[1]]
    second.gate.set()
    async with switching(tmp_path, old, second) as (base, switch):
        await switch.ended.wait()
        assert await base.vectors.count(Collection(SHOP, second.name)) == 203
    assert first.embedded + second.embedded <= 203 + 2 * 64


async def test_changed_its_mind(tmp_path: Path, old: WordHashEmbedder) -> None:
    """The old embedder set again in the middle: it went on answering, and what the other one did is cleared away."""
    half = OtherEmbedder(most=70)
    half.gate.set()
    async with switching(tmp_path, old, half):
        while half.embedded < 70:
            await asyncio.sleep(0.01)
    serving = ServingEmbedder(old)
    async with knowledge_base(tmp_path, embedder=serving) as base:
        healer = base.index._healer
        parts = SwitchParts(
            *(base.database, base.vectors, healer.vectors, serving, healer.look, healer.wait_healthy),
            *(SystemClock(), random.Random(1)),
        )
        async with EmbedderSwitch.running(parts) as switch:
            await switch.ended.wait()
            await base.index.wait_healthy()
            assert await rows(base, "SELECT DISTINCT embedder FROM embeddings") == [(old.name,)]
            assert await rows(base, "SELECT DISTINCT embedder, embedded_too FROM versions") == [(old.name, None)]
            assert (await base.index.search(SHOP, "free returns", limit=1))[0].cosine is not None


async def test_a_text_that_cannot_be_embedded(tmp_path: Path, old: WordHashEmbedder) -> None:
    """A chunk that the new embedder refuses keeps nobody waiting: it is counted as missing, and found by its words."""
    new = OtherEmbedder(poison="gift card")
    new.gate.set()
    async with switching(tmp_path, old, new) as (base, switch):
        await switch.ended.wait()
        await base.index.wait_healthy()
        assert await base.vectors.count(Collection(SHOP, new.name)) == 202
        assert await rows(base, "SELECT chunks_missing FROM documents ORDER BY chunks_missing") == [(0,), (1,)]
        assert texts(await base.index.search(SHOP, "gift card counter", limit=1)) == [TEXTS[2]]


async def test_a_refused_text_is_remembered_over_a_stop(tmp_path: Path, old: WordHashEmbedder) -> None:
    """What was refused before a stop in the middle of the change is counted as missing after the switch."""
    first, second = OtherEmbedder(most=70, poison="gift card"), OtherEmbedder(poison="gift card")
    first.gate.set()
    async with switching(tmp_path, old, first) as (base, _):
        while first.embedded < 60:
            await asyncio.sleep(0.01)
    second.gate.set()
    async with switching(tmp_path, old, second) as (base, switch):
        await switch.ended.wait()
        assert await rows(base, "SELECT chunks_missing FROM documents ORDER BY chunks_missing") == [(0,), (1,)]


async def test_nothing_becomes_live_by_the_old_one_afterwards(tmp_path: Path, metrics: Metrics) -> None:
    """What was embedded by the old one is not made live after the switch: its vectors would answer nobody."""
    async with knowledge_base(tmp_path, metrics=metrics) as base:
        assert await base.database.write(lambda transaction: still_serves(transaction, "anybody"))
        await base.database.write(index_state("new", "here", 1))
        assert not await base.database.write(lambda transaction: still_serves(transaction, "old"))
        assert await base.database.write(lambda transaction: still_serves(transaction, "new"))
    assert issubclass(EmbedderChangedError, Exception)

"""Hybrid search and its healer, on real databases and a real Chroma."""

import asyncio
import math
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from agents.circuit_breaker import CircuitBreaker
from database.live_chunks import has_live_vectors
from database.metrics import Metrics
from database.records import Passage
from tests.fakes.fake_clock import FakeClock
from tests.fakes.knowledge_base import KnowledgeBase, WordHashEmbedder, knowledge_base
from vectorstore.candidate_search import FEW_LIVE
from vectorstore.chroma_manager import Collection, ManagerOptions
from vectorstore.embedders import EmbeddingError
from vectorstore.frames import Vectors
from vectorstore.knowledge_index import SearchOptions

SHOP = "shop"
TEXTS = [
    "We open at nine in the morning and close at six.",
    "Returns are free within thirty days of the purchase.",
    "A gift card can be bought at the counter, or on the telephone.",
    "Bicycles are repaired on Tuesdays; bring the frame number.",
]


@pytest.fixture
async def base(tmp_path: Path, metrics: Metrics) -> AsyncIterator[KnowledgeBase]:
    async with knowledge_base(tmp_path, metrics=metrics) as opened:
        await opened.index.wait_healthy()
        yield opened


def place(business_id: str) -> Collection:
    return Collection(business_id, WordHashEmbedder.name)


def texts(passages: list[Passage]) -> list[str]:
    return [passage.text for passage in passages]


async def test_best_first(base: KnowledgeBase) -> None:
    """The passage that answers comes first, with its source, a score of at most 1, and its similarity."""
    await base.learn(SHOP, TEXTS, filename="shop.txt")
    found = await base.index.search(SHOP, "When do you open in the morning?", limit=3)
    assert found[0].text == TEXTS[0]
    assert found[0].filename == "shop.txt"
    assert [passage.score for passage in found] == sorted((p.score for p in found), reverse=True)
    assert all(0 <= passage.score <= 1 and passage.cosine is not None for passage in found)


async def test_wording_tells_words_of_one_stem_apart(base: KnowledgeBase) -> None:
    """Of passages with the same stems the one whose word is nearer to the question's is first, also by words alone."""
    others = [f"Rückgabe{what} steht im Vertrag." for what in ("termin", "ort", "stelle", "kosten", "schein", "preis")]
    right = "Rückgaberecht steht im Vertrag."
    await base.learn(SHOP, [*others, right])
    await base.store("by words", [*others, right])
    await base.words.repair()
    for business_id in (SHOP, "by words"):
        found = await base.index.search(business_id, "Welches Rückgaberechte?", limit=3)
        assert found[0].text == right


async def test_nothing_to_find(base: KnowledgeBase) -> None:
    """Without documents, without words in the question, or with none asked for, the answer is an empty list."""
    assert await base.index.search("nobody", "anything", limit=5) == []
    await base.learn(SHOP, TEXTS)
    assert await base.index.search(SHOP, "  \n", limit=5) == []
    assert await base.index.search(SHOP, "open", limit=0) == []
    assert await base.index.search(SHOP, '"*) OR NEAR(', limit=5) != []


async def test_own_knowledge_only(base: KnowledgeBase) -> None:
    """A business never finds another's passages, whatever it asks."""
    await base.learn("one", ["The password of the safe is swordfish."])
    await base.learn("two", ["Our safe has no password at all."])
    for question in ("password of the safe swordfish", "swordfish"):
        assert texts(await base.index.search("two", question, limit=10)) == ["Our safe has no password at all."]


async def test_not_live_not_found(base: KnowledgeBase) -> None:
    """A document answers from the moment it is live until the moment it is deleted, and not outside of that."""
    chunks = await base.store(SHOP, TEXTS, live=False)
    await base.index.add(chunks, await base.embedder.embed([chunk.text for chunk in chunks]))
    assert await base.index.search(SHOP, "free returns", limit=5) == []
    await base.publish(chunks[0].document_id)
    assert (await base.index.search(SHOP, "free returns", limit=5))[0].text == TEXTS[1]
    await base.delete(chunks[0].document_id)
    assert await base.index.search(SHOP, "free returns", limit=5) == []


@pytest.mark.parametrize("others", [0, FEW_LIVE], ids=["few live", "many live"])
async def test_digs_through_the_dead(base: KnowledgeBase, others: int) -> None:
    """However many deleted chunks match better, the live one behind them is found, whatever else is live."""
    await base.learn(SHOP, [f"Saddle {n} is made of leather." for n in range(others)])
    dead = await base.learn(SHOP, [f"gift card gift card {n}" for n in range(180)])
    await base.learn(SHOP, ["A gift card, and much more that has nothing to do with the question that is asked."])
    await base.delete(dead[0].document_id)
    assert (await base.index.search(SHOP, "gift card", limit=1))[0].text.startswith("A gift card, and")


@pytest.mark.parametrize("others", [0, FEW_LIVE], ids=["few live", "many live"])
async def test_an_upload_under_way_hides_nothing(base: KnowledgeBase, others: int) -> None:
    """What is indexed and not complete yet neither answers nor stands before what does."""
    coming = await base.store(SHOP, [f"gift card gift card {n}" for n in range(400)], live=False)
    await base.index.add(coming, await base.embedder.embed([chunk.text for chunk in coming]))
    assert await base.index.search(SHOP, "gift card", limit=5) == []
    await base.learn(SHOP, ["A gift card costs ten euros.", *(f"Saddle {n} is of leather." for n in range(others))])
    assert texts(await base.index.search(SHOP, "gift card", limit=1)) == ["A gift card costs ten euros."]


async def test_removed(base: KnowledgeBase) -> None:
    """What is removed leaves both indexes; removing it again, or what was never there, is no error."""
    chunks = await base.learn(SHOP, TEXTS)
    ids = [chunk.id for chunk in chunks]
    await base.index.remove(SHOP, ids[:2])
    await base.index.remove(SHOP, [*ids[:2], "never there"])
    assert await base.vectors.ids(place(SHOP)) == set(ids[2:])
    assert len(await base.words.search(SHOP, "open returns gift bicycles", 10)) == 2


@pytest.mark.parametrize(
    ("passage", "others", "question"),
    [
        ("营业时间是早上九点到晚上六点。", ["退货在三十天内免费。", "礼品卡可以在柜台购买。"], "你们的营业时间是什么?"),
        ("営業時間は午前九時からです。", ["返品は三十日以内なら無料です。"], "営業時間を教えて"),
        ("영업시간은 오전 아홉 시부터입니다.", ["반품은 삼십일 이내에 무료입니다."], "영업시간 알려주세요"),
        ("ร้านเปิดเวลาเก้าโมงเช้า", ["คืนสินค้าได้ฟรีภายในสามสิบวัน"], "เปิดเวลาเท่าไร"),
        ("المتجر يفتح في الساعة التاسعة صباحا", ["الإرجاع مجاني خلال ثلاثين يوما"], "متى يفتح المتجر؟"),
        ("दुकान सुबह नौ बजे खुलती है", ["तीस दिनों में वापसी मुफ़्त है"], "दुकान कब खुलती है?"),
        ("El café abre a las nueve.", ["Las devoluciones son gratuitas."], "A QUE HORA ABRE EL CAFE"),
        ("The shops are opening early", ["Returns are free."], "shop opens?"),
        ("水", ["火", "木"], "水"),
    ],
)
async def test_words_of_the_world(tmp_path: Path, passage: str, others: list[str], question: str) -> None:
    """The words find passages in scripts with and without spaces, whatever the case, accents and endings."""
    async with knowledge_base(tmp_path) as base:
        chunks = await base.store(SHOP, [*others, passage])
        await base.words.repair()
        first = (await base.words.search(SHOP, question, 5))[0]
        assert first[0] == chunks[-1].id


async def test_chroma_deleted_while_running(tmp_path: Path) -> None:
    """`chroma/` deleted under a running server: answers go on, the vectors come back, nothing is embedded again."""
    embedder = WordHashEmbedder()
    async with knowledge_base(tmp_path, embedder=embedder) as base:
        await base.index.wait_healthy()
        await base.learn(SHOP, TEXTS)
        shutil.rmtree(tmp_path / "chroma")
        embedded = embedder.embedded
        assert texts(await base.index.search(SHOP, "free returns", limit=1)) == [TEXTS[1]]
        await base.index.wait_healthy()
        assert await base.vectors.count(place(SHOP)) == len(TEXTS)
        assert embedder.embedded == embedded + 1
        assert base.index.state().degraded is None


async def test_chroma_deleted_while_stopped(tmp_path: Path) -> None:
    """`chroma/` and `lexical.db` deleted between two runs are filled from knowledge.db, without embedding again."""
    async with knowledge_base(tmp_path) as base:
        await base.learn(SHOP, TEXTS)
    shutil.rmtree(tmp_path / "chroma")
    (tmp_path / "lexical.db").unlink()
    embedder = WordHashEmbedder()
    async with knowledge_base(tmp_path, embedder=embedder) as base:
        await base.index.wait_healthy()
        assert await base.vectors.count(place(SHOP)) == len(TEXTS)
        assert len(await base.words.search(SHOP, "open returns gift bicycles", 10)) == len(TEXTS)
        assert embedder.embedded == 0


async def test_repairs_both_directions(tmp_path: Path) -> None:
    """At start what is missing is added and what is too much is taken away, in both indexes and per business."""
    async with knowledge_base(tmp_path) as base:
        await base.index.wait_healthy()
        kept = await base.learn(SHOP, TEXTS)
        missing = await base.store(SHOP, ["Written to knowledge.db only, before a crash."])
        deleted = await base.learn("gone", ["Of a business whose only document was deleted."])
        await base.delete(deleted[0].document_id)
        await base.words.remove([kept[0].id])
        await base.vectors.delete(place(SHOP), [kept[1].id])
        await base.vectors.add(place(SHOP), ["stray"], np.ones((1, WordHashEmbedder.dimension), np.float32))
    async with knowledge_base(tmp_path) as base:
        await base.index.wait_healthy()
        assert await base.vectors.ids(place(SHOP)) == {chunk.id for chunk in [*kept, *missing]}
        assert await base.vectors.ids(place("gone")) == set()
        assert await base.words.search("gone", "business document", 5) == []
        assert len(await base.words.search(SHOP, "open returns gift bicycles written", 10)) == 5


async def test_other_embedders_stay_apart(tmp_path: Path) -> None:
    """Vectors of another embedder are never used; when nobody wants them any more, they go."""
    other = Collection(SHOP, "another-3")
    async with knowledge_base(tmp_path) as base:
        await base.vectors.add(other, ["x"], np.ones((1, 3), np.float32))
        await base.learn(SHOP, TEXTS)
    async with knowledge_base(tmp_path) as base:
        await base.index.wait_healthy()
        assert other.name not in await base.vectors.collections()
        assert len(await base.index.search(SHOP, "free returns", limit=9)) == len(TEXTS)


class OtherEmbedder(WordHashEmbedder):
    """Another model: waits while its gate is closed, and fails once it has embedded `most` texts."""

    name = "other-hash"
    dimension = 48

    def __init__(self, most: float = math.inf) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.called = asyncio.Event()
        self.most = most

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.called.set()
        await self.gate.wait()
        if self.embedded >= self.most:
            raise EmbeddingError("enough for today")
        return await super().embed(texts)


async def test_another_embedder(tmp_path: Path) -> None:
    """After a change of the embedder the words answer until it has embedded everything, then both legs do."""
    async with knowledge_base(tmp_path) as base:
        chunks = await base.learn(SHOP, TEXTS)
        deleted = await base.learn(SHOP, ["It was deleted before the change."])
        await base.delete(deleted[0].document_id)
    embedder = OtherEmbedder()
    ours = Collection(SHOP, embedder.name)
    async with knowledge_base(tmp_path, embedder=embedder) as base:
        await embedder.called.wait()
        await base.vectors.wait_ready()
        found = await base.index.search(SHOP, "free returns", limit=1)
        assert [(passage.text, passage.cosine) for passage in found] == [(TEXTS[1], None)]
        assert base.index.state().degraded == "the knowledge is being embedded by another embedder"
        assert not await base.database.read(has_live_vectors(SHOP, embedder.name))
        embedder.gate.set()
        await base.index.wait_healthy()
        assert embedder.embedded == len(TEXTS)
        assert await base.vectors.ids(ours) == {chunk.id for chunk in chunks}
        assert await base.database.read(has_live_vectors(SHOP, embedder.name))
        assert base.index.state().degraded is None
        assert (await base.index.search(SHOP, "free returns", limit=1))[0].cosine is not None


async def test_another_embedder_cut_off(tmp_path: Path) -> None:
    """Embedding anew goes on where a fault and a stop have cut it off."""
    async with knowledge_base(tmp_path) as base:
        await base.learn(SHOP, [f"{TEXTS[n % 4]} Number {n}." for n in range(100)])
    clock, first, second = FakeClock(), OtherEmbedder(most=1), OtherEmbedder()
    first.gate.set()
    async with knowledge_base(tmp_path, embedder=first, clock=clock) as base:
        while "EmbeddingError" not in str(base.index.state().degraded):
            await asyncio.sleep(0.01)
    second.gate.set()
    async with knowledge_base(tmp_path, embedder=second) as base:
        await base.index.wait_healthy()
        assert await base.vectors.count(Collection(SHOP, second.name)) == 100
    assert (first.embedded, second.embedded) == (64, 36)


async def test_process_killed(base: KnowledgeBase) -> None:
    """Chroma's process killed: the words answer meanwhile, readiness says degraded, then all is well again."""
    await base.learn(SHOP, TEXTS)
    assert base.vectors.pid is not None
    os.kill(base.vectors.pid, signal.SIGKILL)
    while base.vectors.ready:
        assert texts(await base.index.search(SHOP, "free returns", limit=1)) == [TEXTS[1]]
    assert base.index.state().degraded is not None
    assert texts(await base.index.search(SHOP, "free returns", limit=1)) == [TEXTS[1]]
    await base.vectors.wait_ready()
    await base.index.wait_healthy()
    assert base.index.state().degraded is None
    assert (await base.index.search(SHOP, "free returns", limit=1))[0].cosine is not None


async def test_busy_is_not_damaged(tmp_path: Path, metrics: Metrics) -> None:
    """A burst that Chroma leaves waiting is answered by words; only silence upon silence makes the index doubted."""
    options = SearchOptions(vector_seconds=0.5)
    async with knowledge_base(
        tmp_path, metrics=metrics, options=options, manager=ManagerOptions(query_seconds=60.0)
    ) as base:
        await base.learn(SHOP, TEXTS)
        await base.index.wait_healthy()
        pid = base.vectors.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        burst = await asyncio.gather(*(base.index.search(SHOP, "free returns", limit=1) for _ in range(20)))
        assert [texts(found) for found in burst] == [[TEXTS[1]]] * 20
        assert base.index.state().degraded is None
        for _ in range(2):
            await base.index.search(SHOP, "free returns", limit=1)
        assert base.index.state().degraded is not None
        os.kill(pid, signal.SIGCONT)
        await base.index.wait_healthy()
        assert base.index.state().degraded is None
        assert base.vectors.pid == pid


class SilentEmbedder(WordHashEmbedder):
    """Answers no question while it is `silent`."""

    silent = False
    asked = 0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As Embedder.embed."""
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        return await super().embed(texts)


async def test_a_silent_embedder_is_not_waited_for(tmp_path: Path) -> None:
    """The words answer when the embedder does not; after some silences it is left alone, the store never doubted."""
    embedder, clock = SilentEmbedder(), FakeClock()
    breaker = CircuitBreaker(clock, failures=3, seconds=5.0)
    options = SearchOptions(vector_seconds=0.3, breaker=breaker)
    async with knowledge_base(tmp_path, embedder=embedder, options=options) as base:
        await base.learn(SHOP, TEXTS)
        await base.index.wait_healthy()
        embedder.silent, embedder.asked = True, 0
        for _ in range(5):
            assert texts(await base.index.search(SHOP, "free returns", limit=1)) == [TEXTS[1]]
        assert embedder.asked == 3
        assert base.index.state().degraded is None
        embedder.silent = False
        await clock.advance(5.0)
        assert (await base.index.search(SHOP, "free returns", limit=1))[0].cosine is not None


async def test_learns_without_chroma(base: KnowledgeBase) -> None:
    """A document that comes while Chroma is away is found by its words at once, by its vectors later."""
    assert base.vectors.pid is not None
    os.kill(base.vectors.pid, signal.SIGKILL)
    while base.vectors.ready:
        await asyncio.sleep(0.01)
    learning = asyncio.create_task(base.learn(SHOP, TEXTS))
    await learning
    await base.index.wait_healthy()
    assert await base.vectors.count(place(SHOP)) == len(TEXTS)

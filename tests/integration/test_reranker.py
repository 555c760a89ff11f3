"""A reranker on a real socket, and a search that does without it when it fails."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.circuit_breaker import CircuitBreaker
from tests.fakes.fake_clock import FakeClock
from tests.fakes.knowledge_base import knowledge_base
from vectorstore.knowledge_index import SearchOptions
from vectorstore.reranker import HttpReranker, RerankerOptions

SHOP = "shop"
TEXTS = ["We open at nine.", "We open the safe at ten.", "We open letters at noon."]
FAILURES, PAUSE = 3, 30.0


@dataclass
class RerankServer:
    """Answers what the test says, and keeps what it was asked."""

    answer: Any = None
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        """POST /v1/rerank."""
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("Authorization"))
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        return web.Response(status=self.status, text=text, content_type="application/json")


@pytest.fixture
async def server() -> RerankServer:
    return RerankServer()


@pytest.fixture
async def url(server: RerankServer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/rerank", server.handle)
    async with TestServer(app) as running:
        yield str(running.make_url("/v1"))


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def reranker(url: str, clock: FakeClock) -> AsyncIterator[HttpReranker]:
    options = RerankerOptions(url, "orders-well", "s3cret")
    async with HttpReranker.open(options, CircuitBreaker(clock, failures=FAILURES, seconds=PAUSE)) as opened:
        yield opened


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.5}]},
        {"results": [{"index": 0, "relevance_score": -3}, {"index": 2, "relevance_score": 1}], "usage": {}},
        [{"index": 2, "score": 0.9}, {"index": 0, "score": 0.1}],
    ],
)
async def test_both_common_forms(server: RerankServer, reranker: HttpReranker, answer: Any) -> None:
    """By score, in whatever order they come; what was left out comes last. The key goes along."""
    server.answer = answer
    assert await reranker.order("When?", TEXTS) == [2, 0, 1]
    assert server.asked == [{"model": "orders-well", "query": "When?", "documents": TEXTS, "top_n": 3}]
    assert server.keys == ["Bearer s3cret"]


@pytest.mark.parametrize(
    "answer",
    [
        "no json",
        {},
        {"results": []},
        {"results": [{"index": 3, "relevance_score": 1}]},
        {"results": [{"index": -1, "relevance_score": 1}]},
        {"results": [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 2}]},
        {"results": [{"index": 0, "relevance_score": "high"}]},
        {"results": [{"index": True, "relevance_score": 1}]},
        {"results": [0, 1]},
        '{"results": [{"index": 0, "relevance_score": NaN}]}',
        '"' + "x" * 1_100_000 + '"',
        '{"results": [{"index": 0, "relevance_score": 1' + "0" * 400 + "}]}",
        '{"results": ' + "[" * 100_000,
    ],
)
async def test_nonsense_is_no_order(server: RerankServer, reranker: HttpReranker, answer: Any) -> None:
    """What is not understood whole is not followed in part."""
    server.answer = answer
    assert await reranker.order("When?", TEXTS) is None


async def test_left_alone_when_it_fails(server: RerankServer, reranker: HttpReranker, clock: FakeClock) -> None:
    """After some failures in a row it is not asked for a while, then once; when that works, as before."""
    server.status, server.answer = 503, {}
    for _ in range(FAILURES + 2):
        assert await reranker.order("When?", TEXTS) is None
    assert len(server.asked) == FAILURES
    await clock.advance(PAUSE + 1)
    server.status, server.answer = 200, [{"index": 1, "score": 1}]
    assert await reranker.order("When?", TEXTS) == [1, 0, 2]
    assert await reranker.order("When?", []) is None
    assert len(server.asked) == FAILURES + 1


async def test_the_last_word_on_the_order(server: RerankServer, reranker: HttpReranker, tmp_path: Path) -> None:
    """A search follows it where it answers, and keeps its own order where it does not; scores go down either way."""
    async with knowledge_base(tmp_path, options=SearchOptions(reranker=reranker)) as base:
        await base.index.wait_healthy()
        await base.learn(SHOP, TEXTS)
        server.status = 500
        own = await base.index.search(SHOP, "open at nine", limit=3)
        assert own[0].text == TEXTS[0]
        documents = server.asked[-1]["documents"]
        server.status, server.answer = 200, {"results": [{"index": documents.index(TEXTS[2]), "relevance_score": 1}]}
        found = await base.index.search(SHOP, "open at nine", limit=2)
        assert [passage.text for passage in found] == [TEXTS[2], TEXTS[0]]
        assert [passage.score for passage in found] == [passage.score for passage in own[:2]]

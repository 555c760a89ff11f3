"""Asks another server to put passages into order: the port, and the common HTTP form of it.

`POST {base}/rerank {"model", "query", "documents", "top_n"}` → `{"results": [{"index", "relevance_score"}, …]}`, as
Cohere, Jina and vLLM speak it; Text Embeddings Inference answers with the bare list and calls it `score`.
"""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

logger = logging.getLogger(__name__)

LARGEST_ANSWER = 1024 * 1024
_JSON = {"Content-Type": "application/json"}


class Reranker(Protocol):
    """Puts texts into the order in which they answer a question."""

    async def order(self, query: str, texts: Sequence[str]) -> list[int] | None:
        """The places of the texts, best first, each once; None where it cannot tell. Never raises."""
        ...


class CallPermit(Protocol):
    """Leave to make one call; its holder says what came of it."""

    def succeeded(self) -> None:
        """The server answered."""
        ...

    def failed(self) -> None:
        """The server did not."""
        ...

    def withdrawn(self) -> None:
        """Nothing was learned."""
        ...


class Breaker(Protocol):
    """Leaves a server alone that fails call after call."""

    def admit(self) -> CallPermit | None:
        """Leave to make a call, or None while the server is left alone."""
        ...


@dataclass(frozen=True, slots=True)
class RerankerOptions:
    """`url` is what "/rerank" is put behind. A search waits `seconds` for it, no longer."""

    url: str
    model: str
    api_key: str = field(default="", repr=False)
    seconds: float = 1.0


class HttpReranker:
    """Implements Reranker over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, options: RerankerOptions, breaker: Breaker) -> None:
        self._session = session
        self._options = options
        self._breaker = breaker

    @classmethod
    @asynccontextmanager
    async def open(cls, options: RerankerOptions, breaker: Breaker) -> "AsyncIterator[HttpReranker]":
        """One that has connections of its own."""
        keys = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
        timeout = aiohttp.ClientTimeout(total=options.seconds)
        async with aiohttp.ClientSession(headers=keys | _JSON, timeout=timeout) as session:
            yield cls(session, options, breaker)

    async def order(self, query: str, texts: Sequence[str]) -> list[int] | None:
        """As Reranker.order."""
        permit = self._breaker.admit() if texts else None
        if permit is None:
            return None
        try:
            places = _places(await self._ask(query, texts), len(texts))
        except Exception as error:  # noqa: BLE001 - the edge: a search never fails for what a server answers
            permit.failed()
            logger.warning("the reranker gave no order: %s", type(error).__name__)
            return None
        except asyncio.CancelledError:
            permit.withdrawn()
            raise
        permit.succeeded()
        return places

    async def _ask(self, query: str, texts: Sequence[str]) -> Any:
        body = {"model": self._options.model, "query": query, "documents": list(texts), "top_n": len(texts)}
        url = f"{self._options.url.rstrip('/')}/rerank"
        async with self._session.post(url, data=json.dumps(body), allow_redirects=False) as response:
            response.raise_for_status()
            content = await response.content.read(LARGEST_ANSWER + 1)
            while len(content) <= LARGEST_ANSWER and (more := await response.content.readany()):
                content += more
        if response.status != 200 or len(content) > LARGEST_ANSWER:  # noqa: PLR2004 - OK, as HTTP says it
            raise ValueError("an answer of another form")
        return json.loads(content)


def _places(answer: Any, count: int) -> list[int]:
    """The order that an answer gives; what it leaves out keeps its order behind. Raises ValueError for nonsense."""
    results = answer.get("results") if isinstance(answer, dict) else answer
    if not isinstance(results, list) or not results:
        raise ValueError("no results")
    scores: dict[int, float] = {}
    for result in results:
        place, score = _scored(result)
        if not 0 <= place < count or place in scores:
            raise ValueError("a place that was not asked about")
        scores[place] = score
    named = sorted(scores, key=lambda place: (-scores[place], place))
    return named + [place for place in range(count) if place not in scores]


def _scored(result: Any) -> tuple[int, float]:
    if not isinstance(result, dict):
        raise ValueError("a result of another form")  # noqa: TRY004 - one error for all nonsense
    place, score = result.get("index"), result.get("relevance_score", result.get("score"))
    if isinstance(place, bool) or not isinstance(place, int):
        raise ValueError("a result without index")  # noqa: TRY004 - one error for all nonsense
    if not isinstance(score, int | float) or not math.isfinite(score):
        raise ValueError("a result without score")
    return place, float(score)

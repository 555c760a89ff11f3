"""How long a search takes as the index grows, beside a bare query of Chroma, as it comes, with the same vectors.

Both take turns, question after question: what else the machine does, and what it holds in its caches, is the same.

`CONCIERGE_BENCH_CHUNKS=200000 python -m tests.bench search_speed` adds a last, larger size.
"""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.foreign_texts import foreign_texts
from tests.bench.question_sets import QuestionSet, question_sets
from tests.bench.retrieval import BUSINESS
from tests.bench.vector_settings import CHROMAS_OWN
from tests.fakes.knowledge_base import KnowledgeBase, knowledge_base
from vectorstore.chroma_store import ChromaStore
from vectorstore.frames import Vectors
from vectorstore.wordllama_embedder import WordLlamaEmbedder

SIZES = (1_000, 10_000, 50_000)
PROMISED = 50_000
QUESTIONS = 400
WARM = 50
NEIGHBOURS = 5
PART = 5_000
BARE = "bench.bare"


async def run() -> list[Figure]:
    """p50 and p99 for each size; `[]` where the data are not."""
    sets = question_sets()
    if not sets:
        return []
    questions = [asked.text for each in sets for asked in each.questions]
    random.Random(2).shuffle(questions)
    embedder, figures = WordLlamaEmbedder(), list[Figure]()
    sizes = (*SIZES, *(int(more) for more in filter(None, [os.environ.get("CONCIERGE_BENCH_CHUNKS")])))
    with tempfile.TemporaryDirectory() as directory:
        bare_store, done = ChromaStore(Path(directory) / "bare", CHROMAS_OWN), 0
        bare_store.open()
        for size in sizes:
            async with knowledge_base(Path(directory), embedder=embedder) as base:
                await _grow(base, bare_store, sets, done, size)
                mine, bare = await _seconds(base, bare_store, questions)
            figures += _figures(size, mine, bare)
            done = size
        bare_store.close()
    embedder.close()
    return figures


async def _grow(base: KnowledgeBase, bare: ChromaStore, sets: Sequence[QuestionSet], done: int, size: int) -> None:
    await base.index.wait_healthy()
    texts = foreign_texts(sets, size)[done:]
    for start in range(0, len(texts), PART):
        chunks = await base.store(BUSINESS, texts[start : start + PART], filename="foreign.txt")
        vectors = await base.embedder.embed([chunk.text for chunk in chunks])
        await base.index.add(chunks, vectors)
        await asyncio.to_thread(bare.add, BARE, base.embedder.name, [chunk.id for chunk in chunks], vectors)


async def _seconds(
    base: KnowledgeBase, store: ChromaStore, questions: Sequence[str]
) -> tuple[list[float], list[float]]:
    """Of ours and of Chroma's, sorted; each question is asked once, after others have warmed things up.

    Chroma is asked in this process, with the question's embedding: no pipe, no texts, no words.
    """
    asked = [*questions[QUESTIONS : QUESTIONS + WARM], *questions[:QUESTIONS]]
    mine, bare = list[float](), list[float]()
    for text in asked:
        vector = (await base.embedder.embed([text]))[0].reshape(1, -1)
        mine.append(await _taken(base.index.search(BUSINESS, text, limit=NEIGHBOURS)))
        bare.append(await asyncio.to_thread(_bare, store, vector))
    return sorted(mine[WARM:]), sorted(bare[WARM:])


async def _taken(asking: Awaitable[object]) -> float:
    began = time.perf_counter()
    await asking
    return time.perf_counter() - began


def _bare(store: ChromaStore, vector: Vectors) -> float:
    began = time.perf_counter()
    store.query(BARE, vector, NEIGHBOURS)
    return time.perf_counter() - began


def _figures(size: int, mine: Sequence[float], bare: Sequence[float]) -> list[Figure]:
    median, last = len(mine) // 2, int(len(mine) * 0.99)
    own, plain = (f"hybrid search, {size:,} chunks", "a bare query of Chroma")
    promised = size == PROMISED
    ratio = mine[median] / bare[median]
    return [
        Figure(f"{own}: p50", mine[median] * 1000, "ms", bare[median] * 1000, plain, higher_is_better=False),
        Figure(f"{own}: p50 ÷ {plain}'s", ratio, "times", floor=8 if promised else None, goal=3 if promised else None,
               higher_is_better=False),
        Figure(f"{own}: p99", mine[last] * 1000, "ms", bare[last] * 1000, plain, 60 if promised else None,
               25 if promised else None, higher_is_better=False),
    ]  # fmt: skip

"""What our store costs and finds, from memory and by Chroma's graph, beside Chroma as it comes and exact search."""

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.figures import Figure, table
from tests.bench.foreign_texts import foreign_texts
from tests.bench.question_sets import question_sets
from vectorstore.chroma_store import GRAPH_SETTINGS, ChromaStore
from vectorstore.frames import Vectors
from vectorstore.wordllama_embedder import WordLlamaEmbedder

VECTORS = 50_000
QUESTIONS = 1_000
SLICE = 512
ASKED_FOR = 50
BEST = 10
MEMORY_MB = 256
CHROMAS_OWN: dict[str, Any] = {"hnsw": {"space": "cosine"}}


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds to add all, CPU milliseconds for a question, share of the ten nearest that was found."""

    adding: float
    asking: float
    recall: float


async def run() -> list[Figure]:
    """Ours, our settings of the graph, and Chroma's own, one after the other, on the same vectors."""
    vectors, questions = await _vectors()
    nearest = np.argpartition(-(questions @ vectors.T), BEST, axis=1)[:, :BEST]
    own = await asyncio.to_thread(_measured, CHROMAS_OWN, 0, vectors, questions, nearest)
    name = "Chroma's own settings"
    figures = []
    for way, settings, memory_mb in (("from memory", None, MEMORY_MB), ("by our graph", GRAPH_SETTINGS, 0)):
        ours = await asyncio.to_thread(_measured, settings, memory_mb, vectors, questions, nearest)
        figures += [
            Figure(f"{way}: {BEST} nearest of {VECTORS}, found", ours.recall, "", own.recall, name, floor=own.recall),
            Figure(f"{way}: a question, our CPU, p50", ours.asking, "ms", own.asking, name, higher_is_better=False),
            Figure(f"{way}: adding {VECTORS}, our CPU", ours.adding, "s", own.adding, name, higher_is_better=False),
        ]
    return figures


async def _vectors() -> tuple[Vectors, Vectors]:
    sets = question_sets()
    texts = [text for each in sets for text in each.passages.values()]
    texts += foreign_texts(sets, VECTORS - len(texts))
    asked = [question.text for each in sets for question in each.questions]
    dice = random.Random(3)
    dice.shuffle(texts)
    dice.shuffle(asked)
    embedder = WordLlamaEmbedder()
    try:
        return await embedder.embed(texts), await embedder.embed(asked[:QUESTIONS])
    finally:
        embedder.close()


def _measured(
    settings: dict[str, Any] | None, memory_mb: int, vectors: Vectors, questions: Vectors, nearest: Any
) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        store = ChromaStore(Path(folder) / "chroma", settings, memory_mb=memory_mb)
        store.open()
        began = time.process_time()
        for start in range(0, len(vectors), SLICE):
            part = vectors[start : start + SLICE]
            store.add("bench.vectors", "bench", [str(start + row) for row in range(len(part))], part)
        adding = time.process_time() - began
        store.query("bench.vectors", questions[:1], ASKED_FOR)
        took, found = [], 0
        for question, wanted in zip(questions, nearest, strict=True):
            began = time.process_time()
            rows = store.query("bench.vectors", question.reshape(1, -1), ASKED_FOR)
            took.append(time.process_time() - began)
            found += len({int(key) for key, _ in rows} & set(wanted.tolist()))
        store.close()
    return Measured(adding, float(np.median(took)) * 1000, found / len(questions) / BEST)


if __name__ == "__main__":
    print(table(asyncio.run(run())))

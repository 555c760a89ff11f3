"""How often the right passage is found: hybrid search beside its lexical leg alone, on SQuAD and XQuAD.

`python -m tests.bench.retrieval` measures it again with 50,000 foreign passages in the same business.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, table
from tests.fakes.knowledge_base import KnowledgeBase, knowledge_base
from tests.shared import SHARED
from vectorstore.wordllama_embedder import WordLlamaEmbedder

LANGUAGES = ("en", "de", "ar", "hi", "zh", "th")
QUESTIONS = 400
FOREIGN = 50_000


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Passages by id, and questions with the id of the passage that answers."""

    name: str
    passages: dict[str, str]
    questions: list[tuple[str, str]]


def _rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SHARED / "evaldata" / path).read_text("utf-8").splitlines()]


def _set(name: str, passages: str, questions: str) -> QuestionSet:
    asked = [
        (row["question"], row["gold_pid"]) for row in _rows(questions) if row.get("gold_pid") and row.get("answers")
    ]
    random.Random(5).shuffle(asked)
    return QuestionSet(name, {row["pid"]: row["text"][:1200] for row in _rows(passages)}, asked[:QUESTIONS])


def question_sets() -> list[QuestionSet]:
    """SQuAD 2 (answerable questions) and XQuAD in six languages; none where the shared data are not there."""
    if not (SHARED / "evaldata").exists():
        return []
    squad = "squad2_dev/visible"
    xquad = "xquad/visible"
    return [
        _set("SQuAD", f"{squad}/passages.jsonl", f"{squad}/questions.jsonl"),
        *(
            _set(f"XQuAD {code}", f"{xquad}/passages.{code}.jsonl", f"{xquad}/questions.{code}.jsonl")
            for code in LANGUAGES
        ),
    ]


async def measure(base: KnowledgeBase, questions: QuestionSet) -> list[Figure]:
    """hit@1 and hit@5 of the hybrid search and of the words alone, and the time of a search."""
    chunks = await base.learn(questions.name, list(questions.passages.values()))
    ids = {chunk.id: pid for chunk, pid in zip(chunks, questions.passages, strict=True)}
    hits = {(leg, depth): 0 for leg in ("hybrid", "words") for depth in (1, 5)}
    seconds: list[float] = []
    for question, gold in questions.questions:
        began = time.perf_counter()
        found = [ids.get(passage.chunk_id) for passage in await base.index.search(questions.name, question, limit=5)]
        seconds.append(time.perf_counter() - began)
        by_words = await _by_words(base, questions.name, question)
        for depth in (1, 5):
            hits["hybrid", depth] += gold in found[:depth]
            hits["words", depth] += gold in [ids.get(chunk_id) for chunk_id in by_words[:depth]]
    count = len(questions.questions)
    figures = [
        Figure(
            f"{questions.name}, hit@{depth}",
            hits["hybrid", depth] / count,
            "",
            hits["words", depth] / count,
            "words alone",
        )
        for depth in (1, 5)
    ]
    seconds.sort()
    median = Figure(f"{questions.name}, one search p50", seconds[count // 2] * 1000, "ms", higher_is_better=False)
    return [*figures, median]


async def _by_words(base: KnowledgeBase, business_id: str, question: str) -> list[str]:
    found = await base.words.search(business_id, question, 5)
    return [chunk_id for chunk_id, _ in found]


async def add_foreign(base: KnowledgeBase, business_id: str, count: int) -> None:
    """Passages that answer nothing: sentences of the other passages, mixed anew."""
    dice = random.Random(3)
    sentences = [s.strip() for row in _rows("squad2_dev/visible/passages.jsonl") for s in row["text"].split(". ")]
    sentences += [s.strip() for row in _rows("xquad/visible/passages.en.jsonl") for s in row["text"].split(". ")]
    words = [word for sentence in sentences for word in sentence.split()]
    for _ in range(0, count, 5_000):
        texts = [" ".join(dice.choices(words, k=dice.randint(30, 110))) for _ in range(5_000)]
        await base.store(business_id, texts, filename="foreign.txt")
    await base.words.repair()
    base.index._healer.look()
    await base.index.wait_healthy()


async def run(*, foreign: int = 0) -> list[Figure]:
    """The figures of this benchmark."""
    embedder, figures = WordLlamaEmbedder(), list[Figure]()
    with tempfile.TemporaryDirectory() as directory:
        async with knowledge_base(Path(directory), embedder=embedder) as base:
            await base.index.wait_healthy()
            for questions in question_sets()[: 1 if foreign else None]:
                if foreign:
                    await add_foreign(base, questions.name, foreign)
                figures += await measure(base, questions)
    embedder.close()
    return figures


if __name__ == "__main__":
    print(table(asyncio.run(run())))
    print(f"\nWith {FOREIGN:,} foreign passages beside:\n", file=sys.stderr)
    print(table(asyncio.run(run(foreign=FOREIGN))))

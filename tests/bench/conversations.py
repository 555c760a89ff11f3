"""How often the right passage is among five for the last question of a conversation (MTRAG), without a model.

All 1,488 passages that any conversation of the set cites are in one index, cut as documents are, each under its title.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.language_packs import load_language_packs
from agents.passage_search import PassageSearch
from agents.ports import Utterance
from services.chunker import chunks_of
from services.document_blocks import Block, BlockKind
from tests.bench.figures import Figure
from tests.fakes.knowledge_base import KnowledgeBase, knowledge_base
from tests.shared import SHARED
from vectorstore.wordllama_embedder import WordLlamaEmbedder

MTRAG = SHARED / "evaldata/mtrag_un"
TASKS = ("visible/tasks.jsonl", "visible/tasks_mtrag_human_subset.jsonl")
FLOOR, GOAL = 0.86, 0.92
DEPTH = 5
BUSINESS = "mtrag"


@dataclass(frozen=True, slots=True)
class Task:
    """The last question of a conversation, what was said before it, and the passages that answer it."""

    question: str
    history: tuple[Utterance, ...]
    gold: frozenset[str]


@dataclass
class Hits:
    """How often each way of asking found a right passage."""

    alone: int = 0
    with_last_turn: int = 0
    fused: int = 0


async def run() -> list[Figure]:
    """Conversations whose last question has passages that answer it; `[]` where the data are not."""
    if not MTRAG.is_dir():
        return []
    embedder = WordLlamaEmbedder()
    with tempfile.TemporaryDirectory() as directory:
        async with knowledge_base(Path(directory), embedder=embedder) as base:
            await base.index.wait_healthy()
            ids = await _learnt(base)
            asked = [task for name in TASKS for task in _tasks(name)]
            everything = await _hits(base, ids, asked)
            later = [task for task in asked if task.history]
            leaning = await _hits(base, ids, later)
    embedder.close()
    return [
        _figure("MTRAG: a right passage among five for the last question", everything, len(asked), FLOOR, GOAL),
        Figure(
            "... by the last question and the last turn as one query",
            everything.with_last_turn / len(asked),
            "of 1",
            everything.alone / len(asked),
            "last question alone",
        ),
        _figure("... where something was said before", leaning, len(later), None, None),
    ]


def _figure(name: str, hits: Hits, count: int, floor: float | None, goal: float | None) -> Figure:
    return Figure(name, hits.fused / count, "of 1", hits.alone / count, "last question alone", floor, goal)


async def _learnt(base: KnowledgeBase) -> dict[str, str]:
    """Chunk ids with the passage that they are cut from."""
    texts: list[str] = []
    sources: list[str] = []
    for row in _rows("passages.jsonl"):
        heading = [Block(BlockKind.HEADING, row["title"], 1)] if row["title"] else []
        paragraphs = [Block(BlockKind.PARAGRAPH, text) for text in row["text"].split("\n\n") if text.strip()]
        for draft in chunks_of([*heading, *paragraphs]):
            texts.append("\n".join(filter(None, (draft.heading, draft.text))))
            sources.append(row["pid"])
    chunks = await base.learn(BUSINESS, texts)
    return {chunk.id: source for chunk, source in zip(chunks, sources, strict=True)}


async def _hits(base: KnowledgeBase, ids: dict[str, str], tasks: Sequence[Task]) -> Hits:
    search = PassageSearch(base.index, load_language_packs())
    hits = Hits()
    for task in tasks:
        before = search.last_exchange(task.history)
        last_turn = next((line.text for line in reversed(task.history) if line.by_customer), "")
        for name, question, said in (
            ("alone", task.question, ""),
            ("with_last_turn", f"{task.question} {last_turn}", ""),
            ("fused", task.question, before),
        ):
            found = await search.find(BUSINESS, question, said, limit=DEPTH)
            hit = any(ids[passage.chunk_id] in task.gold for passage in found)
            setattr(hits, name, getattr(hits, name) + hit)
    return hits


def _tasks(name: str) -> list[Task]:
    """Those whose gold passages are in the pool."""
    pool = {row["pid"] for row in _rows("passages.jsonl")}
    return [
        Task(
            row["turns"][-1]["text"],
            tuple(Utterance(turn["role"] == "user", turn["text"]) for turn in row["turns"][:-1]),
            frozenset(row["gold_pids"]),
        )
        for row in _rows(name)
        if pool & set(row["gold_pids"])
    ]


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (MTRAG / name).read_text("utf-8").splitlines()]

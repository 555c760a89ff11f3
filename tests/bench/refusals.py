"""How many questions that the knowledge cannot answer are refused without a model, at 90 % of the answerable ones kept.

The estimate (agents/answer_likelihood.py) was fitted on the questions of half of the SQuAD articles (TRAINED), in
single passages as here and in whole articles (the halves of tests/bench/answers.py); the threshold here is chosen at
90 % of the other half's answerable questions, and only that half is reported. Which signs it has was decided looking
at both halves.
"""

import json
import random
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agents.extractive import extract
from agents.language_packs import load_language_packs
from tests.bench.figures import Figure
from tests.fakes.knowledge_base import KnowledgeBase, knowledge_base
from tests.shared import SHARED
from vectorstore.wordllama_embedder import WordLlamaEmbedder

DATA = SHARED / "evaldata"
TRAINED = {
    "Computational_complexity_theory",
    "Economic_inequality",
    "Intergovernmental_Panel_on_Climate_Change",
    "Normans",
}
KEPT = 0.9
QUESTIONS = 1000
STOP_WORDS = load_language_packs()["en"].stop_words


async def run() -> list[Figure]:
    """SQuAD, XQuAD in English and MTRAG; `[]` where the data are not."""
    if not DATA.is_dir():
        return []
    embedder = WordLlamaEmbedder()
    with tempfile.TemporaryDirectory() as directory:
        async with knowledge_base(Path(directory), embedder=embedder) as base:
            await base.index.wait_healthy()
            figures = await _measured(base)
    embedder.close()
    return figures


async def _measured(base: KnowledgeBase) -> list[Figure]:
    passages = _rows("squad2_dev/visible/passages.jsonl")
    articles = sorted({_article(row) for row in passages})
    halves = {article: f"half {place % 2}" for place, article in enumerate(articles)}
    for half in ("half 0", "half 1"):
        await base.learn(half, [row["text"] for row in passages if halves[_article(row)] == half])
    await base.learn("mtrag", [row["text"][:1200] for row in _rows("mtrag_un/passages.jsonl")])
    held_out = [row for row in _rows("squad2_dev/visible/questions.jsonl") if row["doc"] not in TRAINED]
    answerable = _some(row for row in held_out if row["answerable"])
    alike = _some(row for row in held_out if not row["answerable"])
    other = {"half 0": "half 1", "half 1": "half 0"}
    own = [await _surplus(base, halves[row["doc"]], row["question"]) for row in answerable]
    foreign = [await _surplus(base, other[halves[row["doc"]]], row["question"]) for row in answerable]
    to_mtrag = [await _surplus(base, "mtrag", row["question"]) for row in answerable]
    from_mtrag = [await _surplus(base, "half 0", turn) for turn in _first_turns()]
    unanswerable = [await _surplus(base, halves[row["doc"]], row["question"]) for row in alike]
    least = sorted(own)[round(len(own) * (1 - KEPT))]
    at_90 = "refused at 90 % kept"
    return [
        Figure(f"foreign questions {at_90}: SQuAD's to MTRAG's documents", _below(to_mtrag, least), "of 1",
               floor=0.9, goal=0.98),
        Figure(f"foreign questions {at_90}: SQuAD's to the other half's articles", _below(foreign, least), "of 1",
               floor=0.9, goal=0.98),
        Figure(f"foreign questions {at_90}: MTRAG's to SQuAD articles", _below(from_mtrag, least), "of 1",
               floor=0.9, goal=0.98),
        Figure(f"look-alike questions {at_90}: SQuAD's unanswerable ones", _below(unanswerable, least), "of 1",
               goal=0.25, floor=0.0),
        Figure("as it is set: answerable questions kept", 1 - _below(own, 0.0), "of 1"),
        Figure("as it is set: foreign questions refused, SQuAD's to MTRAG's documents", _below(to_mtrag, 0.0), "of 1"),
    ]  # fmt: skip


async def _surplus(base: KnowledgeBase, business_id: str, question: str) -> float:
    """What the answerer thinks of eight passages; the least of all where there is nothing to copy."""
    passages = await base.index.search(business_id, question, limit=8)
    found = extract(question, passages, budget=400, naming=lambda _: 30, stop_words=STOP_WORDS, trust_cosine=True)
    return found.surplus if found else float("-inf")


def _below(surpluses: Sequence[float], least: float) -> float:
    return sum(each < least for each in surpluses) / len(surpluses)


def _some(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    chosen = list(rows)
    random.Random(11).shuffle(chosen)
    return chosen[:QUESTIONS]


def _first_turns() -> list[str]:
    """Questions that begin MTRAG's conversations, each once: they lean on nothing."""
    return sorted({row["turns"][0]["text"] for row in _rows("mtrag_un/visible/tasks.jsonl")})


def _article(row: dict[str, Any]) -> str:
    return str(row["pid"]).partition("#")[0]


def _rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / path).read_text("utf-8").splitlines()]

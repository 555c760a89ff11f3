"""How often the right passage is found with 50,000 foreign chunks in the same index, beside each leg alone.

Weights and constants were found on the other half of the questions (`QuestionSet.half`): see docs/benchmarks.md.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.foreign_texts import foreign_texts
from tests.bench.question_sets import Asked, QuestionSet, question_sets
from tests.fakes.knowledge_base import KnowledgeBase, knowledge_base
from vectorstore.candidate_search import FIRST_FETCH
from vectorstore.chroma_manager import Collection
from vectorstore.search_legs import WORDS_FETCH
from vectorstore.wordllama_embedder import WordLlamaEmbedder

FOREIGN = 50_000
MOST_QUESTIONS = 150
DEPTH = 20
BUSINESS = "shop"
GOAL = 0.02


@dataclass
class Ranks:
    """The place, from 0, of the first right passage for each question; None where it is not among the first DEPTH."""

    places: list[int | None] = field(default_factory=list)

    def note(self, found: Sequence[str | None], gold: frozenset[str]) -> None:
        """What was found for one question, best first."""
        self.places.append(next((at for at, key in enumerate(found[:DEPTH]) if key in gold), None))

    def hit(self, depth: int) -> float:
        """The share of questions with a right passage among so many."""
        return sum(place is not None and place < depth for place in self.places) / len(self.places)

    @property
    def mrr(self) -> float:
        """The mean reciprocal rank."""
        return sum(1 / (place + 1) for place in self.places if place is not None) / len(self.places)


async def run() -> list[Figure]:
    """hit@5 and MRR of every set; `[]` where the data are not."""
    sets = question_sets()
    if not sets:
        return []
    embedder = WordLlamaEmbedder()
    with tempfile.TemporaryDirectory() as directory:
        async with knowledge_base(Path(directory), embedder=embedder) as base:
            await add_foreign(base, sets, FOREIGN)
            figures = [figure for each in sets for figure in await measured(base, each, each.half(odd=True))]
    embedder.close()
    return figures


async def add_foreign(base: KnowledgeBase, sets: Sequence[QuestionSet], count: int) -> None:
    """Chunks that answer nothing, in both legs."""
    texts = foreign_texts(sets, count)
    for start in range(0, count, 5_000):
        chunks = await base.store(BUSINESS, texts[start : start + 5_000], filename="foreign.txt")
        await base.index.add(chunks, await base.embedder.embed([chunk.text for chunk in chunks]))


async def measured(base: KnowledgeBase, each: QuestionSet, questions: Sequence[Asked]) -> list[Figure]:
    """The set's figures; its passages are in the index only meanwhile."""
    hybrid, words, vectors = await ranks(base, each, questions[:MOST_QUESTIONS])
    figures = []
    for name, mine, others in (
        ("hit@5", hybrid.hit(5), {"words alone": words.hit(5), "vectors alone": vectors.hit(5)}),
        ("MRR", hybrid.mrr, {"words alone": words.mrr, "vectors alone": vectors.mrr}),
    ):
        better = max(others, key=others.__getitem__)
        goal = min(1.0, others[better] + GOAL)
        figures.append(Figure(f"{each.name}, {name}", mine, "", others[better], better, others[better], goal))
    return figures


async def ranks(base: KnowledgeBase, each: QuestionSet, questions: Sequence[Asked]) -> tuple[Ranks, Ranks, Ranks]:
    """By both legs together, by the words alone, by the vectors alone."""
    chunks = await base.learn(BUSINESS, list(each.passages.values()), filename=each.name)
    ids = {chunk.id: key for chunk, key in zip(chunks, each.passages, strict=True)}
    hybrid, words, vectors = Ranks(), Ranks(), Ranks()
    place = Collection(BUSINESS, base.embedder.name)
    for asked in questions:
        found = await base.index.search(BUSINESS, asked.text, limit=DEPTH)
        hybrid.note([ids.get(passage.chunk_id) for passage in found], asked.gold)
        said = await base.words.search(BUSINESS, asked.text, WORDS_FETCH * FIRST_FETCH)
        words.note([ids.get(key) for key, _ in said], asked.gold)
        vector = (await base.embedder.embed([asked.text]))[0]
        near = await base.vectors.query(place, vector, DEPTH)
        vectors.note([ids.get(key) for key, _ in near], asked.gold)
    await base.delete(chunks[0].document_id)
    await base.index.remove(BUSINESS, [chunk.id for chunk in chunks])
    return hybrid, words, vectors

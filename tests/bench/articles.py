"""How often the first passages hold the answer, where whole articles went through our own parser (SQuAD)."""

from collections.abc import Sequence

from agents.ports import Knowledge
from tests.bench.answers import SQUAD, Question, holds, knowing, squad_questions
from tests.bench.figures import Figure
from tests.bench.question_sets import PASSAGE_CHARACTERS

BUSINESS = "articles"


async def run() -> list[Figure]:
    """The share of questions whose gold answer is in the first passage, and in the first five; `[]` without data."""
    if not SQUAD.is_dir():
        return []
    documents = {path.name: path.read_bytes() for path in sorted((SQUAD / "documents").glob("*.txt"))}
    async with knowing({BUSINESS: documents}) as knowledge:
        first, five = await shares(knowledge.index, list(squad_questions())[1::2])
    return [
        Figure("gold answer in the first passage, SQuAD articles", first, "of 1", floor=0.82, goal=0.90),
        Figure("… in the first five", five, "of 1", floor=0.95, goal=0.98),
    ]


async def shares(knowledge: Knowledge, questions: Sequence[Question]) -> tuple[float, float]:
    """In the first passage, in the first five."""
    first = five = 0
    for question in questions:
        found = await knowledge.search(BUSINESS, question.text, limit=5)
        assert all(len(passage.text) <= PASSAGE_CHARACTERS for passage in found)
        held = [holds(passage.text, question.golds) for passage in found]
        first += any(held[:1])
        five += any(held)
    return first / len(questions), five / len(questions)

"""Wires the knowledge gaps: the sweep that finds them, and the desk at which their owner answers them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from agents.unanswered import QuestionReader
from bot.knowledge import RunningKnowledge
from bot.settings import Settings
from database.clock import Clock
from database.engine import Database
from database.records import Document
from services.gap_sweep import GapOptions, GapSweep
from services.gaps import Gaps
from services.ingestion import Ingestion

GAP_SECONDS = 60.0
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class GapParts:
    """For the scheduler and the API."""

    sweep: GapSweep
    gaps: Gaps


class DocumentAnswers:
    """Implements services.gaps.Answers: a document of its own for each question and its answer."""

    def __init__(self, ingestion: Ingestion) -> None:
        self._ingestion = ingestion

    async def add(self, business_id: str, question: str, answer: str) -> Document:
        """The question as the heading over the answer."""

        async def content() -> AsyncIterator[bytes]:
            yield f"# {' '.join(question.split())}\n\n{answer}\n".encode()

        name = f"{' '.join(question.split())[:LONGEST_NAME]}.md"
        return await self._ingestion.accept(business_id, name, content(), source="answer")


def gap_parts(settings: Settings, chat: Database, knowledge: RunningKnowledge, clock: Clock) -> GapParts:
    """The parts on top of an open knowledge; they hold nothing that would have to be closed."""
    reader = QuestionReader(knowledge.agents.packs)
    options = GapOptions(
        likeness=settings.concierge_gap_likeness,
        keep_days=settings.concierge_gap_keep_days,
        most_gaps=settings.concierge_max_gaps,
    )
    sweep = GapSweep(chat, knowledge.ingestion, knowledge.agents.local, reader, clock, options)
    return GapParts(sweep, Gaps(chat, DocumentAnswers(knowledge.ingestion), clock))

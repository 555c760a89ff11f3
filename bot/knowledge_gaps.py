"""Wires what is made of customers' questions: the sweep for gaps, the desk that answers them, and replays."""

from dataclasses import dataclass

from agents.query_agent import QueryAgent
from agents.unanswered import QuestionReader
from bot.knowledge import RunningKnowledge
from bot.settings import Settings
from database.clock import Clock
from database.engine import Database
from database.records import Document
from services.answer_pairs import AnswerNotTakenError, AnswerPairs
from services.answer_thresholds import BusinessThresholds
from services.gap_sweep import GapOptions, GapSweep
from services.gaps import Gaps
from services.replay import ReplayOptions, Replays

GAP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class GapParts:
    """For the scheduler and the API."""

    sweep: GapSweep
    gaps: Gaps
    replays: Replays


class PairedAnswers:
    """Implements services.gaps.Answers: a pair for each question and its answer, as if its owner had added it."""

    def __init__(self, pairs: AnswerPairs) -> None:
        self._pairs = pairs

    async def add(self, business_id: str, question: str, answer: str) -> Document:
        """The pair's document; a question that there is keeps its tags. Raises AnswerNotTakenError."""
        pair = await self._pairs.add(business_id, question, answer, None)
        if pair.document is None:
            raise AnswerNotTakenError("The answer was deleted while it was made.")
        return pair.document


def gap_parts(
    settings: Settings, chat: Database, knowledge: RunningKnowledge, answers: AnswerPairs, clock: Clock
) -> GapParts:
    """The parts on top of an open knowledge; they hold nothing that would have to be closed."""
    reader = QuestionReader(knowledge.agents.packs)
    options = GapOptions(
        likeness=settings.concierge_gap_likeness,
        keep_days=settings.concierge_gap_keep_days,
        most_gaps=settings.concierge_max_gaps,
    )
    sweep = GapSweep(chat, knowledge.ingestion, knowledge.agents.local, reader, clock, options)
    replays = Replays(
        *(chat, knowledge.database, knowledge.ingestion, knowledge.index),
        lambda searched: QueryAgent(searched, None, knowledge.agents.packs, BusinessThresholds(knowledge.database)),
        *(reader, clock, ReplayOptions(settings.concierge_replay_questions, settings.concierge_replay_seconds)),
    )
    return GapParts(sweep, Gaps(chat, PairedAnswers(answers), clock), replays)

"""Looks for questions that were not answered and puts each into the gap that means the same, or into a new one.

Nothing is asked of a language model. The embeddings are always the local ones: how near two questions must be was
measured with these (docs/benchmarks.md), and no sweep shall pay for it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from agents.unanswered import QuestionReader
from database.clock import Clock
from database.engine import Database
from database.gap_sources import NOT_KNOWN, PERSON, Asked, messages_to_people, turns_that_did_not_know
from database.gaps import (
    GapGroup,
    GapQuestion,
    GapState,
    all_of,
    forget_gaps,
    forget_questions,
    gap_groups,
    gap_mark,
    grouped_among,
    join_gap,
    new_gap,
    set_gap_mark,
    surplus_gaps,
)
from database.records import Document, new_id
from database.transaction import Unit
from services.knowledge_ports import Embedder, Vectors

logger = logging.getLogger(__name__)

DAY_MS = 86_400_000
# What was looked at is looked at again for a while: a turn may end, a message be closed, after others that came later.
OVERLAP_MS = {NOT_KNOWN: 600_000, PERSON: 3_600_000}
PAGE = 50
FORGET_ROWS = 500
MOST_REMEMBERED = 100_000
PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class GapOptions:
    """`likeness`: the least cosine of a question with the middle of a gap that means the same (docs/benchmarks.md)."""

    likeness: float = 0.75
    keep_days: int = 90
    most_gaps: int = 2000


class Documents(Protocol):
    """Where the answers of gaps lie."""

    async def get(self, business_id: str, document_id: str) -> Document | None:
        """A document, or None."""
        ...


class _Read(NamedTuple):
    """The questions of what was asked; most has none."""

    asked: Asked
    language: str
    questions: Sequence[str]


class GapSweep:
    """One runs at a time (services/scheduler.py)."""

    def __init__(
        self,
        chat: Database,
        documents: Documents,
        embedder: Embedder,
        reader: QuestionReader,
        clock: Clock,
        options: GapOptions,
    ) -> None:
        self._chat = chat
        self._documents = documents
        self._embedder = embedder
        self._reader = reader
        self._clock = clock
        self._options = options
        self._looked_at: dict[str, dict[str, int]] = {}

    async def run(self) -> int:
        """Group what came since the last time, and forget what is too old; how many questions were grouped."""
        grouped = await self._look(NOT_KNOWN, turns_that_did_not_know)
        grouped += await self._look(PERSON, messages_to_people)
        if grouped:
            logger.info("%d questions without an answer are in gaps now", grouped)
        await self._forget()
        return grouped

    async def _forget(self) -> None:
        """A stretch at a time: chat goes first."""
        before = self._clock.now() - self._options.keep_days * DAY_MS
        while await self._chat.write(forget_questions(before, FORGET_ROWS)) >= FORGET_ROWS:
            await self._clock.sleep(PAUSE_SECONDS)
        while surplus := await self._chat.read(surplus_gaps(self._options.most_gaps, PAGE)):
            await self._chat.write(forget_gaps(surplus))
            await self._clock.sleep(PAUSE_SECONDS)

    async def _look(self, why: str, pages: Callable[[tuple[int, str], int], Unit[list[Asked]]]) -> int:
        now = self._clock.now()
        mark = await self._chat.read(gap_mark(why))
        oldest = now - self._options.keep_days * DAY_MS
        after = (max(oldest, min(mark or 0, now) - OVERLAP_MS[why]), "")
        looked_at = {place: at for place, at in self._looked_at.get(why, {}).items() if at >= after[0]}
        grouped = 0
        while asked := await self._chat.read(pages(after, PAGE)):
            grouped += await self._group([each for each in asked if each.place not in looked_at])
            looked_at.update((each.place, each.at) for each in asked)
            after = (asked[-1].at, asked[-1].place)
            await self._clock.sleep(PAUSE_SECONDS)
        # what asks nothing is not read again in each pass; forgotten, it only costs the time
        self._looked_at[why] = looked_at if len(looked_at) <= MOST_REMEMBERED else {}
        if after[0] > (mark or 0) and looked_at:
            await self._chat.write(set_gap_mark(why, after[0]))
        return grouped

    async def _group(self, asked: Sequence[Asked]) -> int:
        known = await self._chat.read(grouped_among([each.message_id for each in asked])) if asked else set()
        read = await asyncio.to_thread(self._read, [each for each in asked if each.message_id not in known])
        groups: dict[tuple[str, str], list[GapGroup]] = {}
        for each, language, questions in read:
            near = groups.setdefault((each.business_id, language), [])
            if not near:
                near += await self._chat.read(gap_groups(each.business_id, language, self._embedder.name))
            vectors = await self._embedder.embed(questions)
            placed = [_question(each, part, question, vectors[part]) for part, question in enumerate(questions)]
            # in one unit: a message counts as looked at by any of its questions
            await self._chat.write(all_of([await self._place(each, one, language, near) for one in placed]))
        return sum(len(each.questions) for each in read)

    def _read(self, asked: Sequence[Asked]) -> list[_Read]:
        """Those that ask something. Takes a millisecond each: call it in a thread."""
        found = []
        for each in asked:
            if each.offered or self._reader.asked_back(each.reply):
                continue
            language = each.language or self._reader.language_of(each.texts, None)
            questions = self._reader.questions(each.texts, language, each.intents)
            if questions:
                found.append(_Read(each, language, questions))
        return found

    async def _place(
        self, asked: Asked, question: GapQuestion, language: str, groups: list[GapGroup]
    ) -> Unit[str] | Unit[None]:
        """What puts it into the nearest of the groups, which are kept as they will be then."""
        vector = stored(question.vector)
        nearest = nearest_group(groups, vector, self._options.likeness)
        if nearest is None:
            gap_id = new_id()
            groups.append(GapGroup(gap_id, GapState.OPEN, question.vector, None))
            return new_gap(question, language, self._embedder.name, self._clock.now(), gap_id)
        reopen = nearest.state is GapState.ANSWERED and asked.why == NOT_KNOWN and await self._failed(nearest, asked)
        centroid = (stored(nearest.centroid) + vector).astype("<f4").tobytes()
        state = GapState.OPEN if reopen else nearest.state
        groups[groups.index(nearest)] = replace(nearest, centroid=centroid, state=state)
        return join_gap(nearest.id, question, centroid, reopen=reopen)

    async def _failed(self, gap: GapGroup, asked: Asked) -> bool:
        """Whether the gap's answer was there when this was asked, and did not help; or is gone."""
        document = await self._documents.get(asked.business_id, gap.document_id) if gap.document_id else None
        if document is None or document.error_message is not None:
            return True
        return document.is_processed and document.updated_at < asked.began_at


def nearest_group(groups: Sequence[GapGroup], vector: Vectors, likeness: float) -> GapGroup | None:
    """The gap whose middle a question is nearest to, when it is near enough."""
    if not groups:
        return None
    sums = np.frombuffer(b"".join(group.centroid for group in groups), "<f4").reshape(len(groups), -1)
    near = (sums @ vector) / np.maximum(np.linalg.norm(sums, axis=1), 1e-9)
    best = int(np.argmax(near))
    return groups[best] if near[best] >= likeness else None


def stored(vector: bytes) -> Vectors:
    """A vector as it lies in the database."""
    return np.frombuffer(vector, "<f4")


def _question(asked: Asked, part: int, question: str, vector: Vectors) -> GapQuestion:
    return GapQuestion(
        business_id=asked.business_id,
        contact_id=asked.contact_id,
        message_id=asked.message_id,
        part=part,
        turn_id=asked.turn_id,
        why=asked.why,
        question=question,
        vector=vector.astype("<f4").tobytes(),
        asked_at=asked.at,
    )

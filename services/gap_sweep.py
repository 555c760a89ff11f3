"""Looks for questions that were not answered and puts each into the gap that means the same, or into a new one.

Nothing is asked of a language model. The embeddings are always the local ones: how near two questions must be was
measured with these (docs/benchmarks.md), and no sweep shall pay for it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from agents.unanswered import QuestionReader
from database.clock import Clock
from database.engine import Database
from database.gap_sources import NOT_KNOWN, PERSON, Asked, messages_to_people, turns_that_did_not_know
from database.gaps import (
    GapGroup,
    GapQuestion,
    GapState,
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
from database.records import Document
from database.transaction import Unit
from services.knowledge_ports import Embedder, Vectors

logger = logging.getLogger(__name__)

DAY_MS = 86_400_000
# What was looked at is looked at again for a while: a turn may end, a message be closed, after others that came later.
OVERLAP_MS = {NOT_KNOWN: 600_000, PERSON: 3_600_000}
PAGE = 50
FORGET_ROWS = 500
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
        grouped = 0
        while asked := await self._chat.read(pages(after, PAGE)):
            grouped += await self._group(asked)
            after = (asked[-1].at, asked[-1].place)
            await self._chat.write(set_gap_mark(why, asked[-1].at))
            await self._clock.sleep(PAUSE_SECONDS)
        return grouped

    async def _group(self, asked: Sequence[Asked]) -> int:
        known = await self._chat.read(grouped_among([each.message_id for each in asked]))
        groups: dict[tuple[str, str], list[GapGroup]] = {}
        grouped = 0
        for each in asked:
            if each.message_id in known or each.offered or self._reader.asked_back(each.reply):
                continue
            language = each.language or self._reader.language_of(each.texts, None)
            questions = self._reader.questions(each.texts, language, each.intents)
            if not questions:
                continue
            near = groups.setdefault((each.business_id, language), [])
            if not near:
                near += await self._chat.read(gap_groups(each.business_id, language, self._embedder.name))
            vectors = await self._embedder.embed(questions)
            for part, question in enumerate(questions):
                await self._place(each, _question(each, part, question, vectors[part]), language, near)
            grouped += len(questions)
        return grouped

    async def _place(self, asked: Asked, question: GapQuestion, language: str, groups: list[GapGroup]) -> None:
        """Into the nearest of the groups, which are kept as they are then."""
        vector = stored(question.vector)
        nearest = nearest_group(groups, vector, self._options.likeness)
        if nearest is None:
            gap_id = await self._chat.write(new_gap(question, language, self._embedder.name, self._clock.now()))
            groups.append(GapGroup(gap_id, GapState.OPEN, question.vector, None))
            return
        reopen = nearest.state is GapState.ANSWERED and asked.why == NOT_KNOWN and await self._failed(nearest, asked)
        centroid = (stored(nearest.centroid) + vector).astype("<f4").tobytes()
        await self._chat.write(join_gap(nearest.id, question, centroid, reopen=reopen))
        state = GapState.OPEN if reopen else nearest.state
        groups[groups.index(nearest)] = replace(nearest, centroid=centroid, state=state)

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

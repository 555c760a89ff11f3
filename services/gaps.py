"""Knowledge gaps as their owner sees them: listed, answered, ignored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from database.clock import Clock
from database.engine import Database
from database.gaps import GapPlace, GapRow, GapState, gap_of, gaps_page, settle_gap
from database.records import Document
from services.gap_sweep import stored

MOST_EXAMPLES = 5
MOST_TURNS = 20


class GapSettledError(Exception):
    """The gap is answered already."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions that mean the same. `question` is the owner's wording, or the customer's that is most like the others.

    `with_person` of the `count` were asked while a person had the chat. `examples` are up to five wordings, the newest
    first; `turn_ids` up to twenty turns, the newest first, without those questions that no turn answered.
    """

    id: str
    question: str
    language: str
    state: GapState
    count: int
    with_person: int
    first_at: int
    last_at: int
    examples: tuple[str, ...]
    turn_ids: tuple[str, ...]
    document_id: str | None


class Answers(Protocol):
    """Where a question and its answer become knowledge."""

    async def add(self, business_id: str, question: str, answer: str) -> Document:
        """The document that they are now, on its way to the searches."""
        ...


class Gaps:
    """Every call is about one business and sees nothing of another's."""

    def __init__(self, chat: Database, answers: Answers, clock: Clock) -> None:
        self._chat = chat
        self._answers = answers
        self._clock = clock
        self._answering: set[str] = set()

    async def list(
        self, business_id: str, limit: int, state: GapState | None = None, after: GapPlace | None = None
    ) -> tuple[list[Gap], GapPlace | None]:
        """A page of gaps, the most asked first, and the place that the next page begins behind."""
        rows, until = await self._chat.read(gaps_page(business_id, limit + 1, state, after))
        page = rows[:limit]
        following = GapPlace(until, page[-1].count, page[-1].id) if len(rows) > limit else None
        return [_gap(row) for row in page], following

    async def get(self, business_id: str, gap_id: str) -> Gap | None:
        """One gap."""
        row = await self._chat.read(gap_of(business_id, gap_id))
        return _gap(row) if row else None

    async def answer(
        self, business_id: str, gap_id: str, answer: str, question: str | None, actor: str
    ) -> tuple[Gap, Document] | None:
        """Make the gap's question, or another wording, and its answer knowledge. None when there is no such gap.

        Raises GapSettledError, and what `Answers.add` raises.
        """
        gap = await self.get(business_id, gap_id)
        if gap is None:
            return None
        if gap.state is GapState.ANSWERED or gap_id in self._answering:
            raise GapSettledError
        self._answering.add(gap_id)
        try:
            return await self._answered(gap, business_id, answer, question or gap.question, actor)
        finally:
            self._answering.discard(gap_id)

    async def _answered(
        self, gap: Gap, business_id: str, answer: str, wording: str, actor: str
    ) -> tuple[Gap, Document] | None:
        # the document first: a crash between the two leaves an open gap, never an answer that is nowhere
        document = await self._answers.add(business_id, wording, answer)
        settled = settle_gap(
            *(business_id, gap.id, GapState.ANSWERED, actor, self._clock.now()),
            question=wording,
            document_id=document.id,
        )
        await self._chat.write(settled)
        answered = await self.get(business_id, gap.id)
        return (answered, document) if answered else None

    async def ignore(self, business_id: str, gap_id: str, actor: str) -> bool:
        """Show the gap no more among the open ones, also when it is asked again. False when there is none.

        Raises GapSettledError.
        """
        gap = await self.get(business_id, gap_id)
        if gap is None:
            return False
        ignored = settle_gap(business_id, gap_id, GapState.IGNORED, actor, self._clock.now())
        if not await self._chat.write(ignored):
            raise GapSettledError
        return True


def _gap(row: GapRow) -> Gap:
    texts = [text for text, _, _ in row.newest]
    return Gap(
        id=row.id,
        question=row.question or _most_central(row),
        language=row.language,
        state=row.state,
        count=row.count,
        with_person=row.with_person,
        first_at=row.first_at,
        last_at=row.last_at,
        examples=_distinct(texts)[:MOST_EXAMPLES],
        turn_ids=tuple(dict.fromkeys(turn for _, _, turn in row.newest if turn))[:MOST_TURNS],
        document_id=row.document_id,
    )


def _most_central(row: GapRow) -> str:
    middle = stored(row.centroid)
    return max(row.newest, key=lambda each: float(np.dot(stored(each[1]), middle)))[0]


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    """Each wording once, however it is spelled."""
    return tuple({" ".join(text.casefold().split()): text for text in reversed(texts)}.values())[::-1]

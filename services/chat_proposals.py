"""Exported chats as a source of proposed answers: nothing becomes knowledge without a person's yes."""

import asyncio
from dataclasses import dataclass
from typing import BinaryIO

from database.clock import Clock
from database.engine import Database
from database.proposed_answers import (
    NewProposal,
    ProposedAnswer,
    propose,
    proposed_answer,
    proposed_page,
    refuse_proposal,
    take_proposal,
)
from services.answer_pairs import AnswerPair, AnswerPairs, QuestionTakenError, pair_content, taken_by
from services.chat_reader import ChatLimits, read_chat
from services.document_files import safe_filename


class ProposalSettledError(Exception):
    """It was taken or refused already; `str(error)` is a sentence for the owner."""


@dataclass(frozen=True, slots=True)
class ReadChat:
    """How many pairs were found in a chat, and how many of them are proposed now for the first time."""

    found: int
    proposed: int


class ChatProposals:
    """May be called by many at once; one chat is read at a time."""

    def __init__(self, database: Database, answers: AnswerPairs, clock: Clock, limits: ChatLimits) -> None:
        self._database = database
        self._answers = answers
        self._clock = clock
        self._limits = limits
        self._turn = asyncio.Semaphore(1)

    async def read(self, business_id: str, filename: str, file: BinaryIO, business_name: str | None) -> ReadChat:
        """Propose what an export's questions were answered with.

        `business_name` is who answered, as the chat names them; None: whoever clearly did.
        Raises NotAChatError, UnclearBusinessError.
        """
        async with self._turn:
            pairs = await read_chat(file, business_name, self._limits)
        proposals = [
            NewProposal(each.question, each.key, each.answer, each.times, each.asked_at.isoformat()) for each in pairs
        ]
        proposed = await self._database.write(
            propose(business_id, safe_filename(filename), proposals, self._clock.now())
        )
        return ReadChat(len(pairs), proposed)

    async def page(
        self, business_id: str, limit: int, state: str | None = None, after: str = ""
    ) -> list[ProposedAnswer]:
        """As database.proposed_answers.proposed_page."""
        return await self._database.read(proposed_page(business_id, limit, state, after))

    async def accept(
        self, business_id: str, proposal_id: str, question: str | None = None, answer: str | None = None
    ) -> AnswerPair | None:
        """Make it a pair, in other words where some are given. None when there is none.

        Raises ProposalSettledError, QuestionTakenError, AnswerNotTakenError.
        """
        found = await self._database.read(proposed_answer(business_id, proposal_id))
        if found is None:
            return None
        content = pair_content(question or found.question, answer or found.answer)
        pair = await self._database.write(take_proposal(business_id, proposal_id, content, self._clock.now()))
        if pair is None:
            raise ProposalSettledError("This proposal was taken or refused already.")
        if isinstance(pair, str):
            raise QuestionTakenError(taken_by(pair))
        return await self._answers.finish(pair)

    async def refuse(self, business_id: str, proposal_id: str) -> bool:
        """It is not proposed again. False when there is none, or it was taken."""
        return await self._database.write(refuse_proposal(business_id, proposal_id))

"""What customers asked lately, answered from the knowledge as it is and as it would be with a held version.

No language model is asked: the built-in answerer shows which passages decide, at no cost, and the same every time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agents.ports import Answer, Knowledge
from agents.unanswered import QuestionReader
from database.clock import Clock
from database.document_versions import stored_version
from database.engine import Database
from database.gap_sources import Asked, recent_turns
from database.live_chunks import SearchScope
from database.records import Document, Passage
from services.version_errors import NOTHING_HELD, NothingHeldError

PAGE = 50
MOST_TURNS = 5_000
PAUSE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """`questions`: the most of one replay. After `seconds` it ends with what was asked by then."""

    questions: int = 200
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """A question, and what it is answered with now and with the held version."""

    question: str
    before: Answer
    after: Answer

    @property
    def changed(self) -> bool:
        """Whether a customer would see another answer."""
        return (self.before.answered, self.before.text) != (self.after.answered, self.after.text)


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """`version` is the held one's number; `complete` is False where time ran out first."""

    version: int
    questions: tuple[Replayed, ...]
    complete: bool


class ScopedSearch(Protocol):
    """The search of the knowledge, also within a scope."""

    async def version(self, business_id: str) -> int:
        """As agents.ports.Knowledge."""
        ...

    async def search(
        self, business_id: str, query: str, *, limit: int, scope: SearchScope | None = None
    ) -> list[Passage]:
        """As agents.ports.Knowledge, within the scope."""
        ...


class Asker(Protocol):
    """Answers without a language model."""

    async def answer(self, business_id: str, question: str, *, language: str | None) -> Answer:
        """The answer, in this language."""
        ...


class Documents(Protocol):
    """Tells what a document is."""

    async def get(self, business_id: str, document_id: str) -> Document | None:
        """A document, or None."""
        ...


class Preview:
    """Implements agents.ports.Knowledge: the knowledge with one held version in place of its document's live one."""

    def __init__(self, search: ScopedSearch, version_id: str) -> None:
        self._search = search
        self._scope = SearchScope(preview_version_id=version_id)

    async def version(self, business_id: str) -> int:
        """As it is: nothing was published."""
        return await self._search.version(business_id)

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        """The best passages, best first."""
        return await self._search.search(business_id, query, limit=limit, scope=self._scope)


class Replays:
    """One replay at a time: customers' own questions go before these."""

    def __init__(
        self,
        chat: Database,
        knowledge: Database,
        documents: Documents,
        search: ScopedSearch,
        asker_of: Callable[[Knowledge], Asker],
        reader: QuestionReader,
        clock: Clock,
        options: ReplayOptions,
    ) -> None:
        self.options = options
        self._chat = chat
        self._knowledge = knowledge
        self._documents = documents
        self._search = search
        self._asker_of = asker_of
        self._reader = reader
        self._clock = clock
        self._turn = asyncio.Lock()

    async def of(self, business_id: str, document_id: str, limit: int) -> ReplayReport | None:
        """The last distinct questions of customers, the newest first; None when there is no such document.

        Raises NothingHeldError.
        """
        document = await self._documents.get(business_id, document_id)
        if document is None:
            return None
        held = document.held_version
        version = await self._knowledge.read(stored_version(business_id, document_id, held)) if held else None
        if held is None or version is None:
            raise NothingHeldError(NOTHING_HELD)
        before, after = self._asker_of(self._search), self._asker_of(Preview(self._search, version.id))
        async with self._turn:
            until = self._clock.monotonic() + self.options.seconds
            asked = await self._questions(business_id, min(limit, self.options.questions))
            replayed: list[Replayed] = []
            for question, language in asked:
                if self._clock.monotonic() >= until:
                    break
                was = await before.answer(business_id, question, language=language)
                now = await after.answer(business_id, question, language=language)
                replayed.append(Replayed(question, was, now))
                await self._clock.sleep(PAUSE_SECONDS)
        return ReplayReport(held, tuple(replayed), complete=len(replayed) == len(asked))

    async def _questions(self, business_id: str, limit: int) -> list[tuple[str, str]]:
        """Questions with their languages, each wording once."""
        found: dict[str, tuple[str, str]] = {}
        before: str | None = None
        for _ in range(MOST_TURNS // PAGE):
            turns = await self._chat.read(recent_turns(business_id, PAGE, before))
            for turn in turns:
                for question, language in self._asked(turn):
                    found.setdefault(" ".join(question.casefold().split()), (question, language))
            if len(found) >= limit or len(turns) < PAGE:
                break
            before = turns[-1].place
        return list(found.values())[:limit]

    def _asked(self, turn: Asked) -> list[tuple[str, str]]:
        language = turn.language or self._reader.language_of(turn.texts, None)
        return [(question, language) for question in self._reader.questions(turn.texts, language, turn.intents)]

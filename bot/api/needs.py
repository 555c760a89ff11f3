"""What the API needs from the running bot, in its own words; bot/app.py stores it under `API` at start."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from agents.ports import Answer, Knowledge
from agents.topics import TopicGuess
from agents.word_marks import WordMarks
from database.clock import Clock
from database.engine import Database
from database.records import Document
from services.gaps import Gaps


class Ingestion(Protocol):
    """Files on their way to knowledge. Every call is about one business and sees nothing of another's."""

    async def accept(self, business_id: str, filename: str, chunks: AsyncIterator[bytes]) -> Document:
        """Store a file; the document, `queued`, or `failed` when the file itself is bad."""
        ...

    async def list(self, business_id: str, limit: int, cursor: str | None) -> tuple[Sequence[Document], str | None]:
        """A page of documents and the cursor of the next. Raises ValueError for a cursor that it did not make."""
        ...

    async def get(self, business_id: str, document_id: str) -> Document | None:
        """A document, or None."""
        ...

    async def delete(self, business_id: str, document_id: str) -> bool:
        """Forget a document: no search finds it from now on. False when there is none."""
        ...


class Asker(Protocol):
    """Answers a question from the knowledge, without a conversation around it."""

    async def answer(self, business_id: str, question: str) -> Answer:
        """The answer; `answered` is False when the knowledge does not hold it."""
        ...


class TopicGuesser(Protocol):
    """Says what a text would be held to be about, without a language model."""

    async def guess(self, business_id: str, text: str) -> TopicGuess:
        """The topic, or None, and how sure that is."""
        ...


@dataclass(frozen=True, slots=True)
class ApiNeeds:
    """All that the API's handlers use.

    `tokens` maps the name of a key (for limits and the audit log) to its bearer token. `requests_per_second` holds
    for each of them. `wake_intake` tells intake that events wait.
    `knowledge_database` is knowledge.db: passages that a turn answered from, what a business set.
    """

    chat: Database
    ingestion: Ingestion
    knowledge: Knowledge
    asker: Asker
    clock: Clock
    tokens: Mapping[str, str]
    requests_per_second: float
    max_upload_files: int
    wake_intake: Callable[[], None]
    knowledge_database: Database
    word_marks: WordMarks
    topics: TopicGuesser
    gaps: Gaps


API: web.AppKey[ApiNeeds] = web.AppKey("api", ApiNeeds)

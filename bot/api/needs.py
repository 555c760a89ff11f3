"""What the API needs from the running bot, in its own words; bot/app.py stores it under `API` at start."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from agents.ports import Answer
from agents.topics import TopicGuess
from agents.word_marks import WordMarks
from database.clock import Clock
from database.engine import Database
from database.records import Document, VersionView
from services.answer_pairs import AnswerPairs
from services.chat_proposals import ChatProposals
from services.document_files import ReceivedFile
from services.gaps import Gaps
from services.replay import Replays, ScopedSearch
from services.web_sources import WebSources


class DocumentListener(Protocol):
    """Hears which documents change."""

    async def changed(self) -> AbstractSet[str]:
        """The documents that changed or were deleted since the last call; waits for one."""
        ...


class DocumentNews(Protocol):
    """Tells which documents change."""

    def listening(self, business_id: str) -> AbstractAsyncContextManager[DocumentListener]:
        """Hear of a business for the length of the block."""
        ...


class Ingestion(Protocol):
    """Files on their way to knowledge. Every call is about one business and sees nothing of another's.

    None, or False, means that the business has no such document. Calls about versions raise VersionError, whose
    sentence is for the document's owner.
    """

    @property
    def news(self) -> DocumentNews:
        """What changes."""
        ...

    async def receive(self, business_id: str, chunks: AsyncIterator[bytes]) -> ReceivedFile:
        """Store a file that no document has yet. Raises what `chunks` raises; nothing is kept then."""
        ...

    async def forget(self, received: ReceivedFile) -> None:
        """Take a received file away that was not taken."""
        ...

    async def take(
        self,
        business_id: str,
        filename: str,
        received: ReceivedFile,
        *,
        document_id: str | None = None,
        tags: Sequence[str] = (),
        hold: bool = False,
    ) -> Document:
        """A received file's document: `queued`, or `failed` when the file itself is bad.

        Without an id, of the name that is there already it is a new version, and of the same content nothing new.
        """
        ...

    async def take_version(
        self, business_id: str, document_id: str, received: ReceivedFile, *, filename: str | None, hold: bool = False
    ) -> Document | None:
        """Make a received file the new version of a document, which keeps its name where none is given."""
        ...

    async def list(
        self, business_id: str, limit: int, cursor: str | None, *, source: str | None, tag: str | None
    ) -> tuple[Sequence[Document], str | None]:
        """A page of documents and the cursor of the next. Raises ValueError for a cursor that it did not make."""
        ...

    async def get(self, business_id: str, document_id: str) -> Document | None:
        """A document."""
        ...

    async def delete(self, business_id: str, document_id: str) -> bool:
        """Forget a document: no search finds it from now on."""
        ...

    async def versions(self, business_id: str, document_id: str) -> Sequence[VersionView] | None:
        """The versions that are kept, the newest first."""
        ...

    async def roll_back(self, business_id: str, document_id: str, number: int) -> Document | None:
        """Make a new version of that one's content."""
        ...

    async def publish(self, business_id: str, document_id: str) -> Document | None:
        """Let the held version answer."""
        ...

    async def discard(self, business_id: str, document_id: str) -> Document | None:
        """Drop the held version."""
        ...

    async def retry(self, business_id: str, document_id: str) -> Document | None:
        """Read the newest version, which has failed, again."""
        ...

    async def set_tags(self, business_id: str, document_id: str, tags: Sequence[str]) -> Document | None:
        """Put these tags in place of the others."""
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


class Sources(Protocol):
    """Where knowledge comes from besides uploads. `most_upload_bytes` holds for an exported chat as it is sent."""

    @property
    def web(self) -> WebSources:
        """Pages and sitemaps."""
        ...

    @property
    def answers(self) -> AnswerPairs:
        """Questions with their answers."""
        ...

    @property
    def chats(self) -> ChatProposals:
        """Exported chats."""
        ...

    @property
    def most_upload_bytes(self) -> int:
        """In bytes."""
        ...

    async def sweep(self) -> None:
        """Do what is due of each."""
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
    knowledge: ScopedSearch
    asker: Asker
    clock: Clock
    tokens: Mapping[str, str]
    requests_per_second: float
    max_upload_files: int
    max_event_listeners: int
    wake_intake: Callable[[], None]
    knowledge_database: Database
    word_marks: WordMarks
    topics: TopicGuesser
    gaps: Gaps
    replays: Replays
    sources: Sources


API: web.AppKey[ApiNeeds] = web.AppKey("api", ApiNeeds)

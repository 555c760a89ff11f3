"""The knowledge without a server: own the data directory, open what knowledge needs, and nothing that talks to Meta."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.api.evaluations import EvaluationOut
from bot.api.schemas import AnswerOut, DocumentOut, PassageOut
from bot.api.web_sources import AddedDocumentsOut
from bot.commands.failures import CommandError
from bot.commands.file_sender import Sent, SentFile
from bot.commands.knowledge_door import DELETED, DeletedDocument, UploadOptions
from bot.data_directory import DATABASE_FILES, owned_directory
from bot.knowledge import RunningKnowledge, running_knowledge
from bot.knowledge_sources import KnowledgeSources, knowledge_sources
from bot.settings import Settings
from database.businesses import DEFAULT, business_by_slug, ensure_default
from database.clock import Clock
from database.engine import Database, DatabaseOptions
from database.evaluations import evaluations_page, keep_evaluation
from database.metrics import Metrics
from database.records import Business, Document, DocumentStatus
from services.chunk_sets.runs import ChunkSets
from services.version_errors import VersionError
from services.web_errors import WebRefusedError

PIECE_BYTES = 1024 * 1024
PAGE = 100
WHOLE_SECONDS = 120.0


class OwnDoor:
    """The knowledge of one business, in the API's own shapes."""

    afterwards = "the next start goes on with them"

    def __init__(
        self, knowledge: RunningKnowledge, sources: KnowledgeSources, business: Business, clock: Clock
    ) -> None:
        self._clock = clock
        self._sources = sources
        self._knowledge = knowledge
        self._ingestion = knowledge.ingestion
        self._business_id = business.id

    @property
    def business_id(self) -> str:
        """Whose knowledge it is."""
        return self._business_id

    @property
    def chunk_sets(self) -> ChunkSets:
        """Exports and imports."""
        return self._knowledge.chunk_sets

    async def upload(self, file: Path, name: str, options: UploadOptions, sent: Sent) -> dict[str, Any]:
        """Hand over a file, telling how much of it went; its Document."""
        try:
            document = await self._ingestion.accept(
                self._business_id, name, _pieces(file, sent), tags=tuple(options.tags), hold=options.hold
            )
        except sqlite3.DatabaseError as error:
            raise CommandError(f"A database cannot be used: {error}") from error
        return _shown(document)

    async def add_address(self, url: str) -> dict[str, Any]:
        """Read a web address: its source, and the Documents that it has by now."""
        try:
            added = await self._sources.web.add(self._business_id, url)
        except WebRefusedError as error:
            raise CommandError(f"The address cannot be read. {error}") from error
        return AddedDocumentsOut.of(added).model_dump(mode="json")

    async def document(self, document_id: str) -> dict[str, Any] | None:
        """How far a Document is; None when it is not there any more."""
        document = await self._ingestion.get(self._business_id, document_id)
        return None if document is None else _shown(document)

    async def changes(self) -> AsyncGenerator[dict[str, Any] | DeletedDocument | None, None]:
        """Documents as they change or are deleted; None at the beginning."""
        async with self._ingestion.news.listening(self._business_id) as listener:
            yield None
            while True:
                for document_id in await listener.changed():
                    yield await self.document(document_id) or DeletedDocument(document_id)

    async def failed(self) -> list[dict[str, Any]]:
        """Every Document that has failed."""
        found: list[Document] = []
        cursor: str | None = None
        while True:
            page, cursor = await self._ingestion.list(self._business_id, PAGE, cursor)
            found += [each for each in page if each.status is DocumentStatus.FAILED]
            if cursor is None:
                return [_shown(each) for each in found]

    async def retry(self, document_id: str) -> dict[str, Any]:
        """Try a failed Document again; what it is now."""
        try:
            document = await self._ingestion.retry(self._business_id, document_id)
        except VersionError as error:
            raise CommandError(str(error)) from error
        if document is None:
            raise CommandError(DELETED)
        return _shown(document)

    async def wait_whole(self) -> None:
        """An index that was just opened is compared with the database first. Raises CommandError when it stays away."""
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                await self._knowledge.index.wait_healthy()
        except TimeoutError as error:
            raise CommandError("The vector store does not come up. `concierge doctor` looks at it.") from error

    async def search(self, query: str, limit: int) -> list[dict[str, Any]]:
        """The best passages, best first."""
        passages = await self._knowledge.index.search(self._business_id, query, limit=limit)
        return [PassageOut.of(passage).model_dump(mode="json") for passage in passages]

    async def last_evaluation(self, name: str) -> dict[str, Any] | None:
        """The newest Evaluation of this name."""
        runs = await self._knowledge.database.read(evaluations_page(self._business_id, 1, name))
        return EvaluationOut.of(runs[0]).model_dump(mode="json") if runs else None

    async def keep_evaluation(self, name: str, questions: int, figures: Mapping[str, float | None]) -> None:
        """Remember one."""
        kept = keep_evaluation(self._business_id, name, questions, figures, self._clock.now())
        await self._knowledge.database.write(kept)

    async def ask(self, question: str) -> dict[str, Any]:
        """An answer with its sources."""
        return AnswerOut.of(await self._knowledge.agents.asker.answer(self._business_id, question)).model_dump(
            mode="json"
        )


@asynccontextmanager
async def own_knowledge(settings: Settings, business: str, clock: Clock) -> AsyncIterator[OwnDoor]:
    """Own the data directory and open its knowledge. Raises OwnedError, CommandError for an unknown business."""
    metrics = Metrics()
    dice = random.Random()  # noqa: S311 - it spreads retries, it guards nothing
    wait_seconds = settings.concierge_lock_wait_seconds
    async with owned_directory(settings.concierge_data_dir, clock=clock, wait_seconds=wait_seconds) as directory:
        options = DatabaseOptions("chat", busy_timeout_seconds=settings.concierge_busy_timeout_seconds)
        async with Database.open(directory.path / DATABASE_FILES["chat"], options, metrics) as chat:
            owner = await _business(chat, business, settings.whatsapp_phone_number_id, clock)
            async with (
                running_knowledge(directory.path, settings, clock, dice, metrics, chat=chat) as knowledge,
                knowledge_sources(settings, knowledge, clock, dice) as sources,
            ):
                yield OwnDoor(knowledge, sources, owner, clock)


async def _business(chat: Database, slug: str, number_id: str, clock: Clock) -> Business:
    if slug == DEFAULT:
        return await chat.write(ensure_default(number_id, clock.now()))
    found = await chat.read(business_by_slug(slug))
    if found is None:
        raise CommandError(f"There is no business {slug}.")
    return found


async def _pieces(file: Path, sent: Sent) -> AsyncIterator[bytes]:
    source = await asyncio.to_thread(SentFile, file, sent)
    with source:
        while piece := await asyncio.to_thread(source.read, PIECE_BYTES):
            yield piece


def _shown(document: Document) -> dict[str, Any]:
    return DocumentOut.of(document).model_dump(mode="json")

"""The knowledge without a server: own the data directory, open what knowledge needs, and nothing that talks to Meta."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.api.schemas import AnswerOut, DocumentOut
from bot.commands.failures import CommandError
from bot.data_directory import DATABASE_FILES, owned_directory
from bot.knowledge import RunningKnowledge, running_knowledge
from bot.settings import Settings
from database.businesses import DEFAULT, business_by_slug, ensure_default
from database.clock import Clock
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from database.records import Business

PIECE_BYTES = 1024 * 1024


class OwnDoor:
    """The knowledge of one business, in the API's own shapes."""

    def __init__(self, knowledge: RunningKnowledge, business: Business) -> None:
        self._knowledge = knowledge
        self._business_id = business.id

    async def upload(self, file: Path) -> dict[str, Any]:
        """Hand over a file; its Document."""
        document = await self._knowledge.ingestion.accept(self._business_id, file.name, _pieces(file))
        return DocumentOut.of(document).model_dump(mode="json")

    async def document(self, document_id: str) -> dict[str, Any]:
        """How far a Document is."""
        document = await self._knowledge.ingestion.get(self._business_id, document_id)
        if document is None:
            raise CommandError("The document was deleted meanwhile.")
        return DocumentOut.of(document).model_dump(mode="json")

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
            async with running_knowledge(directory.path, settings, clock, dice, metrics, chat=chat) as knowledge:
                yield OwnDoor(knowledge, owner)


async def _business(chat: Database, slug: str, number_id: str, clock: Clock) -> Business:
    if slug == DEFAULT:
        return await chat.write(ensure_default(number_id, clock.now()))
    found = await chat.read(business_by_slug(slug))
    if found is None:
        raise CommandError(f"There is no business {slug}.")
    return found


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    source = await asyncio.to_thread(file.open, "rb")
    with source:
        while piece := await asyncio.to_thread(source.read, PIECE_BYTES):
            yield piece

"""The knowledge as commands reach it: through the running server, or by owning the data directory for a moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from bot.commands.owner_api import OwnerApi, owner_api
from bot.settings import Settings
from database.clock import Clock


class KnowledgeDoor(Protocol):
    """What `ingest` and `ask` do, in the API's own shapes."""

    async def upload(self, file: Path) -> dict[str, Any]:
        """Hand over a file; its Document."""
        ...

    async def document(self, document_id: str) -> dict[str, Any]:
        """How far a Document is."""
        ...

    async def ask(self, question: str) -> dict[str, Any]:
        """An answer with its sources."""
        ...


class ApiDoor:
    """Through the server that owns the data directory."""

    def __init__(self, api: OwnerApi, business: str) -> None:
        self._api = api
        self._path = f"/api/v1/businesses/{business}"

    async def upload(self, file: Path) -> dict[str, Any]:
        """Hand over a file; its Document."""
        answer = await self._api.upload(f"{self._path}/documents", file, file.name)
        document: dict[str, Any] = answer["documents"][0]
        return document

    async def document(self, document_id: str) -> dict[str, Any]:
        """How far a Document is."""
        return await self._api.get(f"{self._path}/documents/{document_id}")

    async def ask(self, question: str) -> dict[str, Any]:
        """An answer with its sources."""
        return await self._api.post(f"{self._path}/ask", {"question": question})


@asynccontextmanager
async def knowledge_door(settings: Settings, business: str, clock: Clock) -> AsyncIterator[KnowledgeDoor]:
    """The running server's knowledge; without a server, this process owns the data directory meanwhile."""
    wait_seconds = settings.concierge_lock_wait_seconds
    async with owner_api(settings.concierge_data_dir, clock, wait_seconds) as api:
        if api is not None:
            yield ApiDoor(api, business)
            return
        from bot.commands.own_knowledge import own_knowledge  # noqa: PLC0415 - loads the whole knowledge stack

        async with own_knowledge(settings, business, clock) as door:
            yield door

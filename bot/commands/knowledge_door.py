"""The knowledge as commands reach it: through the running server, or by owning the data directory for a moment."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bot.commands.failures import NotThereError
from bot.commands.file_sender import Sent
from bot.commands.owner_api import OwnerApi, owner_api
from bot.settings import Settings
from database.clock import Clock

DELETED = "The document was deleted meanwhile."


@dataclass(frozen=True, slots=True)
class DeletedDocument:
    """What is heard of a document when it is not there any more."""

    id: str


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """How files are taken: `hold` keeps their new versions back until somebody publishes them."""

    hold: bool = False
    tags: Sequence[str] = ()


class KnowledgeDoor(Protocol):
    """What `ingest`, `ask` and `eval` do, in the API's own shapes. Every call raises CommandError when it is refused.

    `afterwards` says what becomes of files that are not at their end when the command stops.
    """

    afterwards: str

    async def upload(self, file: Path, name: str, options: UploadOptions, sent: Sent) -> dict[str, Any]:
        """Hand over a file, telling how much of it went; its Document."""
        ...

    async def add_address(self, url: str) -> dict[str, Any]:
        """Read a web address: its source, and the Documents that it has by now."""
        ...

    async def document(self, document_id: str) -> dict[str, Any] | None:
        """How far a Document is; None when it is not there any more."""
        ...

    def changes(self) -> AsyncGenerator[dict[str, Any] | DeletedDocument | None, None]:
        """Documents as they change or are deleted; None when some may have changed unseen, first at the beginning.

        Ends when it breaks off: call again.
        """
        ...

    async def failed(self) -> list[dict[str, Any]]:
        """Every Document that has failed."""
        ...

    async def retry(self, document_id: str) -> dict[str, Any]:
        """Try a failed Document again; what it is now."""
        ...

    async def wait_whole(self) -> None:
        """Return once searches see all that there is, as customers' searches do."""
        ...

    async def search(self, query: str, limit: int) -> list[dict[str, Any]]:
        """The best passages, best first."""
        ...

    async def ask(self, question: str) -> dict[str, Any]:
        """An answer with its sources."""
        ...

    async def last_evaluation(self, name: str) -> dict[str, Any] | None:
        """The newest Evaluation of this name; None before the first."""
        ...

    async def keep_evaluation(self, name: str, questions: int, figures: Mapping[str, float | None]) -> None:
        """Remember one."""
        ...


class ApiDoor:
    """Through the server that owns the data directory."""

    afterwards = "the server reads them to their end"

    def __init__(self, api: OwnerApi, business: str) -> None:
        self._api = api
        self._path = f"/api/v1/businesses/{business}"
        self._documents = f"{self._path}/documents"

    async def upload(self, file: Path, name: str, options: UploadOptions, sent: Sent) -> dict[str, Any]:
        """Hand over a file, telling how much of it went; its Document."""
        query = {"hold": "true"} if options.hold else {}
        if options.tags:
            query["tags"] = ",".join(options.tags)
        answer = await self._api.upload(self._documents, file, name, query, sent)
        document: dict[str, Any] = answer["documents"][0]
        return document

    async def add_address(self, url: str) -> dict[str, Any]:
        """Read a web address: its source, and the Documents that it has by now."""
        return await self._api.post(self._documents, {"url": url})

    async def document(self, document_id: str) -> dict[str, Any] | None:
        """How far a Document is; None when it is not there any more."""
        try:
            return await self._api.get(f"{self._documents}/{document_id}")
        except NotThereError:
            return None

    async def changes(self) -> AsyncGenerator[dict[str, Any] | DeletedDocument | None, None]:
        """Documents as they change or are deleted; None when some may have changed unseen."""
        async with aclosing(self._api.events(f"{self._documents}/events")) as events:
            async for event in events:
                if event.is_heartbeat:
                    yield None
                elif event.name == "document":
                    yield json.loads(event.text)
                elif event.name == "deleted":
                    yield DeletedDocument(json.loads(event.text)["id"])

    async def failed(self) -> list[dict[str, Any]]:
        """Every Document that has failed."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await self._api.get(self._documents, limit="100", cursor=cursor)
            found += [each for each in page["documents"] if each["status"] == "failed"]
            cursor = page["next_cursor"]
        return found

    async def retry(self, document_id: str) -> dict[str, Any]:
        """Try a failed Document again; what it is now."""
        return await self._api.post(f"{self._documents}/{document_id}/retry", {})

    async def wait_whole(self) -> None:
        """What a running server finds is what its customers get."""

    async def search(self, query: str, limit: int) -> list[dict[str, Any]]:
        """The best passages, best first."""
        found: list[dict[str, Any]] = (await self._api.post(f"{self._path}/search", {"query": query, "limit": limit}))[
            "passages"
        ]
        return found

    async def last_evaluation(self, name: str) -> dict[str, Any] | None:
        """The newest Evaluation of this name."""
        runs = (await self._api.get(f"{self._path}/evaluations", name=name, limit="1"))["evaluations"]
        return runs[0] if runs else None

    async def keep_evaluation(self, name: str, questions: int, figures: Mapping[str, float | None]) -> None:
        """Remember one."""
        body = {"name": name, "questions": questions, "figures": dict(figures)}
        await self._api.post(f"{self._path}/evaluations", body)

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

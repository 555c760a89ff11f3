"""The API on a socket with real ingestion behind it: real files, parser children and database; vectors in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from database.clock import Clock
from database.engine import Database
from database.metrics import Metrics
from services.document_files import DocumentFiles
from services.document_parser import DocumentParser, ParserLimits
from services.document_pipeline import Knowledge
from services.ingestion import Ingestion, IngestionOptions
from tests.fakes.api_desk import Desk, api_desk
from tests.fakes.memory_knowledge import MemoryEmbedder, MemoryIndex

File = tuple[str, bytes]


@dataclass
class DocumentDesk(Desk):
    """`folder` is where the uploaded files lie."""

    ingestion: Ingestion
    embedder: MemoryEmbedder
    index: MemoryIndex
    folder: Path

    @property
    def documents(self) -> str:
        """The address of the documents."""
        return f"{self.path}/documents"

    async def upload(self, *files: File, status: int = 202, **query: str) -> list[dict[str, Any]]:
        """Send files as one form; their Documents."""
        async with self.client.post(self.documents, data=form(*files), params=query) as response:
            assert response.status == status, await response.text()
            content = await response.json(content_type=None)
        found: list[dict[str, Any]] = content["documents"] if status == 202 else [content]
        return found

    async def call(self, method: str, path: str, status: int = 200, **arguments: Any) -> Any:
        """Ask for something below the documents; the JSON that came back."""
        async with self.client.request(method, f"{self.documents}{path}", **arguments) as response:
            assert response.status == status, await response.text()
            return await response.json(content_type=None) if await response.read() else None

    async def ended(self, *documents: dict[str, Any]) -> list[dict[str, Any]]:
        """The Documents once they are ready or failed."""
        await self.ingestion.wait_until_done([each["id"] for each in documents])
        return [await self.call("GET", f"/{each['id']}") for each in documents]

    def stored(self) -> list[str]:
        """The names of the files that lie there."""
        return sorted(file.name for file in self.folder.iterdir())


def form(*files: File) -> aiohttp.FormData:
    """Files as a browser sends them."""
    made = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    for name, content in files:
        made.add_field("files", content, filename=name)
    return made


@asynccontextmanager
async def document_desk(
    chat: Database,
    knowledge: Database,
    clock: Clock,
    metrics: Metrics,
    folder: Path,
    *,
    options: IngestionOptions | None = None,
    **settings: Any,
) -> AsyncIterator[DocumentDesk]:
    """Serve the documents of `knowledge`, with `settings` as of api_desk."""
    embedder, index = MemoryEmbedder(), MemoryIndex()
    parts = Knowledge(
        knowledge, index, embedder, DocumentParser(clock, ParserLimits(seconds=60)), DocumentFiles(folder)
    )
    ingestion = Ingestion(parts, clock, metrics, options or IngestionOptions())
    await ingestion.start()
    try:
        async with api_desk(
            chat, clock, metrics, knowledge_database=knowledge, ingestion=ingestion, **settings
        ) as desk:
            yield DocumentDesk(
                desk.client, desk.knowledge, desk.business, desk.wakes, ingestion, embedder, index, folder
            )
    finally:
        await ingestion.drain(5)

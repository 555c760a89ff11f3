"""One running ingestion after another on one database and one folder, and what a test looks at."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from database.clock import Clock
from database.documents import knowledge_version
from database.engine import Database
from database.metrics import Metrics
from database.records import Document
from database.transaction import Transaction
from services.document_files import DocumentFiles
from services.document_parser import DocumentParser, ParserLimits
from services.document_pipeline import Knowledge
from services.ingestion import Ingestion, IngestionOptions
from tests.fakes.memory_knowledge import MemoryEmbedder, MemoryIndex

GUIDE = b"# Guide\n\n" + b"".join(b"## Part %d\n\nText of part %d.\n\n" % (n, n) for n in range(300))


async def pieces(content: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 65_536):
        yield content[at : at + 65_536]
    if then is not None:
        raise then


@dataclass
class Desk:
    """One running ingestion, and what a test looks at."""

    ingestion: Ingestion
    database: Database
    embedder: MemoryEmbedder
    index: MemoryIndex
    files: Path

    async def upload(self, filename: str, content: bytes, business_id: str = "b1") -> Document:
        return await self.ingestion.accept(business_id, filename, pieces(content))

    async def learned(self, filename: str, content: bytes) -> Document:
        """Upload and wait until that is done."""
        (done,) = await self.finished(await self.upload(filename, content))
        return done

    def live_texts(self) -> set[str]:
        """The texts in the index."""
        return {chunk.text for chunk in self.index.chunks.values()}

    async def finished(self, *documents: Document) -> list[Document]:
        await self.ingestion.wait_until_done([document.id for document in documents])
        found = [await self.ingestion.get(document.business_id, document.id) for document in documents]
        return [document for document in found if document is not None]

    async def count(self, table: str) -> int:
        async def unit(transaction: Transaction) -> int:
            row = await transaction.one(f"SELECT COUNT(*) AS n FROM {table}")
            return int(row["n"]) if row else 0

        return await self.database.read(unit)

    async def knowledge_version(self) -> int:
        return await self.database.read(knowledge_version("b1"))


Opener = Callable[..., Awaitable[Desk]]


class Desks:
    """Opens desks one after another, as restarts do."""

    def __init__(self, database: Database, metrics: Metrics, clock: Clock, folder: Path) -> None:
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._folder = folder
        self._last: Desk | None = None

    async def open(self, embedder: MemoryEmbedder | None = None, options: IngestionOptions | None = None) -> Desk:
        """Close the last desk and open another on what it left."""
        await self.close()
        embedder = embedder or MemoryEmbedder()
        index = self._last.index if self._last else MemoryIndex()
        parser = DocumentParser(self._clock, ParserLimits(seconds=60))
        parts = Knowledge(self._database, index, embedder, parser, DocumentFiles(self._folder / "files"))
        ingestion = Ingestion(parts, self._clock, self._metrics, options or IngestionOptions())
        self._last = Desk(ingestion, self._database, embedder, index, self._folder / "files")
        await ingestion.start()
        return self._last

    async def close(self) -> None:
        """Stop the last desk."""
        if self._last is not None:
            await self._last.ingestion.drain(5)

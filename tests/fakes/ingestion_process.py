"""A process that takes documents in and works on them until somebody kills it: `… FOLDER NUMBER_OF_UPLOADS`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from database.clock import Clock, SystemClock
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from services.document_files import DocumentFiles
from services.document_parser import DocumentParser, ParserLimits
from services.document_pipeline import Knowledge
from services.ingestion import Ingestion, IngestionOptions
from services.knowledge_ports import Vectors
from tests.fakes.memory_knowledge import MemoryEmbedder, MemoryIndex


class SlowEmbedder(MemoryEmbedder):
    """Takes its time, so that a kill meets it at work."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    async def embed(self, texts: Sequence[str]) -> Vectors:
        await self._clock.sleep(0.02)
        return await super().embed(texts)


@asynccontextmanager
async def running_ingestion(
    folder: Path, clock: Clock, index: MemoryIndex
) -> AsyncIterator[tuple[Ingestion, Database]]:
    """Ingestion on a folder, as a server runs it."""
    metrics = Metrics()
    async with Database.open(folder / "knowledge.db", DatabaseOptions("knowledge"), metrics) as database:
        parser = DocumentParser(clock, ParserLimits())
        parts = Knowledge(database, index, SlowEmbedder(clock), parser, DocumentFiles(folder / "files"))
        # kills meet documents by chance here: none of them is to blame, however often it is met
        ingestion = Ingestion(parts, clock, metrics, IngestionOptions(attempts=100))
        await ingestion.start()
        try:
            yield ingestion, database
        finally:
            await ingestion.drain(5)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def main(folder: Path, uploads: int) -> None:
    """Say `up`, then the id of each document that was accepted, then work on."""
    async with running_ingestion(folder, SystemClock(), MemoryIndex()) as (ingestion, _):
        print("up", flush=True)  # noqa: T201 - the test reads it
        for number in range(uploads):
            text = "".join(f"## Part {n}\n\nText of part {n}.\n\n" for n in range(100 + 50 * number))
            document = await ingestion.accept("b1", f"{number}.md", _pieces(text.encode()))
            print(document.id, flush=True)  # noqa: T201 - the test reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))

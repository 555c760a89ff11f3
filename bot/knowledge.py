"""Wires the knowledge: its databases, the vector store, the embedder, the search, ingestion, and the agents on top."""

import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.ports import LanguageModel
from bot.customer_agents import CustomerAgents, open_customer_agents
from bot.data_directory import DATABASE_FILES
from bot.health import Check
from bot.knowledge_index import open_index
from bot.settings import Settings
from bot.version import VERSION
from database.clock import Clock
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from services.chunk_sets.runs import ChunkSets, SetOptions
from services.document_files import DocumentFiles
from services.document_parser import DocumentParser, ParserLimits
from services.document_pipeline import Knowledge
from services.ingestion import Ingestion, IngestionOptions
from services.reading.archives import ArchiveLimits
from vectorstore.chroma_manager import ChromaManager
from vectorstore.embedders import Embedder
from vectorstore.knowledge_index import KnowledgeIndex
from vectorstore.reindexing import Reindexing

UPLOADS = "uploads"
CHUNK_SETS = "chunk-sets"
MEGABYTE = 1024 * 1024
DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RunningKnowledge:
    """What the doors and the conversation need of the knowledge."""

    database: Database
    index: KnowledgeIndex
    ingestion: Ingestion
    embedder: Embedder
    agents: CustomerAgents
    check: Check
    vectors: ChromaManager
    reindexing: Reindexing
    chunk_sets: ChunkSets


@asynccontextmanager
async def running_knowledge(
    directory: Path,
    settings: Settings,
    clock: Clock,
    dice: random.Random,
    metrics: Metrics,
    *,
    chat: Database,
    model: LanguageModel | None = None,
) -> AsyncIterator[RunningKnowledge]:
    """Open the knowledge of a data directory that the caller owns, and go on with what was left undone.

    `chat` is the directory's concierge.db, open. `model` None means: as the settings say.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(_open_database(directory, settings, metrics))
        found = await open_index(stack, directory, settings, database, clock, dice, metrics)
        index, embedder = found.index, found.serving
        ingestion = await _ingestion(stack, directory, settings, database, index, embedder, clock, metrics)
        sets = ChunkSets(database, ingestion, embedder, clock, directory / CHUNK_SETS, _set_options(settings))
        await stack.enter_async_context(sets.running())
        agents = await open_customer_agents(
            stack, settings, index, embedder.current, database, chat, clock, dice, metrics, model
        )
        yield RunningKnowledge(
            database, index, ingestion, embedder, agents, found.check, found.vectors, found.reindexing, sets
        )


def _open_database(directory: Path, settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[Database]:
    options = DatabaseOptions(
        "knowledge",
        busy_timeout_seconds=settings.concierge_busy_timeout_seconds,
        mmap_mb=256,
        secure_delete=True,
    )
    return Database.open(directory / DATABASE_FILES["knowledge"], options, metrics)


def _set_options(settings: Settings) -> SetOptions:
    return SetOptions(
        files_at_once=settings.concierge_chunk_set_files,
        file_bytes=settings.concierge_chunk_set_file_mb * MEGABYTE,
        file_chunks=settings.concierge_chunk_set_chunks,
        access=settings.store_access,
        program=VERSION,
    )


async def _ingestion(
    stack: AsyncExitStack,
    directory: Path,
    settings: Settings,
    database: Database,
    index: KnowledgeIndex,
    embedder: Embedder,
    clock: Clock,
    metrics: Metrics,
) -> Ingestion:
    parts = Knowledge(
        database=database,
        index=index,
        embedder=embedder,
        parser=DocumentParser(clock, _parser_limits(settings)),
        files=DocumentFiles(directory / UPLOADS),
    )
    ingestion = Ingestion(parts, clock, metrics, _ingestion_options(settings))
    await ingestion.start()
    stack.push_async_callback(ingestion.drain, DRAIN_SECONDS)
    return ingestion


def _parser_limits(settings: Settings) -> ParserLimits:
    return ParserLimits(
        children=settings.concierge_parser_processes,
        seconds=settings.concierge_parser_seconds,
        memory_mb=settings.concierge_parser_memory_mb,
        ocr_languages=tuple(name.strip() for name in settings.concierge_ocr_languages.split(",") if name.strip()),
        archives=ArchiveLimits(
            settings.concierge_archive_files,
            settings.concierge_archive_mb * MEGABYTE,
            settings.concierge_archive_depth,
        ),
    )


def _ingestion_options(settings: Settings) -> IngestionOptions:
    return IngestionOptions(
        max_file_bytes=settings.concierge_max_upload_mb * MEGABYTE,
        max_documents=settings.concierge_max_documents,
        max_storage_bytes=settings.concierge_max_storage_mb * MEGABYTE,
        max_chunks=settings.concierge_max_chunks,
        keep_versions=settings.concierge_keep_versions,
        workers=settings.concierge_parser_processes,
        hold_share=settings.concierge_hold_share,
    )

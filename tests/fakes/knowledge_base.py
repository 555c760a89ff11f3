"""A knowledge base in a folder: real databases, real Chroma, documents put in without parsing."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from database.chunks import embedded_text
from database.clock import Clock, SystemClock
from database.engine import Database, DatabaseOptions
from database.lexical import LexicalIndex
from database.metrics import Metrics
from database.records import Chunk, new_id
from database.transaction import Transaction, Unit
from vectorstore.chroma_manager import ChromaManager, ManagerOptions
from vectorstore.chroma_server import ServerOptions
from vectorstore.embedders import Embedder
from vectorstore.frames import Vectors
from vectorstore.knowledge_index import KnowledgeIndex, SearchOptions


class WordHashEmbedder:
    """Behaves like an embedder without being one: texts with the same words are near. Counts what it embeds."""

    name = "word-hash"
    dimension = 64

    def __init__(self) -> None:
        self.embedded = 0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As Embedder.embed."""
        self.embedded += len(texts)
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row] += random.Random(word).choices((-1.0, 1.0), k=self.dimension)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[:, 0] += lengths[:, 0] == 0
        result: Vectors = vectors / np.maximum(lengths, 1e-9)
        return result


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """Everything of one data directory, open."""

    database: Database
    words: LexicalIndex
    vectors: ChromaManager
    embedder: Embedder
    index: KnowledgeIndex

    async def store(
        self, business_id: str, texts: Sequence[str], *, filename: str = "notes.txt", live: bool = True
    ) -> list[Chunk]:
        """Write a document with these chunks and their embeddings to knowledge.db, without indexing it."""
        document_id, version_id = new_id(), new_id()
        chunks = [Chunk(new_id(), business_id, document_id, version_id, n, text) for n, text in enumerate(texts)]
        await self.database.write(_add_document(business_id, document_id, version_id, filename, self.embedder.name))
        for start in range(0, len(chunks), 256):
            part = chunks[start : start + 256]
            vectors = await self.embedder.embed([embedded_text(chunk.heading, chunk.text) for chunk in part])
            await self.database.write(_add_chunks(part, vectors, self.embedder.name))
        if live:
            await self.publish(document_id)
        return chunks

    async def learn(self, business_id: str, texts: Sequence[str], *, filename: str = "notes.txt") -> list[Chunk]:
        """Store a document, index it, make it live."""
        chunks = await self.store(business_id, texts, filename=filename, live=False)
        if chunks:
            await self.index.add(chunks, await self.embedder.embed([chunk.text for chunk in chunks]))
            await self.publish(chunks[0].document_id)
        return chunks

    async def publish(self, document_id: str) -> None:
        """Make a document live."""
        await self.database.write(
            _run(
                "UPDATE documents SET status = 'ready', live_version_id = "
                "(SELECT id FROM versions WHERE document_id = documents.id) WHERE id = :id",
                id=document_id,
            )
        )

    async def delete(self, document_id: str) -> None:
        """Set deleted_at, as the API does."""
        await self.database.write(_run("UPDATE documents SET deleted_at = 1 WHERE id = :id", id=document_id))

    async def fail(self, version_id: str) -> None:
        """Have a version that was never live fail."""
        await self.database.write(_run("UPDATE versions SET error_message = 'Broken.' WHERE id = :id", id=version_id))


@asynccontextmanager
async def knowledge_base(
    directory: Path,
    *,
    embedder: Embedder | None = None,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    options: SearchOptions | None = None,
    manager: ManagerOptions | None = None,
    place: ServerOptions | None = None,
) -> AsyncIterator[KnowledgeBase]:
    """Open everything in a directory, as the server does; the healer runs. `place`: its vectors lie on a server."""
    clock, metrics, dice = clock or SystemClock(), metrics or Metrics(), random.Random(7)
    embedder = embedder or WordHashEmbedder()
    async with AsyncExitStack() as stack:
        vectors = await stack.enter_async_context(
            ChromaManager.open(place or directory / "chroma", metrics, clock=clock, dice=dice, options=manager)
        )
        database = await stack.enter_async_context(
            Database.open(directory / "knowledge.db", DatabaseOptions("knowledge"), metrics)
        )
        words = await stack.enter_async_context(LexicalIndex.open(directory / "lexical.db", database, metrics))
        index = await stack.enter_async_context(
            KnowledgeIndex.running(database, words, vectors, embedder, metrics, clock=clock, dice=dice, options=options)
        )
        yield KnowledgeBase(database, words, vectors, embedder, index)


def _run(sql: str, **parameters: object) -> Unit[int]:
    async def unit(transaction: Transaction) -> int:
        return await transaction.run(sql, parameters)

    return unit


def _add_document(business_id: str, document_id: str, version_id: str, filename: str, embedder: str) -> Unit[None]:
    async def unit(transaction: Transaction) -> None:
        await transaction.run(
            "INSERT INTO documents (id, business_id, filename, created_at, updated_at) "
            "VALUES (:id, :business_id, :filename, 1, 1)",
            {"id": document_id, "business_id": business_id, "filename": filename},
        )
        await transaction.run(
            "INSERT INTO versions (id, document_id, business_id, number, sha256, bytes, embedder, created_at) "
            "VALUES (:id, :document_id, :business_id, 1, '', 0, :embedder, 1)",
            {"id": version_id, "document_id": document_id, "business_id": business_id, "embedder": embedder},
        )

    return unit


def _add_chunks(chunks: Sequence[Chunk], vectors: Vectors, embedder: str) -> Unit[None]:
    async def unit(transaction: Transaction) -> None:
        await transaction.many(
            "INSERT INTO chunks (id, business_id, document_id, version_id, ordinal, text, heading, page) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(c.id, c.business_id, c.document_id, c.version_id, c.ordinal, c.text, c.heading, c.page) for c in chunks],
        )
        await transaction.many(
            "INSERT INTO embeddings (chunk_id, embedder, vector) VALUES (?, ?, ?)",
            [
                (chunk.id, embedder, vector.astype("<f4").tobytes())
                for chunk, vector in zip(chunks, vectors, strict=True)
            ],
        )

    return unit

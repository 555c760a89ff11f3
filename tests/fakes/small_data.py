"""A small data directory, open: both databases, and uploaded files whose documents are ready."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from database.businesses import ensure_default
from database.clock import Clock
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from database.records import new_id
from database.transaction import Transaction, Unit


@dataclass
class SmallData:
    """`chat` and `knowledge` may be written while a snapshot is made."""

    directory: Path
    chat: Database
    knowledge: Database

    async def upload(self, content: bytes) -> str:
        """A ready document; the id of its version, which names its file."""
        version = new_id()
        await asyncio.to_thread(self._store, version, content)
        await self.knowledge.write(_document(version, hashlib.sha256(content).hexdigest(), len(content)))
        return version

    async def run(self, sql: str, **parameters: Any) -> None:
        """Write to knowledge.db."""
        await self.knowledge.write(_run(sql, parameters))

    def file(self, version: str) -> Path:
        return self.directory / "uploads" / version

    def _store(self, version: str, content: bytes) -> None:
        self.file(version).parent.mkdir(exist_ok=True)
        self.file(version).write_bytes(content)


@asynccontextmanager
async def small_data(directory: Path, clock: Clock) -> AsyncIterator[SmallData]:
    """Made when it is not there."""
    await asyncio.to_thread(directory.mkdir, exist_ok=True)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(
            Database.open(directory / "concierge.db", DatabaseOptions("chat"), metrics)
        )
        knowledge = await stack.enter_async_context(
            Database.open(directory / "knowledge.db", DatabaseOptions("knowledge"), metrics)
        )
        await chat.write(ensure_default("10001", clock.now()))
        yield SmallData(directory, chat, knowledge)


def _document(version: str, sha256: str, size: int) -> Unit[None]:
    async def unit(transaction: Transaction) -> None:
        await transaction.run(
            "INSERT INTO documents (id, business_id, filename, status, bytes, live_version_id, created_at, updated_at)"
            " VALUES (:id, 'b', 'a.txt', 'ready', :size, :id, 1, 1)",
            {"id": version, "size": size},
        )
        await transaction.run(
            "INSERT INTO versions (id, document_id, business_id, number, sha256, bytes, created_at)"
            " VALUES (:id, :id, 'b', 1, :sha256, :size, 1)",
            {"id": version, "sha256": sha256, "size": size},
        )

    return unit


def _run(sql: str, parameters: dict[str, Any]) -> Unit[int]:
    async def unit(transaction: Transaction) -> int:
        return await transaction.run(sql, parameters)

    return unit

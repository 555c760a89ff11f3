"""Wires the snapshots: where they go, when, and what /health/ready says of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.api.schemas import rfc3339
from bot.health import Check, Component, State
from bot.settings import Settings
from bot.version import VERSION
from database.clock import Clock
from database.metrics import Metrics
from services.snapshots.backups import BackupOptions, Backups
from vectorstore.chroma_manager import ChromaManager
from vectorstore.index_files import IndexFiles


@asynccontextmanager
async def running_backups(
    directory: Path,
    settings: Settings,
    index: IndexFiles | None,
    clock: Clock,
    metrics: Metrics,
) -> AsyncIterator[Backups]:
    """Snapshots of a data directory that this process owns, by the schedule and on demand."""
    options = BackupOptions(
        place=settings.concierge_backup_to,
        schedule=settings.concierge_backup_schedule,
        keep=settings.concierge_backup_keep,
        access=settings.store_access,
    )
    async with Backups.running(directory, index, VERSION, options, clock, metrics) as backups:
        yield backups


def index_files(directory: Path, settings: Settings, clock: Clock, vectors: ChromaManager | None) -> IndexFiles | None:
    """The index as files; None when it lies on a server. `vectors` has it open, if anybody has."""
    if settings.concierge_chroma_url:
        return None
    return IndexFiles(directory / "chroma", clock, vectors)


def backup_check(backups: Backups) -> dict[str, Check]:
    """The component `backups`, where snapshots are made by themselves."""

    async def check() -> Component:
        last = backups.last_success
        facts: dict[str, Any] = {"last_success": rfc3339(last) if last else None}
        if backups.unusable:
            facts["unusable"] = backups.unusable
        if backups.last_failure is None:
            return Component(State.OK, facts)
        return Component(State.DEGRADED, {**facts, "problem": backups.last_failure})

    return {"backups": check} if backups.place else {}

"""`concierge reindex`: both indexes anew from knowledge.db, by the running server or by owning its data meanwhile."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tqdm import tqdm

from bot.api.reindexing import ReindexOut
from bot.commands.failures import CommandError, Exit
from bot.commands.owner_api import OwnerApi, owner_api
from bot.commands.printing import say, say_json
from bot.data_directory import DATABASE_FILES, owned_directory
from bot.knowledge_index import RunningIndex, open_index
from bot.settings import Settings
from database.clock import Clock
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics

PATH = "/api/v1/reindex"
PAUSE_SECONDS = 0.2
FULL = 100.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"


async def reindex(settings: Settings, clock: Clock, *, embed: bool, as_json: bool) -> Exit:
    """Make them anew and follow it to its end. Raises CommandError when it fails."""
    async with owner_api(settings.concierge_data_dir, clock, settings.concierge_lock_wait_seconds) as api:
        if api is not None:
            made = await _by_server(api, clock, embed=embed, quiet=as_json)
        else:
            made = await _by_ourselves(settings, clock, embed=embed, quiet=as_json)
    if made["state"] != "done":
        raise CommandError(made["error_message"] or "The indexes were not made anew: the server has stopped.")
    if as_json:
        say_json(made)
    else:
        say(f"Made both indexes anew: {made['chunks']} chunks in {made['seconds']:.1f} s.")
    return Exit.OK


@asynccontextmanager
async def own_index(settings: Settings, clock: Clock) -> AsyncIterator[RunningIndex]:
    """Own the data directory and open its two indexes. Raises OwnedError."""
    metrics = Metrics()
    dice = random.Random()  # noqa: S311 - it spreads retries, it guards nothing
    wait_seconds = settings.concierge_lock_wait_seconds
    async with owned_directory(settings.concierge_data_dir, clock=clock, wait_seconds=wait_seconds) as directory:
        options = DatabaseOptions("knowledge", busy_timeout_seconds=settings.concierge_busy_timeout_seconds)
        path = directory.path / DATABASE_FILES["knowledge"]
        async with Database.open(path, options, metrics) as database, AsyncExitStack() as stack:
            yield await open_index(stack, directory.path, settings, database, clock, dice, metrics)


async def _by_server(api: OwnerApi, clock: Clock, *, embed: bool, quiet: bool) -> dict[str, Any]:
    made = await api.post(PATH, {"embed": embed})
    with _bar(quiet=quiet) as bar:
        while made["state"] == "running":
            await clock.sleep(PAUSE_SECONDS)
            made = await api.get(PATH)
            _show(bar, made["progress"])
    return made


async def _by_ourselves(settings: Settings, clock: Clock, *, embed: bool, quiet: bool) -> dict[str, Any]:
    async with own_index(settings, clock) as index:
        index.reindexing.start(embed=embed)
        with _bar(quiet=quiet) as bar:
            while index.reindexing.progress is not None:
                await clock.sleep(PAUSE_SECONDS)
                _show(bar, index.reindexing.progress or 1.0)
        return ReindexOut.of(index.reindexing.state()).model_dump(mode="json")


def _bar(*, quiet: bool) -> "tqdm[Any]":
    return tqdm(total=FULL, desc="Indexing", disable=quiet, bar_format=_BAR)


def _show(bar: "tqdm[Any]", progress: float) -> None:
    bar.n = round(progress * FULL, 1)
    bar.refresh()

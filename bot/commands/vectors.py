"""`concierge vectors copy`: the vector index from the data directory to a Chroma server, or back."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import NoReturn

from tqdm import tqdm

from bot.commands.failures import CommandError, Exit
from bot.commands.printing import say, say_json
from bot.data_directory import DATABASE_FILES, owned_directory
from bot.index_settings import server_address
from bot.knowledge_index import CHROMA, server_options, store_options
from bot.settings import Settings
from database.clock import Clock
from database.engine import Database, DatabaseOptions
from database.index_state import installation
from database.metrics import Metrics
from vectorstore.chroma_manager import ChromaManager, VectorStoreError
from vectorstore.vector_copy import Copied, VectorCopy, VectorCopyError, reached

REACH_SECONDS = 60.0


async def copy_vectors(settings: Settings, clock: Clock, *, to: str | None, source: str | None, as_json: bool) -> Exit:
    """Copy to the server `to`, or from the server `source`. Raises CommandError, OwnedError while a server runs."""
    try:
        url = server_address(to or source or "")
    except ValueError as error:
        raise CommandError(f"The address of the Chroma server {error}.") from None
    try:
        copied = await _copy(settings, clock, url, to_server=to is not None, quiet=as_json)
    except (VectorCopyError, VectorStoreError) as error:
        raise CommandError(str(error)) from error
    if as_json:
        say_json(asdict(copied))
    else:
        say(
            f"Copied {copied.copied} vectors of {copied.collections} collections; {copied.skipped} were there already, "
            f"{copied.removed} strays were removed. All are found."
        )
    return Exit.OK


async def _copy(settings: Settings, clock: Clock, url: str, *, to_server: bool, quiet: bool) -> Copied:
    wait_seconds = settings.concierge_lock_wait_seconds
    metrics = Metrics()
    dice = random.Random()  # noqa: S311 - it chooses probes, it guards nothing
    async with AsyncExitStack() as stack:
        directory = await stack.enter_async_context(
            owned_directory(settings.concierge_data_dir, clock=clock, wait_seconds=wait_seconds)
        )
        options = DatabaseOptions("knowledge", busy_timeout_seconds=settings.concierge_busy_timeout_seconds)
        async with Database.open(directory.path / DATABASE_FILES["knowledge"], options, metrics) as database:
            ours = await database.read(installation())
        if ours is None:
            raise CommandError(f"There is no index in {directory.path} yet: start the server once.")
        here, there = [
            await stack.enter_async_context(
                ChromaManager.open(place, metrics, clock=clock, options=store_options(settings))
            )
            for place in (directory.path / CHROMA, server_options(settings, ours, url))
        ]
        for store in (here, there):
            await _reach(store)
        source, target = (here, there) if to_server else (there, here)
        with tqdm(desc="Copying", unit="vector", disable=quiet) as bar:
            return await VectorCopy(source, target, dice, lambda done, total: _show(bar, done, total)).run()


async def _reach(store: ChromaManager) -> None:
    try:
        async with asyncio.timeout(REACH_SECONDS):
            await reached(store)
    except TimeoutError:
        raise CommandError(store.trouble or "The vector store does not come up.") from None


def _show(bar: "tqdm[NoReturn]", done: int, total: int) -> None:
    bar.total = total
    bar.n = done
    bar.refresh()

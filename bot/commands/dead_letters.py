"""`concierge dead-letters list|retry`: events that cannot mean anything."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bot.api.schemas import DeadLetterOut
from bot.commands.failures import Exit
from bot.commands.owner_api import owner_api
from bot.commands.printing import say, say_json
from bot.data_directory import DATABASE_FILES, owned_directory
from bot.settings import Settings
from database.clock import Clock
from database.engine import Database, DatabaseOptions
from database.inbox import dead_events, retry_dead
from database.metrics import Metrics

PAGE = 100
PATH = "/api/v1/dead-letters"


async def list_dead_letters(settings: Settings, clock: Clock, *, as_json: bool) -> Exit:
    """Print every dead letter, oldest first."""
    letters = await _all(settings, clock)
    if as_json:
        say_json({"dead_letters": letters})
        return Exit.OK
    for letter in letters:
        say(f"{letter['id']}  {letter['received_at']}  {letter['kind']}  {letter['error']}")
    if not letters:
        say("There are no dead letters.")
    return Exit.OK


async def retry_dead_letters(settings: Settings, clock: Clock, ids: Sequence[int], *, as_json: bool) -> Exit:
    """Let intake try some dead letters again, or all."""
    async with owner_api(settings.concierge_data_dir, clock, settings.concierge_lock_wait_seconds) as api:
        if api is not None:
            answer = await api.post(f"{PATH}/retry", {"ids": list(ids)} if ids else {})
        else:
            async with _own_chat(settings, clock) as chat:
                answer = {"retried": await chat.write(retry_dead(list(ids) or None))}
    if as_json:
        say_json(answer)
    else:
        say(f"{answer['retried']} dead letters wait again; the server handles them while it runs.")
    return Exit.OK


async def _all(settings: Settings, clock: Clock) -> list[dict[str, Any]]:
    letters: list[dict[str, Any]] = []
    async with owner_api(settings.concierge_data_dir, clock, settings.concierge_lock_wait_seconds) as api:
        if api is None:
            async with _own_chat(settings, clock) as chat:
                while found := await chat.read(dead_events(PAGE, letters[-1]["id"] if letters else 0)):
                    letters += [DeadLetterOut.of(event).model_dump() for event in found]
            return letters
        cursor: str | None = ""
        while cursor is not None:
            page = await api.get(PATH, limit=str(PAGE), cursor=cursor)
            letters += page["dead_letters"]
            cursor = page["next_cursor"]
    return letters


@asynccontextmanager
async def _own_chat(settings: Settings, clock: Clock) -> AsyncIterator[Database]:
    wait_seconds = settings.concierge_lock_wait_seconds
    options = DatabaseOptions("chat", settings.concierge_busy_timeout_seconds)
    async with (
        owned_directory(settings.concierge_data_dir, clock=clock, wait_seconds=wait_seconds) as directory,
        Database.open(directory.path / DATABASE_FILES["chat"], options, Metrics()) as chat,
    ):
        yield chat

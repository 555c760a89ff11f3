"""`concierge chunks export` and `import`: by the running server, or by owning the data directory meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tqdm import tqdm

from bot.api.chunk_sets import ChunkSetOut
from bot.commands.failures import CommandError, Exit
from bot.commands.own_knowledge import own_knowledge
from bot.commands.owner_api import OwnerApi, owner_api
from bot.commands.printing import complain, say, say_json
from bot.settings import Settings
from database.clock import Clock
from services.chunk_sets.manifest import SetFormat
from services.chunk_sets.runs import ChunkSets, SetRun
from services.object_stores import StoreError

PAUSE_SECONDS = 0.1
FULL = 100.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"

Begin = Callable[[ChunkSets, str], SetRun]
"""Begins the work for a business, by its id."""


async def export_chunks(
    settings: Settings, clock: Clock, business: str, to: str, *, kind: SetFormat, as_json: bool
) -> Exit:
    """Write a set and follow it to its end. Raises CommandError when it fails."""
    place = await _whole(to)

    def begin(sets: ChunkSets, business_id: str) -> SetRun:
        return sets.export(business_id, business, place, kind)

    body = {"to": place, "format": kind}
    made = await _followed(settings, clock, business, "exports", body, begin, quiet=as_json)
    if as_json:
        say_json(made)
    else:
        say(f"Wrote {made['chunks']:,} chunks of {made['documents']:,} documents to {made['files']} files.")
        say(f"They are taken in with: concierge chunks import {made['place']}")
    return Exit.OK


async def import_chunks(settings: Settings, clock: Clock, business: str, source: str, *, as_json: bool) -> Exit:
    """Take a set in and follow it; FAILED when a file of it failed. Raises CommandError when all of it does."""
    place = await _whole(source)

    def begin(sets: ChunkSets, business_id: str) -> SetRun:
        return sets.import_(business_id, place)

    made = await _followed(settings, clock, business, "imports", {"from": place}, begin, quiet=as_json)
    if as_json:
        say_json(made)
    else:
        _report(made)
    return Exit.FAILED if made["failed"] else Exit.OK


async def _followed(
    settings: Settings,
    clock: Clock,
    business: str,
    kind: str,
    body: Mapping[str, str],
    begin: Begin,
    *,
    quiet: bool,
) -> dict[str, Any]:
    wait_seconds = settings.concierge_lock_wait_seconds
    async with owner_api(settings.concierge_data_dir, clock, wait_seconds) as api:
        if api is not None:
            made = await _by_server(api, clock, business, kind, body, quiet=quiet)
        else:
            made = await _by_ourselves(settings, clock, business, begin, quiet=quiet)
    if made["state"] != "done":
        raise CommandError(made["error_message"] or "The server stopped meanwhile.")
    return made


async def _by_server(
    api: OwnerApi, clock: Clock, business: str, kind: str, body: Mapping[str, str], *, quiet: bool
) -> dict[str, Any]:
    path = f"/api/v1/businesses/{quote(business, safe='')}/chunk-sets"
    begun = await api.post(f"{path}/{kind}", body)

    async def look() -> dict[str, Any]:
        return await api.get(f"{path}/{begun['id']}")

    return await _watched(look, clock, quiet=quiet)


async def _by_ourselves(
    settings: Settings, clock: Clock, business: str, begin: Begin, *, quiet: bool
) -> dict[str, Any]:
    async with own_knowledge(settings, business, clock) as door:
        try:
            run = begin(door.chunk_sets, door.business_id)
        except StoreError as error:
            raise CommandError(str(error)) from error

        async def look() -> dict[str, Any]:
            return ChunkSetOut.of(run).model_dump(mode="json")

        return await _watched(look, clock, quiet=quiet)


async def _watched(look: Callable[[], Awaitable[dict[str, Any]]], clock: Clock, *, quiet: bool) -> dict[str, Any]:
    with tqdm(total=FULL, desc="Chunks", disable=quiet, bar_format=_BAR, leave=False) as bar:
        while (made := await look())["state"] == "running":
            bar.n = round(FULL * made["progress"], 1)
            bar.refresh()
            await clock.sleep(PAUSE_SECONDS)
    return made


async def _whole(place: str) -> str:
    """The server's working directory is another one."""
    return place if "://" in place else str(await asyncio.to_thread(_absolute, place))


def _absolute(folder: str) -> Path:
    return Path(folder).expanduser().absolute()


def _report(made: Mapping[str, Any]) -> None:
    say(
        f"Took in {made['chunks']:,} chunks of {made['documents']:,} documents from {made['files']} files in "
        f"{made['seconds']:.1f} s; {made['unchanged']:,} documents were there already."
    )
    if made["embedded_anew"]:
        say(f"{made['embedded_anew']:,} chunks had no embedding of our embedder and were embedded anew.")
    if made["repeated"]:
        say(f"{made['repeated']:,} rows stood in several files and were taken once.")
    for failure in made["failures"]:
        complain(f"  {failure['file']}: {failure['reason']}")
    if made["failed"]:
        complain(f"{made['failed']} failed; everything else is merged.")

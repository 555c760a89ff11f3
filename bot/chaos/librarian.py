"""Somebody who uploads and deletes documents all the while, and listens whether the chat stands still meanwhile."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import aiohttp

from bot.chaos.stage import Expected, Stage, Upload
from bot.commands.failures import CommandError

DOCUMENTS = "/api/v1/businesses/default/documents"
LAMPS = 40
ENDS = frozenset({"ready", "failed"})
READ_SECONDS = 60.0
LOOK_SECONDS = 0.3
LISTEN_SECONDS = 0.05
TIMEOUT = aiohttp.ClientTimeout(total=30)
HTTP_OK = 200
HTTP_ACCEPTED = 202
HTTP_NO_CONTENT = 204


async def measure_document(stage: Stage) -> None:
    """Upload one document in peace: all others are made like it, so they must have as many pieces."""
    async with stage.server.api() as session:
        upload = await _upload(stage, session, 0)
        if upload.expected is not Expected.THERE:
            raise CommandError("The server takes no documents.")
        document = await _followed(stage, session, upload)
    if document is None or document["status"] != "ready":
        raise CommandError("The server could not read a plain document.")
    stage.diary.pieces = document["chunks_count"]
    stage.diary.uploads.append(upload)


async def keep_shelves(stage: Stage) -> None:
    """Upload one document after another until it is over; every fourth is deleted as soon as it was read."""
    number = 0
    async with stage.server.api() as session:
        while not stage.over.is_set():
            number += 1
            kills = stage.diary.kills["server"]
            upload = await _upload(stage, session, number)
            document = await _followed(stage, session, upload)
            upload = replace(upload, kills=stage.diary.kills["server"] - kills)
            if document is not None and number % 4 == 0:
                upload = replace(upload, expected=await _delete(session, document["id"]))
            stage.diary.uploads.append(upload)
            await stage.clock.sleep(1.0)


async def listen(stage: Stage, patience_seconds: float = 30.0) -> None:
    """How long the server takes to say that it lives, again and again; the diary leaves out what a killed one took.

    Who says nothing within `patience_seconds` has stood still for so long.
    """
    timeout = aiohttp.ClientTimeout(total=patience_seconds)
    async with aiohttp.ClientSession(stage.server.url, timeout=timeout) as session:
        while not stage.over.is_set():
            began, kills, status = stage.clock.monotonic(), stage.diary.kills["server"], HTTP_OK
            with suppress(aiohttp.ClientError, OSError):
                # a time-out is an OSError, too; that nobody listens is a kill's trace, or found by its exit code
                with suppress(TimeoutError):
                    async with session.get("/health/live") as answer:
                        await answer.read()
                        status = answer.status
                if stage.diary.kills["server"] == kills:
                    stage.diary.unwell += [status] * (status != HTTP_OK)
                    stage.diary.waits.append(stage.clock.monotonic() - began)
            await stage.clock.sleep(LISTEN_SECONDS)


def lamp_text(number: int) -> tuple[str, tuple[str, ...]]:
    """A document about some lighthouses, and questions that only it answers."""
    lamps = [f"{number:04d}-{lamp:02d}" for lamp in range(LAMPS)]
    parts = [
        f"## Lighthouse {lamp}\n\nThe lamp of lighthouse {lamp} burns for {number + 10} hours on one filling of oil; "
        f"its keeper writes the hour into the book and trims the wick before the night begins."
        for lamp in lamps
    ]
    return "\n\n".join(["# Lamps", *parts]), tuple(f"lighthouse {lamp}" for lamp in (lamps[0], lamps[-1]))


async def _upload(stage: Stage, session: aiohttp.ClientSession, number: int) -> Upload:
    text, facts = lamp_text(number)
    filename = f"lamps-{stage.options.seed}-{number:04d}.md"
    form = aiohttp.FormData()
    form.add_field("files", text.encode(), filename=filename, content_type="text/markdown")
    kills = stage.diary.kills["server"]
    try:
        async with session.post(DOCUMENTS, data=form, timeout=TIMEOUT) as answer:
            taken = answer.status == HTTP_ACCEPTED
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Upload(filename, Expected.EITHER, facts)
    if not taken and stage.diary.kills["server"] == kills:
        stage.diary.refused.append(f"{filename} was refused: the server answered {answer.status}")
    return Upload(filename, Expected.THERE if taken else Expected.GONE, facts)


async def _followed(stage: Stage, session: aiohttp.ClientSession, upload: Upload) -> dict[str, Any] | None:
    """The document once it was read, over as many restarts as it takes; None when it is over before that.

    Nobody waits for a document that the server did not promise and does not show.
    """
    give_up_at = stage.clock.monotonic() + READ_SECONDS
    while stage.clock.monotonic() < give_up_at and not stage.over.is_set():
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            there = [document for document in await listed(session) if document["filename"] == upload.filename]
            if not there and upload.expected is not Expected.THERE:
                return None
            for document in there:
                if document["status"] in ENDS:
                    return document
        await stage.clock.sleep(LOOK_SECONDS)
    return None


async def listed(session: aiohttp.ClientSession) -> list[dict[str, Any]]:
    """Every document that the API shows."""
    found: list[dict[str, Any]] = []
    query = {"limit": "100"}
    while True:
        async with session.get(DOCUMENTS, params=query, timeout=TIMEOUT, raise_for_status=True) as answer:
            page = await answer.json()
        found += page["documents"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


async def _delete(session: aiohttp.ClientSession, document_id: str) -> Expected:
    """What the server's answer says; without one nobody knows."""
    try:
        async with session.delete(f"{DOCUMENTS}/{document_id}", timeout=TIMEOUT) as answer:
            return Expected.GONE if answer.status == HTTP_NO_CONTENT else Expected.THERE
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Expected.EITHER

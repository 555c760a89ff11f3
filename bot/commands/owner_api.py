"""The running server's API, as commands use it: found through run.json in the data directory."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from bot.commands.event_stream import ServerEvent, server_events
from bot.commands.failures import CommandError, NotThereError
from bot.commands.file_sender import Sent, SentFile
from bot.data_directory import Owner, find_owner
from database.clock import Clock

PAUSE_SECONDS = 0.2
TRIES = 20
TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_read=300)
# of a stream of events: several heartbeats
SILENCE = aiohttp.ClientTimeout(total=None, connect=10, sock_read=60)
LATER = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
LONGEST_PAUSE_SECONDS = 60.0


class OwnerApi:
    """Calls to the owner of the data directory. Every one raises CommandError when it is refused."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET a JSON object."""
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a JSON object; the answer's."""
        return await self._call("POST", path, json=body)

    async def health(self) -> dict[str, Any]:
        """What /health/ready says, whatever its status."""
        try:
            async with self._session.get("/health/ready") as response:
                content: dict[str, Any] = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise CommandError(f"The running server does not answer: {error}") from error
        return content

    async def upload(self, path: str, file: Path, name: str, query: Mapping[str, str], sent: Sent) -> dict[str, Any]:
        """POST a file as the `files` part of a form, streamed; the answer's JSON object."""
        for _ in range(TRIES):
            with await asyncio.to_thread(SentFile, file, sent) as content:
                # quoted, a name with a blank would arrive with a %20
                form = aiohttp.FormData(quote_fields=False)
                form.add_field("files", content, filename=name, content_type="application/octet-stream")
                found = await self._once("POST", path, data=form, params=query)
            if found is not None:
                return found
        raise CommandError("The server refuses any more requests for now.")

    async def events(self, path: str) -> AsyncGenerator[ServerEvent, None]:
        """Server-sent events, after a heartbeat of our own once the server listens; ends when they break off."""
        try:
            async with self._session.get(path, allow_redirects=False, timeout=SILENCE) as response:
                if response.status != HTTPStatus.OK:
                    return
                yield ServerEvent("", "")
                async for event in server_events(response.content):
                    yield event
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return

    async def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        for _ in range(TRIES):
            found = await self._once(method, path, **arguments)
            if found is not None:
                return found
        raise CommandError("The server refuses any more requests for now.")

    async def _once(self, method: str, path: str, **arguments: Any) -> dict[str, Any] | None:
        """The answer; None after the pause that the server asked for."""
        try:
            async with self._session.request(method, path, allow_redirects=False, **arguments) as response:
                if response.status in LATER:
                    await self._clock.sleep(_pause_seconds(response.headers.get("Retry-After", "")))
                    return None
                content: dict[str, Any] = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise CommandError(f"The running server does not answer: {error}") from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            kind = NotThereError if response.status == HTTPStatus.NOT_FOUND else CommandError
            wrong = [f"{each['where']} {each['detail']}".strip() for each in content.get("errors") or ()]
            said = " ".join([str(content.get("detail", response.status)), "; ".join(wrong)])
            raise kind(f"The server refused: {said.strip()}")
        return content


def _pause_seconds(retry_after: str) -> float:
    """What the server asks for (RFC 9110, 10.2.3: seconds or a date), within reason; a second for a date."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return 1.0
    return min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS) if math.isfinite(seconds) else 1.0


@asynccontextmanager
async def owner_api(data_directory: Path, clock: Clock, wait_seconds: float) -> AsyncIterator[OwnerApi | None]:
    """The API of the process that owns the data directory; None when nobody owns it.

    Waits for an owner that is still starting. Raises CommandError when it does not get ready.
    """
    owner = await _ready_owner(data_directory, clock, wait_seconds)
    if owner is None:
        yield None
        return
    headers = {"Authorization": f"Bearer {owner.token}"}
    async with aiohttp.ClientSession(owner.url, headers=headers, timeout=TIMEOUT) as session:
        yield OwnerApi(session, clock)


async def _ready_owner(data_directory: Path, clock: Clock, wait_seconds: float) -> Owner | None:
    until = clock.monotonic() + wait_seconds
    while True:
        owner = find_owner(data_directory)
        if owner is None or owner.url is not None:
            return owner
        if clock.monotonic() >= until:
            raise CommandError(f"{data_directory} is in use by process {owner.pid}, which does not serve its API.")
        await clock.sleep(PAUSE_SECONDS)

"""Files that people send by WhatsApp: fetched over real sockets, with the token for nobody but Meta."""

import base64
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agents.admin_ports import FileFetchError, FileProblem
from services.whatsapp.media import WhatsAppMedia
from tests.fakes.hasty_clock import HastyClock

TOKEN = "media-token"
CONTENT = b"The menu: soup." * 9000
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FakeMeta:
    """Two hosts: the Graph API and one for files; a test changes what they answer."""

    facts: dict[str, Any] = field(default_factory=dict)
    refusals: list[web.Response] = field(default_factory=list)
    content: bytes = CONTENT
    download_status: int = 200
    cut: bool = False
    tokens: list[str | None] = field(default_factory=list)
    url: str = ""

    async def look_up(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization"))
        if self.refusals:
            return self.refusals.pop(0)
        digest = hashlib.sha256(CONTENT).hexdigest()
        told = {"url": f"{self.url}/file", "mime_type": "text/plain", "sha256": digest, "file_size": str(len(CONTENT))}
        return web.json_response({**told, "id": request.match_info["id"], **self.facts})

    async def download(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization"))
        if self.cut:
            response = web.StreamResponse(headers={"Content-Length": str(len(self.content))})
            await response.prepare(request)
            await response.write(self.content[:1000])
            assert request.transport
            request.transport.abort()
            return response
        return web.Response(body=self.content, status=self.download_status)


@asynccontextmanager
async def fake_meta() -> AsyncIterator[tuple[FakeMeta, WhatsAppMedia]]:
    meta = FakeMeta()
    app = web.Application()
    app.add_routes([web.get("/v26.0/{id}", meta.look_up), web.get("/file", meta.download)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    meta.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            yield (
                meta,
                WhatsAppMedia(
                    session,
                    api_url=meta.url,
                    api_version="v26.0",
                    access_token=TOKEN,
                    clock=HastyClock(),
                    dice=random.Random(1),
                    timeout_seconds=5,
                ),
            )
    finally:
        await runner.cleanup()


async def fetched(media: WhatsAppMedia, media_id: str = "123", most: int = 10**6) -> bytes:
    return b"".join([piece async for piece in media.content(media_id, most)])


async def problem(media: WhatsAppMedia, media_id: str = "123", most: int = 10**6) -> FileProblem:
    with pytest.raises(FileFetchError) as caught:
        await fetched(media, media_id, most)
    return caught.value.problem


async def test_a_file_is_looked_up_and_downloaded_with_the_token() -> None:
    """Both requests carry the token; the file comes whole, whichever way Meta writes its digest."""
    async with fake_meta() as (meta, media):
        assert (await media.look_up("123")).bytes == len(CONTENT)
        assert await fetched(media) == CONTENT
        meta.facts = {"sha256": base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()}
        assert await fetched(media) == CONTENT
        assert set(meta.tokens) == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9/file",
        "https://lookaside.fbsbx.com.evil.example/file",
        "https://evil.example/fbsbx.com",
        "http://lookaside.fbsbx.com/file",
        "https://[broken",
    ],
)
async def test_the_token_goes_to_nobody_else(url: str) -> None:
    """An address that is neither Meta's nor the API's own is not asked."""
    async with fake_meta() as (meta, media):
        meta.facts = {"url": url}
        assert await problem(media) is FileProblem.GONE
        assert len(meta.tokens) == 1


async def test_an_id_that_is_none_is_not_asked_for() -> None:
    """What a message calls a media id cannot lead to another address of the API."""
    async with fake_meta() as (meta, media):
        for media_id in ("../me", "1?fields=x", "", "a" * 200):
            assert await problem(media, media_id) is FileProblem.GONE
        assert meta.tokens == []


async def test_what_is_too_large_is_left() -> None:
    """By its announced size before the download, by its true size during it."""
    async with fake_meta() as (meta, media):
        assert await problem(media, most=1000) is FileProblem.TOO_LARGE
        assert len(meta.tokens) == 1
        meta.facts = {"file_size": "10"}
        assert await problem(media, most=1000) is FileProblem.TOO_LARGE


async def test_a_file_that_meta_has_no_more_is_gone() -> None:
    """An unknown id, and an address that was answered with 404."""
    async with fake_meta() as (meta, media):
        meta.refusals = [web.json_response({"error": {"code": 100, "message": "no such object"}}, status=400)]
        assert await problem(media) is FileProblem.GONE
        meta.download_status = 404
        assert await problem(media) is FileProblem.GONE


async def test_a_passing_fault_is_tried_again() -> None:
    """Two bad answers cost nothing; a third one does, and so does a wrong token: the file may come later."""
    async with fake_meta() as (meta, media):
        meta.refusals = [web.Response(status=500), web.Response(text="<html>", status=200)]
        assert await fetched(media) == CONTENT
        meta.refusals = [web.json_response({"error": {"code": 190}}, status=401) for _ in range(3)]
        assert await problem(media) is FileProblem.AWAY


async def test_a_file_that_is_not_what_was_announced_does_not_count() -> None:
    """Another content, a cut connection and a server fault: none of them passes for the file."""
    async with fake_meta() as (meta, media):
        meta.content = CONTENT[:-1] + b"!"
        assert await problem(media) is FileProblem.AWAY
        meta.content, meta.cut = CONTENT, True
        assert await problem(media) is FileProblem.AWAY
        meta.cut, meta.download_status = False, 503
        assert await problem(media) is FileProblem.AWAY

"""Voice notes are written down by a real client against a scripted server."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from agents.ports import ModelError
from agents.transcriber import OpenAITranscriber, TranscriberOptions
from database.metrics import Metrics
from tests.fakes.hasty_clock import HastyClock

pytestmark = pytest.mark.blocking_allowed  # the client's library is imported at the first call


@dataclass
class Server:
    """Hears what a test says; `statuses` are those of the next answers."""

    statuses: list[int] = field(default_factory=list)
    heard: list[dict[str, str]] = field(default_factory=list)

    async def transcribe(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        model = str(form["model"])
        self.heard.append({"model": model, "name": file.filename, "sound": file.file.read().decode()})
        status = self.statuses.pop(0) if self.statuses else 200
        if status != 200:
            return web.json_response({"error": {"message": "scripted"}}, status=status)
        return web.json_response({"text": "We are closed on 24 December."})


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Server, OpenAITranscriber]]:
    server = Server()
    app = web.Application()
    app.add_routes([web.post("/v1/audio/transcriptions", server.transcribe)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    options = TranscriberOptions("ears-1", "key", f"http://127.0.0.1:{runner.addresses[0][1]}/v1", 10.0, retries=1)
    transcriber = OpenAITranscriber(options, HastyClock(), random.Random(1), Metrics())
    try:
        yield server, transcriber
    finally:
        await transcriber.close()
        await runner.cleanup()


async def test_a_voice_note_is_sent_as_what_it_is() -> None:
    """The sound, its format and the model reach the server; the text comes back."""
    async with running() as (server, transcriber):
        assert await transcriber.transcribe(b"OggS", "audio/ogg; codecs=opus") == "We are closed on 24 December."
        assert server.heard == [{"model": "ears-1", "name": "voice.ogg", "sound": "OggS"}]


async def test_a_passing_fault_is_tried_again_and_a_lasting_one_told() -> None:
    """One 503 costs nothing; two, or a refusal, are a ModelError."""
    async with running() as (server, transcriber):
        server.statuses = [503]
        assert await transcriber.transcribe(b"OggS", "audio/ogg")
        server.statuses = [503, 503]
        with pytest.raises(ModelError):
            await transcriber.transcribe(b"OggS", "audio/ogg")
        server.statuses = [400]
        with pytest.raises(ModelError):
            await transcriber.transcribe(b"OggS", "audio/ogg")
        assert len(server.heard) == 5

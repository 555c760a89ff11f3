"""Voice notes are written down by a real client against a scripted server."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from agents.model_budget import ModelBudget
from agents.ports import ModelError
from agents.transcriber import OpenAITranscriber, TranscriberOptions
from database.businesses import ensure_default
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from tests.fakes.hasty_clock import HastyClock

USAGE = {"type": "tokens", "input_tokens": 100, "output_tokens": 20, "total_tokens": 120}

pytestmark = pytest.mark.blocking_allowed  # the client's library is imported at the first call


@dataclass
class Server:
    """Hears what a test says; `statuses` are those of the next answers, a 429 with `retry_after` and `code`."""

    statuses: list[int] = field(default_factory=list)
    retry_after: str = "0"
    code: str | None = None
    hangs: asyncio.Event | None = None
    heard: list[dict[str, str]] = field(default_factory=list)

    async def transcribe(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        model = str(form["model"])
        self.heard.append({"model": model, "name": file.filename, "sound": file.file.read().decode()})
        status = self.statuses.pop(0) if self.statuses else 200
        if self.hangs is not None:
            await self.hangs.wait()
        if status != 200:
            error = {"error": {"message": "scripted", "code": self.code}}
            return web.json_response(error, status=status, headers={"Retry-After": self.retry_after})
        return web.json_response({"text": "We are closed on 24 December.", "usage": USAGE})


@asynccontextmanager
async def running(
    budget: ModelBudget | None = None,
    *,
    clock: HastyClock | None = None,
    metrics: Metrics | None = None,
    timeout_seconds: float = 30.0,
) -> AsyncIterator[tuple[Server, OpenAITranscriber]]:
    server = Server()
    app = web.Application()
    app.add_routes([web.post("/v1/audio/transcriptions", server.transcribe)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    options = TranscriberOptions(
        "ears-1",
        "key",
        f"http://127.0.0.1:{runner.addresses[0][1]}/v1",
        timeout_seconds,
        retries=1,
        prices_usd=(10_000.0, 0.0),  # 100 tokens cost a dollar
    )
    transcriber = OpenAITranscriber(options, clock or HastyClock(), random.Random(1), metrics or Metrics(), budget)
    try:
        yield server, transcriber
    finally:
        await transcriber.close()
        await runner.cleanup()


async def test_a_voice_note_is_sent_as_what_it_is() -> None:
    """The sound, its format and the model reach the server; the text comes back."""
    async with running() as (server, transcriber):
        assert await transcriber.transcribe(b"OggS", "audio/ogg; codecs=opus", "b") == "We are closed on 24 December."
        assert server.heard == [{"model": "ears-1", "name": "voice.ogg", "sound": "OggS"}]


async def test_a_passing_fault_is_tried_again_and_a_lasting_one_told() -> None:
    """One 503 costs nothing; two, or a refusal, are a ModelError."""
    async with running() as (server, transcriber):
        server.statuses = [503]
        assert await transcriber.transcribe(b"OggS", "audio/ogg", "b")
        server.statuses = [503, 503]
        with pytest.raises(ModelError):
            await transcriber.transcribe(b"OggS", "audio/ogg", "b")
        server.statuses = [400]
        with pytest.raises(ModelError):
            await transcriber.transcribe(b"OggS", "audio/ogg", "b")
        assert len(server.heard) == 5


async def test_voice_notes_are_paid_from_the_budget(tmp_path: Path) -> None:
    """What the server counts is charged to the business; beyond its daily budget nothing is sent."""
    clock = HastyClock()
    async with Database.open(tmp_path / "concierge.db", DatabaseOptions("chat"), Metrics()) as chat:
        business = (await chat.write(ensure_default("1", clock.now()))).id
        async with (
            ModelBudget.running(chat, clock, daily_usd=1.0) as budget,
            running(budget) as (server, transcriber),
        ):
            await transcriber.transcribe(b"OggS", "audio/ogg", business)
            with pytest.raises(ModelError, match="daily budget is spent"):
                await transcriber.transcribe(b"OggS", "audio/ogg", business)
            assert len(server.heard) == 1


async def test_a_server_says_how_long_to_wait() -> None:
    """Retry-After is kept to; beyond anybody's patience, or without money, there is no second try."""
    clock = HastyClock()
    async with running(clock=clock) as (server, transcriber):
        server.statuses, server.retry_after = [429], "12"
        assert await transcriber.transcribe(b"OggS", "audio/ogg", "b")
        assert clock.slept == [12]
        server.statuses, server.retry_after = [429], "3600"
        with pytest.raises(ModelError, match="status_429"):
            await transcriber.transcribe(b"OggS", "audio/ogg", "b")
        server.statuses, server.retry_after, server.code = [429], "0", "insufficient_quota"
        with pytest.raises(ModelError, match="status_429"):
            await transcriber.transcribe(b"OggS", "audio/ogg", "b")
        assert (len(server.heard), clock.slept) == (4, [12])


async def test_what_nobody_heard_is_billed() -> None:
    """A server that ran out of our time may have listened: it counts by the length of the sound, and as a time-out."""
    metrics = Metrics()
    async with running(metrics=metrics, timeout_seconds=0.5) as (server, transcriber):
        server.hangs = asyncio.Event()
        with pytest.raises(ModelError, match="timeout"):
            await transcriber.transcribe(b"x" * 1_200, "audio/ogg", "b")
        server.hangs.set()
    sample = metrics.registry.get_sample_value
    assert sample("concierge_model_tokens_total", {"model": "ears-1", "direction": "input"}) == 10
    assert sample("concierge_model_calls_total", {"model": "ears-1", "outcome": "timeout"}) == 1

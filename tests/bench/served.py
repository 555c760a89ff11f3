"""A real `concierge serve` with knowledge in it, and a simulated WhatsApp beside it, for benchmarks."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import SystemClock
from tests.e2e.processes import ACCESS_TOKEN, APP_SECRET, NUMBER, Server, running_server
from tests.shared import SHARED

FILE_PASSAGES = 100
DOCUMENTS = "/api/v1/businesses/default/documents"


def passages(count: int) -> list[str]:
    """Paragraphs of the shared data, each about something else; numbered copies beyond what there is."""
    files = ("mtrag_un/passages.jsonl", "squad2_dev/visible/passages.jsonl", "xquad/visible/passages.en.jsonl")
    lines = [line for file in files for line in (SHARED / "evaldata" / file).open(encoding="utf-8")]
    found = [json.loads(line)["text"][:1000] for line in lines]
    found = [" ".join(text.split()) for text in found if len(text) > 300]
    copies = [f"Case {n // len(found)}. {found[n % len(found)]}" for n in range(len(found), count)]
    return (found + copies)[:count]


def questions() -> list[str]:
    """Answerable questions about some of those paragraphs."""
    lines = (SHARED / "evaldata/squad2_dev/visible/questions.jsonl").open(encoding="utf-8")
    rows = [json.loads(line) for line in lines]
    return [row["question"] for row in rows if row["answerable"]]


async def fill(server: Server, count: int) -> int:
    """Upload paragraphs as Markdown files, a heading each; how many chunks there are in the end."""
    texts = passages(count)
    async with server.api() as session:
        for start in range(0, count, FILE_PASSAGES):
            body = "\n\n".join(
                f"# Topic {start + n}\n\n{text}" for n, text in enumerate(texts[start : start + FILE_PASSAGES])
            )
            form = aiohttp.FormData()
            form.add_field("files", body.encode(), filename=f"topics-{start:05d}.md")
            async with session.post(DOCUMENTS, data=form) as answer:
                assert answer.status == 202, await answer.text()
        return await _ready(session)


async def _ready(session: aiohttp.ClientSession) -> int:
    while True:
        documents, cursor = [], ""
        while cursor is not None:
            async with session.get(DOCUMENTS, params={"limit": "100", "cursor": cursor} if cursor else {}) as answer:
                page = await answer.json()
            documents += page["documents"]
            cursor = page["next_cursor"]
        assert not [found for found in documents if found["status"] == "failed"], documents
        if all(found["status"] == "ready" for found in documents):
            return sum(found["chunks_count"] for found in documents)
        await asyncio.sleep(0.3)


@asynccontextmanager
async def served(
    settings: dict[str, str], chunks: int, prefix: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Server, Simulator]]:
    """Both, with so many chunks of knowledge. `prefix` is a program that the server runs under."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = Server(folder / "data", "", settings={"CONCIERGE_LOG_LEVEL": "warning", **settings}, prefix=prefix)
        simulated = SimulatorSettings(APP_SECRET, ACCESS_TOKEN, NUMBER, server.webhook_url)
        simulator = await stack.enter_async_context(Simulator.running(SystemClock(), random.Random(1), simulated))
        server.api_url = simulator.url
        await stack.enter_async_context(running_server(server))
        await fill(server, chunks)
        yield server, simulator

"""15,000 chunks from 30 files uploaded together to a serving bot, beside the plain way; chat while that runs.

The plain way takes the same chunks, cut already, file after file in a process of its own: embed with the same
embedder, `collection.add` with texts and metadata. Ours goes from the HTTP request to the last document being ready:
files on disk, parsed in child processes, texts and vectors in knowledge.db, words and vectors indexed. The server runs
in this process, for its loop is measured; whoever uploads, asks and posts webhooks is a process of its own. Each round
has a data directory of its own: both ways begin with nothing.
"""

import asyncio
import gc
import multiprocessing
import random
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import numpy as np
from aiohttp import web
from pydantic import SecretStr

from bot.api.needs import API
from bot.app import Outside, create_app
from bot.interpreter import settle
from bot.settings import Settings
from database.businesses import DEFAULT, business_by_slug
from tests.bench.figures import Figure
from tests.bench.index_lag import Lag, some_texts
from tests.fakes import webhook_posts
from vectorstore.wordllama_embedder import WordLlamaEmbedder

FILES = 30
FILE_CHUNKS = 500
CHUNKS = FILES * FILE_CHUNKS
ROUNDS = 3
SEARCHES_A_SECOND = 10
WEBHOOKS_A_SECOND = 50
PATIENCE_SECONDS = 120
TOKEN = "token-of-the-benchmark-0123456789"
BUSINESS = "/api/v1/businesses/default"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What a client saw: when it began (a clock that all processes share), and the ids that it got."""

    began: float
    ids: list[str]


@dataclass(slots=True)
class Chat:
    """Seconds that each search and each webhook took while the upload ran."""

    searches: list[float] = field(default_factory=list)
    webhooks: list[float] = field(default_factory=list)


def texts_of(round_: int) -> list[str]:
    """The chunks of a round: other texts each time, for nothing is embedded twice."""
    return [f"Case {round_}.{n}. {text}" for n, text in enumerate(some_texts(CHUNKS))]


def files_of(texts: list[str]) -> list[bytes]:
    """Markdown files in which every text stands under a heading of its own, and so is a chunk."""
    return [
        "\n\n".join(
            f"# Topic {start + n}\n\n{text}" for n, text in enumerate(texts[start : start + FILE_CHUNKS])
        ).encode()
        for start in range(0, CHUNKS, FILE_CHUNKS)
    ]


async def _upload(url: str, round_: int) -> Uploaded:
    form = aiohttp.FormData()
    for number, content in enumerate(files_of(texts_of(round_))):
        form.add_field("files", content, filename=f"{round_}-{number}.md")
    async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        began = time.perf_counter()
        async with session.post(f"{BUSINESS}/documents", data=form) as answer:
            assert answer.status == 202, await answer.text()
            return Uploaded(began, [document["id"] for document in (await answer.json())["documents"]])


def upload(url: str, round_: int) -> Uploaded:
    """All files in one request, from a process of its own."""
    return asyncio.run(_upload(url, round_))


async def _chat(url: str, stop: Path) -> Chat:
    chat, dice = Chat(), random.Random(5)
    words = " ".join(some_texts(200)).split()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(url) as session:

        async def search(_number: int) -> None:
            body = {"query": " ".join(dice.choices(words, k=6)), "limit": 5}
            began = time.perf_counter()
            async with session.post(f"{BUSINESS}/search", json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            chat.searches.append(time.perf_counter() - began)

        async def post(number: int) -> None:
            body = webhook_posts.status(f"wamid.{number}", "delivered", f"attempt-{number}", int(time.time() * 1000))
            signed = {"X-Hub-Signature-256": webhook_posts.signature(body), "Content-Type": "application/json"}
            began = time.perf_counter()
            async with session.post("/webhooks/whatsapp", data=body, headers=signed) as answer:
                assert answer.status == 200, await answer.text()
            chat.webhooks.append(time.perf_counter() - began)

        async def at_a_rate(what: Callable[[int], Coroutine[None, None, None]], rate: int) -> None:
            number, began = 0, time.perf_counter()
            async with asyncio.TaskGroup() as group:
                while not stop.exists():
                    group.create_task(what(number))
                    number += 1
                    await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))

        await asyncio.gather(at_a_rate(search, SEARCHES_A_SECOND), at_a_rate(post, WEBHOOKS_A_SECOND))
    return chat


def chat(url: str, stop: Path) -> Chat:
    """Searches and webhooks at an even rate, whatever they take, until the file `stop` is there."""
    return asyncio.run(_chat(url, stop))


def plainly(directory: Path, round_: int) -> float:
    """The plain way; the seconds it took, without loading the model."""
    from chromadb import PersistentClient
    from chromadb.config import Settings as ChromaSettings

    texts = texts_of(round_)

    async def fill() -> float:
        embedder = WordLlamaEmbedder()
        await embedder.load()
        client = PersistentClient(str(directory), ChromaSettings(anonymized_telemetry=False))
        collection = client.create_collection("plain", embedding_function=None)
        began = time.perf_counter()
        for start in range(0, CHUNKS, FILE_CHUNKS):
            part = texts[start : start + FILE_CHUNKS]
            vectors = await embedder.embed(part)
            collection.add(
                ids=[str(start + n) for n in range(len(part))],
                embeddings=vectors,
                documents=part,
                metadatas=[{"file": f"{start}.md", "number": n} for n in range(len(part))],
            )
        seconds = time.perf_counter() - began
        embedder.close()
        return seconds

    return asyncio.run(fill())


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[web.Application, str]]:
    """The whole bot in this process, as `concierge serve` runs it; Meta is nobody, for nobody is answered."""
    settings = Settings(
        _env_file=None,
        concierge_data_dir=folder,
        concierge_admin_token=SecretStr(TOKEN),
        concierge_api_rate=10_000,
        whatsapp_api_url="http://127.0.0.1:9",
        whatsapp_access_token=SecretStr("token"),
        whatsapp_phone_number_id=webhook_posts.NUMBER,
        whatsapp_verify_token=SecretStr("verify"),
        whatsapp_app_secret=SecretStr(webhook_posts.SECRET),
        openai_api_key=SecretStr(""),
    )  # type: ignore[call-arg]
    app = create_app(settings, Outside.real())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        settle()
        yield app, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _ours(app: web.Application, url: str, clients: ProcessPoolExecutor, round_: int) -> float:
    """Seconds from the beginning of the request until every document is ready."""
    loop = asyncio.get_running_loop()
    uploaded = await loop.run_in_executor(clients, upload, url, round_)
    ingestion = app[API].ingestion
    await ingestion.wait_until_done(uploaded.ids)  # type: ignore[attr-defined]
    seconds = time.perf_counter() - uploaded.began
    found = [await ingestion.get((await _business(app)), each) for each in uploaded.ids]
    assert sum(document.chunks_count for document in found if document and document.is_processed) == CHUNKS, found
    return seconds


async def _business(app: web.Application) -> str:
    business = await app[API].chat.read(business_by_slug(DEFAULT))
    assert business
    return business.id


async def _beside_chat(folder: Path, clients: ProcessPoolExecutor) -> tuple[float, float, Chat]:
    """Seconds that an upload takes with chat beside it, the loop's lag p99 meanwhile, and what the chat saw."""
    loop, lag = asyncio.get_running_loop(), Lag()
    async with _warm(folder / "data") as (app, url):
        talking = loop.run_in_executor(clients, chat, url, folder / "stop")
        await asyncio.sleep(2)
        gc.collect()
        async with lag.measured():
            seconds = await _ours(app, url, clients, ROUNDS)
        (folder / "stop").touch()
        return seconds, lag.p99_ms(), await talking


@asynccontextmanager
async def _warm(folder: Path) -> AsyncIterator[tuple[web.Application, str]]:
    """Serving, with its model loaded."""
    async with serving(folder) as (app, url):
        await app[API].knowledge.search(await _business(app), "warm up", limit=1)
        yield app, url


async def run() -> list[Figure]:
    """An upload with chat beside it; then chunks a second, the plain way and ours in turns."""
    loop = asyncio.get_running_loop()
    ours, plain = [], []
    with (
        TemporaryDirectory() as name,
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as clients,
    ):
        folder = Path(name)
        beside_chat, lag_ms, heard = await _beside_chat(folder, clients)
        for round_ in range(ROUNDS):
            plain.append(await loop.run_in_executor(clients, plainly, folder / f"plain-{round_}", round_))
            async with _warm(folder / f"ours-{round_}") as (app, url):
                ours.append(await _ours(app, url, clients, round_))
    rate, plain_rate = CHUNKS / statistics.median(ours), CHUNKS / statistics.median(plain)
    beside = "the plain way"
    ratio = statistics.median(each / mine for each, mine in zip(plain, ours, strict=True))
    return [
        Figure(f"{CHUNKS:,} chunks from {FILES} files, bytes to searchable", rate, "chunks/s", plain_rate, beside),
        Figure("… ÷ the plain way", ratio, "", 1.0, beside, floor=1.2, goal=2.0),
        Figure("the same with chat beside it", CHUNKS / beside_chat, "chunks/s", plain_rate, f"{beside}, without chat"),
        Figure("loop lag p99 meanwhile, with chat", lag_ms, "ms", None, "", 20, 10, higher_is_better=False),
        Figure("search p99 meanwhile", _p99(heard.searches), "ms", None, "", 120, 60, higher_is_better=False),
        Figure("webhook p99 meanwhile", _p99(heard.webhooks), "ms", None, "", 40, 20, higher_is_better=False),
    ]


def _p99(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 99)) * 1000

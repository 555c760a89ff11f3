"""Two designs under the same crowd: `concierge serve` as it is, and the plain one (tests/load/plain_server.py)."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bot.chaos.server_process import ROOT
from bot.simulator.simulator import Simulator
from database.clock import Clock
from tests.bench.served import DOCUMENTS, _ready
from tests.e2e.processes import SECRETS, Server
from tests.load.crowd import Play, Spoken, chat, waits, warm_up
from tests.load.knowledge import Subject
from tests.load.memory import Memory

UPLOAD_AFTER = 1 / 3


@dataclass(frozen=True, slots=True)
class Figures:
    """What a crowd saw of a design.

    Waits are seconds from the last message that a reply answers: replies to a burst's question, which ends it, and all
    replies, those to its beginning included. `locks` are (name, p50, p99) of what turns waited for, in seconds too.
    """

    spoken: Spoken
    question_waits: list[float]
    all_waits: list[float]
    answered: int
    found: int
    doubled: int
    locks: tuple[tuple[str, float, float], ...]
    memory: Memory


async def fill(server: Server, subject: Subject) -> int:
    """Upload all files; how many pieces there are."""
    async with server.api() as session:
        for name, text in subject.files:
            await _upload(session, name, text)
        return await _ready(session)


async def concierge(server: Server, simulator: Simulator, play: Play, subject: Subject, clock: Clock) -> Figures:
    """`server` runs, is filled, and is stopped at the end."""
    assert server.process
    async with server.api() as session:
        before = await _histograms(session)
        upload = _upload(session, "meanwhile.md", "\n\n".join(f"## {n}\n\n{t}" for n, t in enumerate(subject.upload)))
        spoken, memory = await _played(simulator, play, clock, server.process.pid, upload)
        after = await _histograms(session)
    await server.stop()
    rows = server.rows(
        "SELECT m.wamid AS asked, o.wamid AS said, t.outcome AS outcome FROM messages m"
        " JOIN outbox o ON o.turn_id = m.turn_id JOIN turns t ON t.id = m.turn_id WHERE m.status = 'answered'"
    )
    answered, found = replies_of(rows)
    locks = tuple(
        (name, quantile(before, after, key, 0.5), quantile(before, after, key, 0.99))
        for name, key in (
            ("vector store, queries", ("concierge_vector_lock_wait_seconds", "query")),
            ("writer of concierge.db", ("concierge_database_writer_wait_seconds", "chat")),
        )
    )
    return _figures(simulator, spoken, answered, found, locks, memory)


def replies_of(rows: list[dict[str, Any]]) -> tuple[dict[str, str], set[str]]:
    """Message → reply, and the replies that found something; a reply that no phone got answers nothing."""
    sent = [row for row in rows if row["said"] is not None]
    return {row["asked"]: row["said"] for row in sent}, {row["said"] for row in sent if row["outcome"] == "answered"}


async def plain(server: Server, simulator: Simulator, play: Play, subject: Subject, clock: Clock) -> Figures:
    """On a copy of the data that a server left, which is stopped, and at its port: `server` says where."""
    async with _plain_process(server) as pid, aiohttp.ClientSession(server.url) as session:
        upload = _upload_plain(session, subject)
        spoken, memory = await _played(simulator, play, clock, pid, upload)
        async with session.get("/figures") as answer:
            told = await answer.json()
    lock_waits = sorted(told["lock_waits"]) or [0.0]
    locks = (("the one lock", at_share(lock_waits, 0.5), at_share(lock_waits, 0.99)),)
    return _figures(simulator, spoken, told["answered"], set(told["found"]), locks, memory)


@asynccontextmanager
async def _plain_process(server: Server) -> AsyncIterator[int]:
    environment = {
        "BUSINESS_ID": server.rows("SELECT id FROM businesses")[0]["id"],
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT),
        "WHATSAPP_PHONE_NUMBER_ID": SECRETS.phone_number_id,
        "WHATSAPP_APP_SECRET": SECRETS.app_secret,
        "WHATSAPP_ACCESS_TOKEN": SECRETS.access_token,
        "WHATSAPP_API_URL": server.api_url,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.load.plain_server", str(server.directory), str(server.port)),
        env=environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"listening\n"
        yield process.pid
    finally:
        process.kill()
        await process.wait()


async def _played(
    simulator: Simulator, play: Play, clock: Clock, pid: int, upload: Coroutine[Any, Any, None]
) -> tuple[Spoken, Memory]:
    """The crowd chats, somebody uploads meanwhile, and the memory is watched."""

    async def upload_later() -> None:
        await clock.sleep(play.seconds * UPLOAD_AFTER)
        await upload

    await warm_up(simulator, play)
    simulator.sent.clear()
    memory = Memory()
    watching = asyncio.create_task(memory.watch(pid, clock))
    try:
        spoken, _ = await asyncio.gather(chat(simulator, clock, play), upload_later())
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return spoken, memory


async def _upload(session: aiohttp.ClientSession, name: str, text: str) -> None:
    form = aiohttp.FormData()
    form.add_field("files", text.encode(), filename=name)
    async with session.post(DOCUMENTS, data=form) as answer:
        assert answer.status == 202, await answer.text()


async def _upload_plain(session: aiohttp.ClientSession, subject: Subject) -> None:
    async with session.post("/upload", json={"texts": subject.upload}) as answer:
        assert answer.status == 200, await answer.text()


def _figures(
    simulator: Simulator,
    spoken: Spoken,
    answered: dict[str, str],
    found: set[str],
    locks: tuple[tuple[str, float, float], ...],
    memory: Memory,
) -> Figures:
    replies = set(answered.values())
    doubled = sum(sent.wamid not in replies for sent in simulator.sent)
    ours = {message: reply for message, reply in answered.items() if message in spoken.written}
    asked, every = waits(simulator, spoken, ours)
    return Figures(spoken, asked, every, len(ours), len(found & set(ours.values())), doubled, locks, memory)


Histograms = dict[tuple[str, str], dict[float, float]]


async def _histograms(session: aiohttp.ClientSession) -> Histograms:
    """By metric and the value of its one label: how many were at most so long."""
    async with session.get("/metrics") as answer:
        text = await answer.text()
    found: Histograms = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            if sample.name.endswith("_bucket"):
                bound = float(labels.pop("le"))
                key = (family.name, next(iter(labels.values()), ""))
                found.setdefault(key, {})[bound] = sample.value
    return found


def quantile(before: Histograms, after: Histograms, key: tuple[str, str], share: float) -> float:
    """Along a straight line within the bucket, as Prometheus does; seconds."""
    counts = {bound: n - before.get(key, {}).get(bound, 0) for bound, n in sorted(after.get(key, {}).items())}
    wanted = share * max(counts.values(), default=0)
    low = low_count = 0.0
    for bound, count in counts.items():
        if count >= wanted > 0:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - low_count) / max(count - low_count, 1)
        low, low_count = bound, count
    return 0.0


def at_share(ascending: list[float], share: float) -> float:
    """The value below which this share lies; 0 when there is none."""
    return ascending[min(int(len(ascending) * share), len(ascending) - 1)] if ascending else 0.0

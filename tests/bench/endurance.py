"""Open files and memory of a running server before and after 300 uploads and 100 backups, every tenth with the index.

Both are taken after a warm-up of the same kind, so that what is loaded once is in both. Each round deletes what the one
before it uploaded: the data stay as large as they are, and with them the databases' caches: what grows is a leak.
"""

import asyncio
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import psutil

from tests.bench.figures import Figure
from tests.bench.index_lag import some_texts
from tests.e2e.processes import Server, running_server

UPLOADS, BACKUPS = 300, 100
ROUNDS, WARM_ROUNDS = 10, 4
FILES_A_REQUEST = 10
WITH_INDEX_EVERY = 10
DOCUMENTS = "/api/v1/businesses/default/documents"
SETTINGS = {"CONCIERGE_API_RATE": "10000", "CONCIERGE_LOG_LEVEL": "warning", "CONCIERGE_BACKUP_KEEP": "5"}
PAUSE_SECONDS = 0.05
REST_SECONDS, LOOKS = 15.0, 30
MB = 1_000_000


class Endurance:
    """One server; `used` is what it holds."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self._session = session
        assert server.process is not None
        self._process = psutil.Process(server.process.pid)
        self._texts = some_texts(UPLOADS // ROUNDS * (ROUNDS + WARM_ROUNDS))
        random.Random(1).shuffle(self._texts)
        self._uploaded: list[str] = []

    async def upload(self, count: int) -> None:
        """So many small files, to their ends, in the place of those before."""
        for gone in self._uploaded:
            async with self._session.delete(f"{DOCUMENTS}/{gone}") as answer:
                assert answer.status == 204, await answer.text()
        self._uploaded.clear()
        for _ in range(count // FILES_A_REQUEST):
            form = aiohttp.FormData()
            for _ in range(FILES_A_REQUEST):
                text = self._texts.pop()
                form.add_field("files", f"# Part\n\n{text}".encode(), filename=f"{len(self._texts)}.md")
            async with self._session.post(DOCUMENTS, data=form) as answer:
                assert answer.status == 202, await answer.text()
                documents = (await answer.json())["documents"]
            for each in documents:
                ended = await self._followed(f"{DOCUMENTS}/{each['id']}", "status", {"ready", "failed"})
                assert ended["status"] == "ready", ended
            self._uploaded += [each["id"] for each in documents]

    async def back_up(self, count: int) -> None:
        """So many snapshots, one after another."""
        for n in range(count):
            body = {"with_index": n % WITH_INDEX_EVERY == 0}
            async with self._session.post("/api/v1/backups", json=body) as answer:
                assert answer.status == 202, await answer.text()
                begun = await answer.json()
            ended = await self._followed(f"/api/v1/backups/{begun['id']}", "state", {"done", "failed"})
            assert ended["state"] == "done", ended

    async def used(self) -> tuple[int, float]:
        """Open files, and megabytes that are the server's own, at rest."""
        files = []
        for _ in range(LOOKS):
            await asyncio.sleep(REST_SECONDS / LOOKS)
            files.append(self._process.num_fds())
        # the least: idle connections and helpers end by and by
        return min(files), self._process.memory_full_info().uss / MB

    async def _followed(self, path: str, field: str, ends: set[str]) -> dict[str, Any]:
        while True:
            async with self._session.get(path) as answer:
                found: dict[str, Any] = await answer.json()
            if found[field] in ends:
                return found
            await asyncio.sleep(PAUSE_SECONDS)


async def run() -> list[Figure]:
    """How much both changed, in percent."""
    with TemporaryDirectory() as folder:
        settings = SETTINGS | {"CONCIERGE_BACKUP_TO": f"{folder}/backups"}
        server = Server(Path(folder) / "data", "http://127.0.0.1:1", settings=settings)
        async with running_server(server), server.api() as session:
            endurance = Endurance(server, session)
            for _ in range(WARM_ROUNDS):
                await endurance.upload(UPLOADS // ROUNDS)
                await endurance.back_up(BACKUPS // ROUNDS)
            files, memory = await endurance.used()
            for _ in range(ROUNDS):
                await endurance.upload(UPLOADS // ROUNDS)
                await endurance.back_up(BACKUPS // ROUNDS)
            files_then, memory_then = await endurance.used()
    what = f"after {UPLOADS} uploads and {BACKUPS} backups"
    return [
        _figure(f"open files {what}: {files} then {files_then}", _change(files, files_then)),
        _figure(f"memory {what}: {memory:.0f} MB then {memory_then:.0f} MB", _change(memory, memory_then)),
    ]


def _figure(name: str, percent: float) -> Figure:
    return Figure(name, percent, "% changed", floor=5, goal=2, higher_is_better=False)


def _change(before: float, after: float) -> float:
    return abs(after - before) / before * 100

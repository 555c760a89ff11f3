"""The server's end of a process that embeds many texts: an upload takes neither the loop's lock nor its core."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from vectorstore.embedders import EmbeddingError
from vectorstore.frames import BrokenFrameError, Vectors, encode, read_blocking, unpack_vectors

REQUEST_SECONDS = 120.0
_ATTEMPTS = 2
_ROOT = str(Path(__file__).resolve().parent.parent)
# A process that sees nothing but texts must not know our secrets.
_ENVIRONMENT = ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "HOME")


class EmbeddingProcess:
    """Started at the first use, and again when it has ended, as it does by itself when nothing is to do.

    Blocking, and for one thread at a time; `end` alone may be called by any thread. `arguments` gives those of
    vectorstore.embedding_child when it starts, or raises EmbeddingError. `command` is for tests that want another one.
    """

    def __init__(
        self,
        arguments: Callable[[], Sequence[str]],
        dimension: int,
        *,
        seconds: float = REQUEST_SECONDS,
        command: Sequence[str] = (sys.executable, "-P", "-m", "vectorstore.embedding_child"),
    ) -> None:
        self._command = command
        self._arguments = arguments
        self._dimension = dimension
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dimension). Raises EmbeddingError, also when the process died twice over it."""
        for _ in range(_ATTEMPTS):
            process = self._process = self._process or self._start()
            try:
                return self._asked(process, texts)
            except (BrokenFrameError, BrokenPipeError):
                self.clear()
        raise EmbeddingError("the process that embeds texts died, or took too long")

    @property
    def pid(self) -> int | None:
        """The process's id, while there is one."""
        return self._process.pid if self._process else None

    def end(self) -> None:
        """End the process, whatever it does; no other is started. `clear` lets go of what is left of it."""
        self._ended = True
        if self._process is not None:
            self._process.kill()

    def clear(self) -> None:
        """End the process and let go of it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [*self._command, *self._arguments()]
        if self._ended:
            raise EmbeddingError("the embedder is closed")
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            return subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**kept, "PYTHONPATH": _ROOT, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as error:
            raise EmbeddingError(f"no process for embedding texts can be started: {error}") from error

    def _asked(self, process: subprocess.Popen[bytes], texts: Sequence[str]) -> Vectors:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the embedding process must be started with pipes")
        late = threading.Timer(self._seconds, process.kill)
        late.start()
        try:
            process.stdin.write(encode({"texts": list(texts)}))
            process.stdin.flush()
            answer = read_blocking(cast("BufferedIOBase", process.stdout))
        finally:
            late.cancel()
        if answer is None:
            raise BrokenFrameError
        head, body = answer
        if "error" in head:
            raise EmbeddingError(head["error"])
        return unpack_vectors(body, self._dimension)

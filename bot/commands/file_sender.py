"""A file that says how much of it has been read: what an upload's bar shows."""

import io
import os
from collections.abc import Callable
from pathlib import Path

Sent = Callable[[float], None]


class SentFile(io.BufferedReader):
    """A file opened for an upload; `sent` hears the share that was read, 0..1. Raises OSError as open does."""

    def __init__(self, path: Path, sent: Sent) -> None:
        super().__init__(io.FileIO(path))
        self._sent = sent
        self._bytes = max(1, os.fstat(self.fileno()).st_size)

    def read(self, size: int | None = -1, /) -> bytes:
        """As a file's read."""
        piece = super().read(size)
        self._sent(min(1.0, self.tell() / self._bytes))
        return piece

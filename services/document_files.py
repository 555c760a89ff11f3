"""The uploaded files on disk: written whole and synced before anything speaks of them, named by version."""

import asyncio
import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.document_errors import UnreadableDocumentError, too_large

_WRITE_BYTES = 1024 * 1024
_NAME_CHARACTERS = 255
# Controls, formats such as the ones that reverse the reading direction, lone surrogates, line ends.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """How much was written, and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file on disk under its `id` that nothing speaks of yet; none is there with a `refusal`, why it is not taken."""

    id: str
    sha256: str
    bytes: int
    refusal: str | None = None

    def refused(self, why: str) -> "ReceivedFile":
        """The same, when it is not wanted: whoever says so takes the file away."""
        return ReceivedFile(self.id, "", self.bytes, why)


class DocumentFiles:
    """A directory of files: `<version id>`, and `<version id>.part` while it is being written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, version_id: str) -> Path:
        return self._directory / version_id

    async def prepare(self, known: set[str]) -> None:
        """Make the directory; take away what no row knows: uploads that were cut off."""
        await asyncio.to_thread(self._prepare, known)

    async def store(self, version_id: str, content: AsyncIterator[bytes], max_bytes: int) -> StoredFile:
        """Write and sync a file. Raises UnreadableDocumentError beyond `max_bytes`, OSError without space.

        What was not stored whole leaves nothing behind. Beyond the limit the rest of `content` is not read.
        """
        part = self._directory / f"{version_id}.part"
        file = await asyncio.to_thread(part.open, "wb")
        try:
            stored = await _written(file, content, max_bytes)
            await asyncio.to_thread(_finish, file, part, self.path(version_id))
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_discard, file, part))
            raise
        return stored

    async def link(self, version_id: str, other_id: str) -> bool:
        """Give a stored file a second name, under which it stays when the first goes. False when it is not there."""
        try:
            await asyncio.to_thread(_link, self.path(version_id), self.path(other_id))
        except FileNotFoundError:
            return False
        return True

    async def has(self, version_id: str) -> bool:
        """Whether the file is there."""
        return await asyncio.to_thread(self.path(version_id).is_file)

    async def remove(self, version_id: str) -> None:
        """Take a file away, if it is there."""
        await asyncio.to_thread(self.path(version_id).unlink, missing_ok=True)

    def _prepare(self, known: set[str]) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._directory.iterdir():
            if path.name not in known and path.is_file():
                path.unlink()


async def _written(file: BinaryIO, content: AsyncIterator[bytes], max_bytes: int) -> StoredFile:
    digest = hashlib.sha256()
    waiting = bytearray()
    count = 0
    async for piece in content:
        count += len(piece)
        if count > max_bytes:
            raise UnreadableDocumentError(too_large(max_bytes))
        waiting += piece
        if len(waiting) >= _WRITE_BYTES:
            await asyncio.to_thread(_append, file, digest, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(_append, file, digest, bytes(waiting))
    return StoredFile(count, digest.hexdigest())


def _append(file: BinaryIO, digest: "hashlib._Hash", content: bytes) -> None:
    digest.update(content)
    file.write(content)


def _finish(file: BinaryIO, part: Path, path: Path) -> None:
    """On disk under its name, also after a power cut: the file is synced, then the directory that names it."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    part.rename(path)
    _sync_directory(path.parent)


def _link(path: Path, other: Path) -> None:
    try:
        os.link(path, other)
    except FileNotFoundError:
        raise
    except OSError:
        # A file system without links.
        part = other.with_name(f"{other.name}.part")
        try:
            shutil.copyfile(path, part)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.rename(other)
        finally:
            part.unlink(missing_ok=True)
    _sync_directory(other.parent)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(file: BinaryIO, part: Path) -> None:
    try:
        file.close()
    except OSError:
        # A buffer that does not fit on the disk: the descriptor is closed all the same.
        pass
    finally:
        part.unlink(missing_ok=True)


def safe_filename(name: str) -> str:
    """The name to show: without folders, invisible characters and more than 255 characters; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(
        " " if unicodedata.category(character) == "Cc" else character
        for character in unicodedata.normalize("NFC", last)
        if unicodedata.category(character) not in _HIDDEN_CATEGORIES or character in "\t\n\r"
    )
    tidy = _SPACES.sub(" ", visible).strip()
    if len(tidy) > _NAME_CHARACTERS:
        suffix = Path(tidy).suffix[:20]
        tidy = tidy[: _NAME_CHARACTERS - len(suffix)] + suffix
    return tidy if tidy.strip(". ") else "document"

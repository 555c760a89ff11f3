"""Opens zip archives of documents: bounded in files, bytes and depth, counted while inflating."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from services.document_blocks import clean
from services.document_errors import (
    DAMAGED,
    ENCRYPTED,
    UnreadableDocumentError,
    too_many_members,
    unpacks_too_large,
)

_MEGABYTE = 1024 * 1024
_PIECE_BYTES = 256 * 1024
_ENCRYPTED_BIT = 0x1
# What operating systems add to archives; nobody put it there.
_NOISE = frozenset({"Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """For one document with all that is nested in it."""

    members: int = 1_000
    unpacked_bytes: int = 300 * _MEGABYTE
    depth: int = 3


class ArchiveBudget:
    """What is left of the limits while one document is read."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._members = 0
        self._bytes = 0

    @property
    def depth(self) -> int:
        """How deep archives may lie in archives."""
        return self._limits.depth

    @property
    def spent(self) -> bool:
        """Whether a limit was reached: nothing more is read then."""
        return self._members > self._limits.members or self._bytes > self._limits.unpacked_bytes

    def count_member(self) -> None:
        """Raises UnreadableDocumentError beyond the limit."""
        self._members += 1
        if self._members > self._limits.members:
            raise UnreadableDocumentError(too_many_members(self._limits.members))

    def count_bytes(self, count: int) -> None:
        """Raises UnreadableDocumentError beyond the limit."""
        self._bytes += count
        if self._bytes > self._limits.unpacked_bytes:
            raise UnreadableDocumentError(unpacks_too_large(self._limits.unpacked_bytes))


class MemberError(Exception):
    """One member cannot be had; `str(error)` is a sentence of document_errors."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive, by its path there."""

    path: str
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    budget: ArchiveBudget

    def content(self) -> BinaryIO:
        """Inflated into memory. Raises MemberError; UnreadableDocumentError when the whole is too large."""
        if self.info.flag_bits & _ENCRYPTED_BIT:
            raise MemberError(ENCRYPTED)
        content = io.BytesIO()
        try:
            with self.archive.open(self.info) as file:
                while piece := file.read(_PIECE_BYTES):
                    self.budget.count_bytes(len(piece))
                    content.write(piece)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise MemberError(DAMAGED) from error
        content.seek(0)
        return content


def members_of(file: BinaryIO, budget: ArchiveBudget) -> Iterator[Member]:
    """The files in the archive, in its order. Raises UnreadableDocumentError."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableDocumentError(DAMAGED) from error
    with archive:
        for info in archive.infolist():
            if info.is_dir() or _is_noise(info.filename):
                continue
            budget.count_member()
            yield Member(_shown(info.filename), archive, info, budget)


def _is_noise(name: str) -> bool:
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in {".", ".."} for part in parts)
    return hidden or parts[0] == "__MACOSX" or parts[-1] in _NOISE


def _shown(name: str) -> str:
    """The path as people may read it; nothing is ever written to it."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    return clean("/".join(parts)).replace("\n", " ") or "file"

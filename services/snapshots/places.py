"""Where snapshots are kept: a folder, or an object store. What is put there is there whole or not at all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from services.object_stores import StoreAccess, StoreError, is_object_store, open_store

Sign = Callable[[], bool]
"""Whether to stop: asked between pieces, from threads."""


class StoppedError(Exception):
    """The work was told to stop."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Something in a place. `path` is relative to it, with slashes; `modified_at` epoch milliseconds."""

    path: str
    bytes: int
    modified_at: int


class Place(Protocol):
    """Blocking, for threads, several at once. Everything raises StoreError, with a sentence for the operator."""

    @property
    def shown(self) -> str:
        """The address, to show."""
        ...

    @property
    def at_once(self) -> int:
        """How many small files to move at once: more than one only pays over a network."""
        ...

    def list(self, folder: str) -> list[Stored]:
        """All that lies below a folder; `[]` without it."""
        ...

    def put(self, path: str, source: Path | bytes, stopped: Sign) -> None:
        """Put a file there, on disk when this returns; one with this path is replaced. Raises StoppedError."""
        ...

    def read(self, stored: Stored) -> Iterator[bytes]:
        """The content, in pieces of some megabytes. Raises FileNotFoundError."""
        ...

    def remove(self, paths: Sequence[str]) -> None:
        """Take files away; what is not there is no error."""
        ...

    def remove_parts(self, before: int) -> None:
        """Take away what writers that were killed have left, if older than `before` (epoch milliseconds)."""
        ...


def open_place(address: str, access: StoreAccess) -> Place:
    """The place at an address: `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///folder`, or a folder's path.

    Nothing is asked or made yet. Raises StoreError for an address that is none.
    """
    from services.snapshots.directory_place import DirectoryPlace  # noqa: PLC0415 - it speaks of Stored
    from services.snapshots.object_place import ObjectPlace  # noqa: PLC0415 - the same

    if is_object_store(address):
        return ObjectPlace(open_store(address, access), address.rstrip("/"))
    if address.startswith("file://"):
        return DirectoryPlace(Path(unquote(urlsplit(address).path)))
    if "://" in address:
        raise StoreError(f"{address.partition('://')[0]}:// is no place that snapshots can be kept in.")
    return DirectoryPlace(Path(address).expanduser())

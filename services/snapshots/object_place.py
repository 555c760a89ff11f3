"""Snapshots in an object store: big files go there in parts and come back as a stream."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from services.object_stores import PART_BYTES, PARTS_AT_ONCE, errors_told
from services.snapshots.places import Sign, StoppedError, Stored

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PIECE_BYTES = 1024 * 1024
REMOVED_AT_ONCE = 1_000


class ObjectPlace:
    """A bucket with a prefix."""

    def __init__(self, store: "ObjectStore", shown: str) -> None:
        self._store = store
        self._shown = shown

    @property
    def shown(self) -> str:
        """The address."""
        return self._shown

    @property
    def at_once(self) -> int:
        """As Place.at_once."""
        return 4

    def list(self, folder: str) -> list[Stored]:
        """As Place.list."""
        import obstore  # noqa: PLC0415 - only who has an object store loads it

        with errors_told(self._shown):
            return [
                Stored(each["path"], each["size"], int(each["last_modified"].timestamp() * 1000))
                for page in obstore.list(self._store, prefix=folder)
                for each in page
            ]

    def put(self, path: str, source: Path | bytes, stopped: Sign) -> None:
        """As Place.put. A store that is told to stop keeps no part under the path."""
        import obstore  # noqa: PLC0415 - only who has an object store loads it

        with errors_told(self._shown):
            if isinstance(source, bytes):
                obstore.put(self._store, path, source)
            elif source.stat().st_size <= PART_BYTES:
                obstore.put(self._store, path, source, use_multipart=False)
            else:
                self._put_parts(path, source, stopped)

    def read(self, stored: Stored) -> Iterator[bytes]:
        """As Place.read."""
        import obstore  # noqa: PLC0415 - only who has an object store loads it

        # one request: not every server answers a request for a range of an object
        with errors_told(self._shown):
            pieces = obstore.get(self._store, stored.path).stream(min_chunk_size=PIECE_BYTES)
        while True:
            with errors_told(self._shown):
                piece = next(pieces, None)
            if piece is None:
                return
            yield bytes(piece)

    def remove(self, paths: Sequence[str]) -> None:
        """As Place.remove."""
        import obstore  # noqa: PLC0415 - only who has an object store loads it

        with errors_told(self._shown):
            for start in range(0, len(paths), REMOVED_AT_ONCE):
                obstore.delete(self._store, list(paths[start : start + REMOVED_AT_ONCE]))

    def remove_parts(self, before: int) -> None:
        """As Place.remove_parts: unfinished uploads are the store's own, and a rule of the bucket ends them."""

    def _put_parts(self, path: str, source: Path, stopped: Sign) -> None:
        import obstore  # noqa: PLC0415 - only who has an object store loads it

        writer = obstore.open_writer(self._store, path, buffer_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        with source.open("rb", buffering=0) as content:
            while piece := content.read(PART_BYTES):
                if stopped():
                    raise StoppedError  # only close() makes an object of the parts
                writer.write(piece)
        writer.close()

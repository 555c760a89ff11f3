"""A Chroma directory, opened in this process. Only the child process uses it (docs/decisions/0005)."""

import contextlib
import gc
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from database.clock import SystemClock
from vectorstore.frames import Vectors
from vectorstore.resident_vectors import ResidentVectors

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.collection_configuration import CreateCollectionConfiguration
    from chromadb.api.models.Collection import Collection

PAGE = 2_000
MEGABYTE = 1024 * 1024
# With Chroma's own 16 neighbours and 100 candidates, one in six of the nearest among 50,000 was not found; with these
# one in twenty, for 1.4 ms a query more and nothing while adding (docs/benchmarks.md, `vector_settings`).
GRAPH_SETTINGS: dict[str, Any] = {"hnsw": {"space": "cosine", "max_neighbors": 32, "ef_search": 400}}
# Where memory answers and the graph only stands in: fewer candidates while adding take 40 % of its time away.
SPARE_GRAPH_SETTINGS: dict[str, Any] = {"hnsw": {**GRAPH_SETTINGS["hnsw"], "ef_construction": 40}}


class StoreFaultError(Exception):
    """Chroma could not do it. `cause` says what may help.

    `reopen`: the connection is lost, locked or read-only: open again and retry. `gone`: the files under us are not
    those that we opened. `missing`: there is no such collection. `refused`: the request itself is wrong. `damaged`:
    anything else, after which its files are not to be trusted. `lost`: the child died before it answered. `slow`: it
    did not answer in time.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


REOPEN_HELPS = ("readonly database", "database is locked", "unable to open database", "disk i/o error", "closed")


def fault_of(error: Exception) -> StoreFaultError:
    """What an error of Chroma means for us, told by its words: it has no codes."""
    if isinstance(error, StoreFaultError):
        return error
    words = str(error)
    lowered = words.lower()
    if type(error).__name__ == "NotFoundError" or "does not exist" in lowered:
        return StoreFaultError("missing", words)
    if isinstance(error, ValueError | TypeError) or type(error).__name__ == "InvalidArgumentError":
        return StoreFaultError("refused", words)
    if any(sign in lowered for sign in REOPEN_HELPS):
        return StoreFaultError("reopen", words)
    return StoreFaultError("damaged", f"{type(error).__name__}: {words}")


class ChromaStore:
    """Blocking calls on one directory; vectors and ids only, cosine space.

    Up to `memory_mb` of the collections that are asked are held in memory, too, and answer from there.
    Each method raises StoreFaultError or an error of Chroma that `fault_of` understands.
    """

    def __init__(self, directory: Path, settings: Mapping[str, Any] | None = None, *, memory_mb: int = 0) -> None:
        self._directory = directory
        self._resident = ResidentVectors(memory_mb * MEGABYTE, self._page, self.count, SystemClock())
        self._settings = settings or (SPARE_GRAPH_SETTINGS if memory_mb else GRAPH_SETTINGS)
        self._file = directory / "chroma.sqlite3"
        self._client: ClientAPI | None = None
        self._collections: dict[str, Collection] = {}
        self._identity: tuple[int, int] | None = None

    def open(self) -> None:
        """Open the directory, made when missing."""
        from chromadb import PersistentClient  # noqa: PLC0415 - half a second and 50 MB: only where it is used
        from chromadb.config import Settings  # noqa: PLC0415 - the same

        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._client = PersistentClient(str(self._directory), Settings(anonymized_telemetry=False))
        self._identity = self._file_identity()

    def reopen(self) -> None:
        """Close and open again. Without clearing Chroma's client cache a new client fails like the old one."""
        self.close()
        self.open()

    def close(self) -> None:
        """Let go of the files."""
        from chromadb.api.shared_system_client import SharedSystemClient  # noqa: PLC0415 - as in open

        client, self._client = self._client, None
        self._collections.clear()
        self._resident.clear()
        if client is not None:
            with contextlib.suppress(Exception):  # what is broken may also fail to close
                client.close()  # type: ignore[attr-defined]  # Client has it, the ABC has not
        SharedSystemClient.clear_system_cache()
        gc.collect()

    def add(self, name: str, embedder: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Add or replace vectors of shape (n, dimension)."""
        self._check()
        collection = self._collections.get(name) or self._make(name, embedder, vectors.shape[1])
        with self._forgotten_on_fault(name):
            collection.upsert(ids=list(ids), embeddings=vectors)
        self._resident.put(name, ids, vectors)

    def query(self, name: str, vector: Vectors, limit: int, *, stored: bool = False) -> list[tuple[str, float]]:
        """(id, cosine similarity), best first. `stored`: as Chroma itself finds them, to see whether it does."""
        collection = self._get(name)
        held = None if stored else self._resident.of(name)
        if held is not None and held.dimension == vector.size:
            return held.query(vector, limit)
        found = collection.query(query_embeddings=vector, n_results=limit, include=["distances"])
        if not stored:
            self._resident.want(name, vector.size)
        distances = found["distances"] or [[]]
        return [(key, 1.0 - float(distance)) for key, distance in zip(found["ids"][0], distances[0], strict=True)]

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove vectors; ids that are not there are no error."""
        collection = self._get(name)
        with self._forgotten_on_fault(name):
            collection.delete(ids=list(ids))
        self._resident.remove(name, ids)

    def ids(self, name: str, offset: int) -> list[str]:
        """A page of at most PAGE ids."""
        return self._get(name).get(limit=PAGE, offset=offset, include=[])["ids"]

    def count(self, name: str) -> int:
        """How many vectors."""
        return self._get(name).count()

    def drop(self, name: str) -> None:
        """Remove a collection."""
        self._check()
        self._collections.pop(name, None)
        self._resident.forget(name)
        self._opened().delete_collection(name)

    def collections(self) -> list[str]:
        """The names of all collections."""
        self._check()
        found: list[str] = []
        while page := self._opened().list_collections(limit=PAGE, offset=len(found)):
            found += [collection.name for collection in page]
        return found

    def vectors(self, name: str, ids: Sequence[str]) -> list[tuple[str, str]]:
        """(id, base64 of float32) of those that there are."""
        found = self._get(name).get(ids=list(ids), include=["embeddings"])
        rows = np.asarray(found["embeddings"], "<f4")
        return [(key, b64encode(row.tobytes()).decode()) for key, row in zip(found["ids"], rows, strict=True)]

    def replace(self, name: str, by: str) -> None:
        """Put the collection `by` in the place of `name`, which goes."""
        replacement = self._get(by)
        with self._forgotten_on_fault(name):
            if name in self.collections():
                self._opened().delete_collection(name)
            self._collections.clear()
            replacement.modify(name=name)
        self._resident.rename(by, name)

    def load_some(self) -> bool:
        """Read some of what was asked for into memory; whether there is more to read."""
        return self._resident.load_some()

    def describe(self, name: str) -> dict[str, Any]:
        """What a collection says of itself: embedder, dimension."""
        return dict(self._get(name).metadata or {})

    def _opened(self) -> "ClientAPI":
        if self._client is None:
            raise StoreFaultError("reopen", "the store is closed")
        return self._client

    def _get(self, name: str) -> "Collection":
        self._check()
        if name not in self._collections:
            self._collections[name] = self._opened().get_collection(name, embedding_function=None)
        return self._collections[name]

    def _make(self, name: str, embedder: str, dimension: int) -> "Collection":
        about: dict[str, Any] = {"embedder": embedder, "dimension": dimension, "space": "cosine"}
        made = self._opened().get_or_create_collection(
            name,
            metadata=about,
            configuration=cast("CreateCollectionConfiguration", self._settings),
            embedding_function=None,
        )
        self._collections[name] = made
        if not made.count():
            self._resident.begin(name, dimension)
        return made

    @contextlib.contextmanager
    def _forgotten_on_fault(self, name: str) -> Iterator[None]:
        """Of a write that failed it is not known what is in the store."""
        try:
            yield
        except BaseException:
            self._resident.forget(name)
            raise

    def _page(self, name: str, limit: int, offset: int) -> tuple[Sequence[str], Vectors]:
        found = self._get(name).get(limit=limit, offset=offset, include=["embeddings"])
        return found["ids"], np.asarray(found["embeddings"], np.float32)

    def _check(self) -> None:
        # A deleted directory lives on under an open client until something writes: look at the name, not the handle.
        if self._identity is None or self._file_identity() != self._identity:
            raise StoreFaultError("gone", "the files of the vector store were removed or replaced")

    def _file_identity(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

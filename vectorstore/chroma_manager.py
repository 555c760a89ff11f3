"""The one way to the vector store: a lock, a queue and a child process, or a server, behind a few async methods.

A server process has one ChromaManager, shared by all that search or index. Writes go one after another, in slices,
in turn between businesses; queries go before waiting writes.
"""

import asyncio
import logging
import random
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from database.clock import Clock, SystemClock
from database.metrics import Metrics
from vectorstore.chroma_process import ChildOptions, ChromaProcess
from vectorstore.chroma_server import ChromaServer, ServerOptions
from vectorstore.chroma_store import PAGE, StoreFaultError
from vectorstore.collection import Collection
from vectorstore.frames import Vectors, pack_vectors
from vectorstore.slice_size import SliceSize
from vectorstore.store_errors import (
    MissingCollectionError,
    VectorStoreError,
    VectorStoreRequestError,
    VectorStoreUnavailableError,
    error_of,
)
from vectorstore.store_link import StoreLink
from vectorstore.store_queue import Job, StoreQueue
from vectorstore.threadsafe_manager import ThreadsafeManager

__all__ = [
    "ChromaManager",
    "Collection",
    "ManagerOptions",
    "VectorStoreError",
    "VectorStoreRequestError",
    "VectorStoreUnavailableError",
]

logger = logging.getLogger(__name__)

NOBODY = ""
SLICE = 128
# While somebody asks, the store rests after each slice for twice as long as that took, up to so many seconds.
REST_SHARE, LONGEST_REST = 2.0, 0.1
RETRIED = frozenset({"reopen", "gone", "lost"})


@dataclass(frozen=True, slots=True)
class ManagerOptions:
    """Seconds that a call may take, waiting included, and how a fault is retried.

    `cold_seconds` is for a collection that the store has not touched since it was opened: it reads all of it from
    disk then, and one that is only slow must not be taken for one that hangs.
    """

    query_seconds: float = 2.0
    call_seconds: float = 10.0
    cold_seconds: float = 60.0
    retries: int = 5
    first_pause_seconds: float = 0.05
    longest_pause_seconds: float = 2.0
    child: ChildOptions = field(default_factory=ChildOptions)


class ChromaManager:
    """Async, for the loop that opened it; other threads use `threadsafe`. Each method raises VectorStoreError."""

    def __init__(
        self,
        place: Path | ServerOptions,
        metrics: Metrics,
        *,
        clock: Clock,
        dice: random.Random,
        options: ManagerOptions,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._dice = dice
        self._options = options
        self._queue = StoreQueue()
        self._slice = SliceSize()
        self._listeners: list[Callable[[], None]] = []
        self._reopened = 0
        self._warm: dict[str, tuple[int, int]] = {}
        self._news = asyncio.Event()
        self._link = self._linked(place)
        self._server = asyncio.create_task(self._serve(), name="vector store queue")
        self.threadsafe = ThreadsafeManager(self, asyncio.get_running_loop())

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        place: Path | ServerOptions,
        metrics: Metrics,
        *,
        clock: Clock | None = None,
        dice: random.Random | None = None,
        options: ManagerOptions | None = None,
    ) -> "AsyncIterator[ChromaManager]":
        """Start the child for a directory, or look for the server, and go on without waiting for it.

        The caller owns the directory; a server may be shared with others.
        """
        manager = cls(
            place,
            metrics,
            clock=clock or SystemClock(),
            dice=dice or random.Random(),  # noqa: S311 - jitter, not secrets
            options=options or ManagerOptions(),
        )
        try:
            yield manager
        finally:
            await manager._close()

    def _linked(self, place: Path | ServerOptions) -> StoreLink:
        if isinstance(place, ServerOptions):
            return ChromaServer(place, clock=self._clock, dice=self._dice, on_change=self._tell)
        return ChromaProcess(
            place,
            clock=self._clock,
            dice=self._dice,
            options=self._options.child,
            on_change=self._tell,
            on_restart=self._metrics.vector_restarts.inc,
        )

    @property
    def ready(self) -> bool:
        """Whether the store can be asked now."""
        return self._link.ready

    @property
    def crash_looping(self) -> bool:
        """Whether its process dies, hangs or cannot open its files, again and again."""
        return self._link.crash_looping

    @property
    def trouble(self) -> str | None:
        """Why the store cannot be used, where its owner can do something about it."""
        return self._link.trouble

    @property
    def incarnation(self) -> tuple[int, int]:
        """Changes whenever the store was opened anew: what it holds must then be looked at again."""
        return self._link.starts, self._reopened

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._link.pid

    async def wait_ready(self) -> None:
        """Return once the store can be asked. Raises VectorStoreUnavailableError when it is crash-looping."""
        while not self.ready:
            if self.crash_looping:
                raise VectorStoreUnavailableError("the vector store does not come up", damaged=True)
            await self._news.wait()

    async def changed(self) -> None:
        """Return when the store came, went, was opened anew, or was looked for in vain."""
        await self._news.wait()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` (in the loop) whenever the store came, went, or was opened anew."""
        self._listeners.append(listener)

    async def add(
        self, collection: Collection, ids: Sequence[str], vectors: Vectors, *, background: bool = False
    ) -> None:
        """Add or replace vectors of shape (len(ids), dimension), in slices with queries and others between them.

        In the `background` it takes turns with all businesses as one of its own, also for a business that waits.
        """
        start = 0
        while start < len(ids):
            end = start + self._slice.rows(time.perf_counter())
            part = vectors[start:end]
            header = {
                "action": "add",
                "collection": collection.name,
                "embedder": collection.embedder,
                "ids": list(ids[start:end]),
                "dimension": int(vectors.shape[1]),
            }
            await self._call("add", collection, header, pack_vectors(part), background=background)
            start = end

    async def query(
        self, collection: Collection, vector: Vectors, limit: int, *, stored: bool = False
    ) -> list[tuple[str, float]]:
        """(id, cosine similarity) of the nearest, best first; `[]` without such a collection.

        `stored`: never from memory, to see whether Chroma itself finds them. Does not wait for a store that is away:
        raises VectorStoreUnavailableError at once.
        """
        if not self.ready:
            raise VectorStoreUnavailableError("the vector store is away")
        row = vector.reshape(1, -1)
        header = {"action": "query", "collection": collection.name, "limit": limit, "dimension": int(row.shape[1])}
        if stored:
            header["stored"] = True
        try:
            found = await self._call("query", collection, header, pack_vectors(row))
        except MissingCollectionError:
            return []
        return [(key, similarity) for key, similarity in found]

    async def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        """Remove vectors; what is not there is no error."""
        for start in range(0, len(ids), SLICE):
            part = list(ids[start : start + SLICE])
            try:
                await self._call("delete", collection, {"action": "delete", "ids": part})
            except MissingCollectionError:
                return

    async def ids(self, collection: Collection) -> set[str]:
        """All ids of a collection; empty without one."""
        found: set[str] = set()
        offset = 0
        while True:
            try:
                page = await self._call("ids", collection, {"action": "ids", "offset": offset})
            except MissingCollectionError:
                return found
            found.update(page)
            offset += len(page)
            if len(page) < PAGE:
                return found

    async def count(self, collection: Collection) -> int:
        """How many vectors; 0 without such a collection."""
        try:
            return int(await self._call("count", collection, {"action": "count"}))
        except MissingCollectionError:
            return 0

    async def drop(self, collection: Collection) -> None:
        """Remove a collection, if there is one."""
        try:
            await self._call("drop", collection, {"action": "drop"})
        except MissingCollectionError:
            return

    async def collections(self) -> list[str]:
        """The names of all collections."""
        return list(await self._call("collections", None, {"action": "collections"}))

    async def vectors(self, collection: Collection, ids: Sequence[str]) -> tuple[list[str], Vectors]:
        """Those of the ids that are there, and their vectors, in the same order; for at most a slice of them."""
        found = await self._call("vectors", collection, {"action": "vectors", "ids": list(ids)})
        rows = np.frombuffer(b"".join(b64decode(packed) for _, packed in found), "<f4")
        return [key for key, _ in found], rows.reshape(len(found), -1) if found else rows.reshape(0, 0)

    async def describe(self, collection: Collection) -> dict[str, Any] | None:
        """What a collection says of itself (`embedder`, `dimension`); None without such a collection."""
        try:
            about: dict[str, Any] = await self._call("describe", collection, {"action": "describe"})
        except MissingCollectionError:
            return None
        return about

    async def replace(self, collection: Collection, by: Collection) -> None:
        """Put `by` in the place of a collection, which goes: no query is answered in between."""
        await self._call("replace", collection, {"action": "replace", "by": by.name})

    async def erase(self) -> None:
        """Throw everything of ours away and start with an empty store: the way out of damage."""
        try:
            await self._link.erase()
        except StoreFaultError as fault:
            raise error_of(fault) from fault

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Nobody has the directory's files open for the length of the block; searches do without vectors."""
        async with self._link.closed():
            yield

    async def _call(
        self,
        kind: str,
        collection: Collection | None,
        header: dict[str, Any],
        body: bytes = b"",
        *,
        background: bool = False,
    ) -> Any:
        if collection is not None:
            header.setdefault("collection", collection.name)
        business = collection.business_id if collection and not background else NOBODY
        if self._link.trouble and not self.ready:
            # It was looked for and not found: nobody need wait to learn that.
            raise VectorStoreUnavailableError(self._link.trouble)
        seconds = self._seconds(kind, header)
        try:
            async with asyncio.timeout(seconds):
                return await self._with_retries(kind, business, header, body)
        except TimeoutError as error:
            raise VectorStoreUnavailableError(f"{kind} took longer than {seconds:g} s") from error
        except StoreFaultError as fault:
            raise error_of(fault) from fault

    def _seconds(self, kind: str, header: dict[str, Any]) -> float:
        usual = self._options.query_seconds if kind == "query" else self._options.call_seconds
        collection = header.get("collection")
        warm = collection is None or self._warm.get(collection) == self.incarnation
        return usual if warm else max(usual, self._options.cold_seconds)

    async def _with_retries(self, kind: str, business: str, header: dict[str, Any], body: bytes) -> Any:
        for attempt in range(self._options.retries):
            try:
                return await self._ask(kind, business, header, body)
            except StoreFaultError as fault:
                if fault.cause not in RETRIED or self.crash_looping:
                    raise
                logger.warning("vector store, %s: %s; retry %d", kind, fault.cause, attempt + 1)
                self._metrics.vector_retries.labels(fault.cause).inc()
                await self._recover(fault.cause, attempt, business)
        return await self._ask(kind, business, header, body)

    async def _recover(self, cause: str, attempt: int, business: str) -> None:
        if attempt:
            longest = min(self._options.first_pause_seconds * 2.0**attempt, self._options.longest_pause_seconds)
            await self._clock.sleep(self._dice.uniform(longest / 2, longest))
        if cause == "lost":
            await self._link.wait_ready()
            return
        try:
            await self._ask("reopen", business, {"action": "reopen"}, b"")
        except StoreFaultError as fault:
            logger.warning("vector store could not be opened again: %s", fault)
        self._reopened += 1
        self._tell()

    async def _ask(self, kind: str, business: str, header: dict[str, Any], body: bytes) -> Any:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put(Job(kind, business, header, body, done, time.perf_counter()))
        return await done

    async def _serve(self) -> None:
        while True:
            job = await self._queue.next()
            if job.kind != "query":
                # Queries fail at once while the store is away; what changes it waits for it, within its time-out.
                await self._link.wait_ready()
            began = time.perf_counter()
            self._metrics.vector_wait.labels(job.kind).observe(began - job.asked_at)
            try:
                value = await self._link.call(job.header, job.body, self._seconds(job.kind, job.header))
            except StoreFaultError as fault:
                job.fail(fault)
            except Exception as error:
                # Edge of a loop that must not die: a garbled answer, or a request that cannot be written down.
                logger.exception("vector store, %s: no sensible answer", job.kind)
                job.fail(StoreFaultError("garbled", f"no sensible answer to {job.kind}: {type(error).__name__}"))
            else:
                self._answered(job, value)
            self._measure(job, time.perf_counter() - began)

    def _answered(self, job: Job, value: Any) -> None:
        if job.kind in {"query", "add"}:
            self._warm[job.header["collection"]] = self.incarnation
        if not job.done.done():
            job.done.set_result(value)

    def _measure(self, job: Job, seconds: float) -> None:
        self._metrics.vector_hold.labels(job.kind).observe(seconds)
        now = time.perf_counter()
        if job.kind == "add":
            self._slice.took(len(job.header["ids"]), seconds, now)
            if self._slice.asks(now):
                self._queue.rest(min(REST_SHARE * seconds, LONGEST_REST))
        elif job.kind == "query":
            self._slice.asked(now)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
        for listener in self._listeners:
            listener()

    async def _close(self) -> None:
        self._server.cancel()
        await asyncio.wait([self._server])
        await self._link.close()

"""The other place for vectors: a Chroma server, spoken to over its API (version 2), beside whatever else it holds.

Not through chromadb's AsyncHttpClient: that takes twice the event loop's time, has no time-outs, and shares one set
of connections and headers between all clients of a loop (docs/decisions/0010).
"""

import asyncio
import contextlib
import json
import logging
import random
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

from database.clock import Clock
from vectorstore.chroma_store import GRAPH_SETTINGS, PAGE, REOPEN_HELPS, StoreFaultError
from vectorstore.frames import unpack_vectors
from vectorstore.retry_after import retry_after_seconds

logger = logging.getLogger(__name__)

API = "/api/v2"
# whose API is spoken here: the server that chromadb 1.5.9 brings says 1.0.0
MAJOR = "1"
OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY, SERVER_ERROR = 200, 401, 403, 404, 429, 500
AWAY = "the Chroma server does not answer"
BUSY = "the Chroma server has too much to do"
REFUSED = "the Chroma server refuses us: CONCIERGE_CHROMA_TOKEN is missing or wrong"


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where it is, and what there is ours.

    `prefix` begins the name of every collection of ours; no other is ever touched. A `token` goes as bearer token and
    as X-Chroma-Token; one with a space in it is a whole Authorization value. Seconds; a rest is what a server asks for
    that has too much to do.
    """

    url: str
    prefix: str
    token: str = field(default="", repr=False)
    tenant: str = "default_tenant"
    database: str = "default_database"
    look_seconds: float = 5.0
    look_every_seconds: float = 15.0
    first_pause_seconds: float = 0.25
    longest_pause_seconds: float = 15.0
    longest_rest_seconds: float = 60.0


class ChromaServer:
    """A StoreLink. Looks at the server now and then: what has gone is told, and what comes back is looked at anew.

    One that is slow or has too much to do is left alone for a moment, and holds what it held: `starts` stays.
    """

    def __init__(
        self, options: ServerOptions, *, clock: Clock, dice: random.Random, on_change: Callable[[], None]
    ) -> None:
        self._options = options
        self._clock = clock
        self._dice = dice
        self._on_change = on_change
        self._session: aiohttp.ClientSession | None = None
        self._known: dict[str, str] = {}
        self._usable = asyncio.Event()
        self._lost = asyncio.Event()
        self._gone = True
        self._refusals = 0
        self._rest_seconds = 0.0
        self._trouble: str | None = None
        self._path = f"{API}/tenants/{options.tenant}/databases/{options.database}/collections"
        self.starts = 0
        self._actions: dict[str, Callable[[dict[str, Any], bytes], Awaitable[Any]]] = {
            "reopen": self._reopen,
            "add": self._add,
            "query": self._query,
            "delete": self._delete,
            "ids": self._ids,
            "vectors": self._vectors,
            "count": self._count,
            "drop": self._drop,
            "replace": self._replace,
            "describe": self._describe,
            "collections": self._collections,
        }
        self._task = asyncio.create_task(self._keep_connected(), name="chroma server")

    @property
    def ready(self) -> bool:
        """Whether it answered when it was asked last."""
        return self._usable.is_set()

    @property
    def crash_looping(self) -> bool:
        """Never: what it is down for is not for us to erase."""
        return False

    @property
    def trouble(self) -> str | None:
        """Why it cannot be used."""
        return self._trouble

    @property
    def pid(self) -> None:
        """It is not a process of ours."""
        return

    async def wait_ready(self) -> None:
        """Return once it answers."""
        await self._usable.wait()

    async def call(self, header: dict[str, Any], body: bytes, timeout_seconds: float) -> Any:
        """As StoreLink.call. A server that is silent or away is not asked again before it answers a look."""
        if not self.ready:
            raise StoreFaultError("lost", self._trouble or AWAY)
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await self._actions[header["action"]](header, body)
        except TimeoutError as error:
            self._lose(AWAY, gone=False)
            raise StoreFaultError("slow", f"no answer to {header['action']} in {timeout_seconds:g} s") from error
        except StoreFaultError as fault:
            if fault.cause == "lost":
                busy = isinstance(fault, _BusyError)
                self._rest_seconds = self._rest(fault)
                # Without a trouble that is told, what changes something waits for the end of the rest.
                self._lose(None if busy else str(fault), gone=not busy)
            raise
        self._refusals = 0
        return answer

    async def erase(self) -> None:
        """Drop our collections. Raises StoreFaultError."""
        for name in await self._collections({}, b""):
            await self._request("DELETE", f"{self._path}/{self._full(name)}")
        self._known.clear()
        self.starts += 1
        self._on_change()

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """As StoreLink.closed: we have none of its files open at any time."""
        yield

    async def close(self) -> None:
        """Let go of the connections."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._session is not None:
            await self._session.close()

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            rest, self._rest_seconds = self._rest_seconds, 0.0
            if rest:
                await self._clock.sleep(rest)
            try:
                await self._look()
            except Exception as error:
                # Edge of a loop that must not die. What the server is not to blame for comes with its trace.
                ours = not isinstance(error, StoreFaultError | TimeoutError)
                if failures == 0 or ours:
                    logger.warning("%s", error or AWAY, exc_info=ours)
                self._lose(str(error) or AWAY, gone=not isinstance(error, _BusyError | TimeoutError))
                self._rest_seconds = max(self._rest(error), self._pause(failures))
                failures += 1
                continue
            failures = 0
            self._found()
            await self._until_lost(self._options.look_every_seconds)

    def _pause(self, past: int) -> float:
        longest = min(self._options.first_pause_seconds * 2.0 ** min(past + 1, 16), self._options.longest_pause_seconds)
        return self._dice.uniform(0.5, 1.0) * longest

    def _rest(self, error: Exception) -> float:
        """How long to leave a server alone that has too much to do: as long as it says, and longer each time."""
        if not isinstance(error, _BusyError):
            return 0.0
        self._refusals += 1
        return min(max(error.after_seconds, self._pause(self._refusals - 1)), self._options.longest_rest_seconds)

    def _found(self) -> None:
        if self.ready:
            return
        self._trouble = None
        self._lost.clear()
        if self._gone:
            self._gone = False
            self._known.clear()
            self.starts += 1
        self._usable.set()
        self._on_change()

    def _lose(self, why: str | None, *, gone: bool) -> None:
        """Not to be asked until it answers a look; `gone`: what it holds may be another's then."""
        told, self._trouble = self._trouble == why and not self.ready, why
        self._gone = self._gone or gone
        self._lost.set()
        self._usable.clear()
        if not told:
            self._on_change()

    async def _until_lost(self, seconds: float) -> None:
        waits = {asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._lost.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _look(self) -> None:
        """Raises StoreFaultError with the reason when this is no server for us."""
        async with asyncio.timeout(self._options.look_seconds):
            theirs = await self._request("GET", f"{API}/version", missing="there is no Chroma server, or an old one")
            check_version(theirs)
            await self._request("GET", self._path, query={"limit": "1"}, missing="the Chroma server lacks our database")

    async def _reopen(self, _header: dict[str, Any], _body: bytes) -> None:
        self._known.clear()

    async def _add(self, header: dict[str, Any], body: bytes) -> None:
        rows = unpack_vectors(body, header["dimension"])
        content = {"ids": header["ids"], "embeddings": [b64encode(row.tobytes()).decode() for row in rows]}
        if header["collection"] not in self._known:
            await self._make(header)
        await self._of(header, "POST", "upsert", content)

    async def _make(self, header: dict[str, Any]) -> None:
        about = {"embedder": header["embedder"], "dimension": header["dimension"], "space": "cosine"}
        content = {
            "name": self._full(header["collection"]),
            "metadata": about,
            "configuration": GRAPH_SETTINGS,
            "get_or_create": True,
        }
        self._known[header["collection"]] = (await self._request("POST", self._path, content))["id"]

    async def _query(self, header: dict[str, Any], body: bytes) -> list[tuple[str, float]]:
        rows = unpack_vectors(body, header["dimension"])
        content = {"query_embeddings": rows.tolist(), "n_results": header["limit"], "include": ["distances"]}
        found = await self._of(header, "POST", "query", content)
        return [(key, 1.0 - far) for key, far in zip(found["ids"][0], found["distances"][0], strict=True)]

    async def _delete(self, header: dict[str, Any], _body: bytes) -> None:
        await self._of(header, "POST", "delete", {"ids": header["ids"]})

    async def _ids(self, header: dict[str, Any], _body: bytes) -> list[str]:
        found = await self._of(header, "POST", "get", {"limit": PAGE, "offset": header["offset"], "include": []})
        ids: list[str] = found["ids"]
        return ids

    async def _vectors(self, header: dict[str, Any], _body: bytes) -> list[tuple[str, str]]:
        found = await self._of(header, "POST", "get", {"ids": header["ids"], "include": ["embeddings"]})
        return [(key, _packed(row)) for key, row in zip(found["ids"], found["embeddings"], strict=True)]

    async def _count(self, header: dict[str, Any], _body: bytes) -> int:
        return int(await self._of(header, "GET", "count"))

    async def _drop(self, header: dict[str, Any], _body: bytes) -> None:
        self._known.pop(header["collection"], None)
        await self._request("DELETE", f"{self._path}/{self._full(header['collection'])}")

    async def _replace(self, header: dict[str, Any], _body: bytes) -> None:
        replacement = await self._id(header["by"])
        with contextlib.suppress(_MissingError):
            await self._drop(header, b"")
        self._known.clear()
        await self._request("PUT", f"{self._path}/{replacement}", {"new_name": self._full(header["collection"])})

    async def _describe(self, header: dict[str, Any], _body: bytes) -> dict[str, Any]:
        found = await self._request("GET", f"{self._path}/{self._full(header['collection'])}")
        return dict(found.get("metadata") or {})

    async def _collections(self, _header: dict[str, Any], _body: bytes) -> list[str]:
        found: list[str] = []
        offset, start = 0, f"{self._options.prefix}."
        while True:
            query = {"limit": str(PAGE), "offset": str(offset)}
            page = await self._request("GET", self._path, query=query)
            found += [each["name"].removeprefix(start) for each in page if each["name"].startswith(start)]
            offset += len(page)
            if len(page) < PAGE:
                return found

    def _full(self, name: str) -> str:
        return f"{self._options.prefix}.{name}"

    async def _id(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = (await self._request("GET", f"{self._path}/{self._full(name)}"))["id"]
        return self._known[name]

    async def _of(self, header: dict[str, Any], method: str, what: str, content: Any = None) -> Any:
        name = header["collection"]
        known = name in self._known
        try:
            return await self._request(method, f"{self._path}/{await self._id(name)}/{what}", content)
        except _MissingError as error:
            if not known:
                raise
            # Somebody has deleted it under us; one of the same name would be another's, or not whole.
            self._known.clear()
            raise StoreFaultError("gone", "a collection was removed from the Chroma server") from error

    async def _request(
        self,
        method: str,
        path: str,
        content: Any = None,
        query: dict[str, str] | None = None,
        missing: str | None = None,
    ) -> Any:
        body = None if content is None else json.dumps(content).encode()
        try:
            async with self._opened().request(
                method, path, data=body, params=query, allow_redirects=False, headers=_headers(self._options.token)
            ) as answer:
                if answer.status == TOO_MANY:
                    said = answer.headers.get("Retry-After", "")
                    raise _BusyError(retry_after_seconds(said, self._clock.now()))
                return _understood(answer.status, await answer.read(), missing)
        except aiohttp.ClientError as error:
            raise StoreFaultError("lost", AWAY) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Time is limited around each call, its waiting included.
            timeout = aiohttp.ClientTimeout(total=None, connect=self._options.look_seconds)
            self._session = aiohttp.ClientSession(self._options.url, timeout=timeout)
        return self._session


class _MissingError(StoreFaultError):
    """404."""


class _BusyError(StoreFaultError):
    """429: it is there, and wants to be asked again in `after_seconds`; 0 when it does not say."""

    def __init__(self, after_seconds: float) -> None:
        super().__init__("lost", BUSY)
        self.after_seconds = after_seconds


def check_version(theirs: object) -> None:
    """Raises StoreFaultError when a server of this version does not fit ours: within a major version it does."""
    if not isinstance(theirs, str) or theirs.split(".")[0] != MAJOR:
        found = theirs[:20] if isinstance(theirs, str) else "unknown"
        raise StoreFaultError(
            "lost", f"the Chroma server's version is {found}, and this Concierge speaks to versions {MAJOR}.x"
        )


def _headers(token: str) -> dict[str, str]:
    plain = {"Content-Type": "application/json"}
    if not token:
        return plain
    if " " in token:
        return plain | {"Authorization": token}
    return plain | {"Authorization": f"Bearer {token}", "X-Chroma-Token": token}


def _understood(status: int, body: bytes, missing: str | None) -> Any:
    """The answer's content. Raises StoreFaultError for what is none."""
    try:
        content = json.loads(body) if body.strip() else None
    except ValueError as error:
        raise StoreFaultError("lost", f"what answers is no Chroma server (status {status})") from error
    if OK <= status < 300:  # noqa: PLR2004 - the range of success
        return content
    words = str(content.get("message") or content)[:300] if isinstance(content, dict) else str(status)
    if status in {UNAUTHORIZED, FORBIDDEN}:
        raise StoreFaultError("lost", REFUSED)
    if status == NOT_FOUND:
        raise StoreFaultError("lost", missing) if missing else _MissingError("missing", words)
    if status > SERVER_ERROR or any(sign in words.lower() for sign in REOPEN_HELPS):
        raise StoreFaultError("lost", f"the Chroma server cannot do it now (status {status}): {words}")
    if status == SERVER_ERROR:
        raise StoreFaultError("damaged", words)
    raise StoreFaultError("refused", words)


def _packed(row: list[float]) -> str:
    return b64encode(np.asarray(row, "<f4").tobytes()).decode()

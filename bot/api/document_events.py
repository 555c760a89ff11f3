"""Server-sent events: the documents of a business as they change (HTML standard, 9.2)."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web

from bot.api.businesses import business_of
from bot.api.needs import API, ApiNeeds, DocumentListener
from bot.api.problems import ProblemError
from bot.api.schemas import DocumentOut
from database.clock import Clock
from database.document_changes import documents_among, documents_under_way
from database.records import Document

logger = logging.getLogger(__name__)

STREAMS: web.AppKey["EventStreams"] = web.AppKey("event streams")
HEARTBEAT_SECONDS = 15.0
# what changes meanwhile is told once: at most five events a second a document
PAUSE_SECONDS = 0.2
# then a client that reads nothing is let go
WRITE_SECONDS = 30.0
READ_AT_ONCE = 100
HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
HEARTBEAT = b": still here\n\n"


class EventStreams:
    """The streams that are open: counted, and all ended when the server stops."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """For the length of a stream: the block is left, without an error, when the server stops."""
        end = asyncio.timeout(0 if self._closed else None)
        self._open.add(end)
        try:
            async with end:
                yield
        except TimeoutError:
            if not end.expired():
                raise
        finally:
            self._open.discard(end)

    async def close(self, _app: web.Application) -> None:
        """End every stream, also those that still come."""
        self._closed = True
        for end in self._open:
            end.reschedule(asyncio.get_running_loop().time())


async def document_events(request: web.Request) -> web.StreamResponse:
    """Tell the documents that are under way, then every change, until the client leaves or the server stops."""
    business = await business_of(request)
    needs, streams = request.app[API], request.app[STREAMS]
    if len(streams) >= needs.max_event_listeners:
        detail = "Too many listen already. Ask for the documents themselves instead."
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "5"})
    response = web.StreamResponse(headers=HEADERS)
    try:
        async with streams.lasting():
            await _tell(request, response, needs, business.id)
    except (ConnectionError, TimeoutError):
        pass  # the client has left, or does not read
    except Exception as error:
        if not response.prepared:
            raise
        # the answer has begun: all that can be said any more is that it broke off
        logger.warning("a stream of document events broke off: %r", error)
        _hang_up(request)
    _let_go(request)
    return response


async def _tell(request: web.Request, response: web.StreamResponse, needs: ApiNeeds, business_id: str) -> None:
    async with needs.ingestion.news.listening(business_id) as listener:
        await response.prepare(request)
        await _write(response, HEARTBEAT)
        after: str | None = ""
        while after is not None:
            found = await needs.knowledge_database.read(documents_under_way(business_id, after, READ_AT_ONCE))
            await _write_documents(response, found)
            after = found[-1].id if len(found) == READ_AT_ONCE else None
        while True:
            changed = sorted(await _changed(listener, needs.clock))
            if not changed:
                await _write(response, HEARTBEAT)
            for start in range(0, len(changed), READ_AT_ONCE):
                wanted = changed[start : start + READ_AT_ONCE]
                found = await needs.knowledge_database.read(documents_among(business_id, wanted))
                await _write_documents(response, found)
                await _write_deleted(response, set(wanted) - {each.id for each in found})
            await needs.clock.sleep(PAUSE_SECONDS)


async def _changed(listener: DocumentListener, clock: Clock) -> frozenset[str]:
    """The documents that changed; none when it is time for a heartbeat."""
    waiting = asyncio.create_task(listener.changed(), name="wait for documents")
    beating = asyncio.create_task(clock.sleep(HEARTBEAT_SECONDS), name="heartbeat of document events")
    try:
        await asyncio.wait({waiting, beating}, return_when=asyncio.FIRST_COMPLETED)
        return frozenset(waiting.result()) if waiting.done() else frozenset()
    finally:
        waiting.cancel()
        beating.cancel()


async def _write_documents(response: web.StreamResponse, documents: Iterable[Document]) -> None:
    pieces = [f"event: document\ndata: {DocumentOut.of(each).model_dump_json()}\n\n" for each in documents]
    await _write(response, "".join(pieces).encode())


async def _write_deleted(response: web.StreamResponse, document_ids: Iterable[str]) -> None:
    pieces = [f"event: deleted\ndata: {json.dumps({'id': each})}\n\n" for each in sorted(document_ids)]
    await _write(response, "".join(pieces).encode())


async def _write(response: web.StreamResponse, content: bytes) -> None:
    if content:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(content)


def _let_go(request: web.Request) -> None:
    """What a client does not read must not hold the server's end up."""
    if request.transport is not None and request.transport.get_write_buffer_size() > 0:
        _hang_up(request)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()

"""Web pages and sitemaps as knowledge: added by address, looked at again on a schedule, forgotten."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from database.clock import Clock
from database.engine import Database
from database.records import Document
from database.web_sources import (
    WebSource,
    add_web_source,
    count_web_sources,
    due_pages,
    due_web_sources,
    ids_of_web_source,
    remove_web_source,
    web_source,
    web_source_at,
    web_sources_page,
)
from services.source_documents import SourceDocuments
from services.web_addresses import WebRules, site, tidy_address
from services.web_errors import WebRefusedError
from services.web_looks import WebLooks

logger = logging.getLogger(__name__)

_DUE_AT_ONCE = 200
_SWEEP_SECONDS = 60.0
_SITE_SECONDS = 15.0
_FIRST_PAGES_SECONDS = 10.0
_HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class WebOptions:
    """`concurrency`: sites that a sweep reads at once. `add_seconds`: how long who adds an address waits for it."""

    rules: WebRules
    every_hours: float = 24.0
    concurrency: int = 4
    add_seconds: float = 45.0
    sources: int = 5_000


@dataclass(frozen=True, slots=True)
class AddedSource:
    """A source, with the documents that it has by now: one of a page; of a sitemap those that were quick to read."""

    source: WebSource
    documents: Sequence[Document]


class WebSources:
    """May be called by many at once."""

    def __init__(
        self, database: Database, documents: SourceDocuments, looks: WebLooks, clock: Clock, options: WebOptions
    ) -> None:
        self._database = database
        self._documents = documents
        self._looks = looks
        self._clock = clock
        self._options = options
        self._in_hand: set[str] = set()

    async def add(self, business_id: str, url: str, every_hours: float | None = None) -> AddedSource:
        """Read an address, and look at it again every so many hours; one that is there is looked at now.

        What fails is a document that has failed, and is tried again. Raises WebRefusedError for an address that we
        may not ask.
        """
        address = tidy_address(url, self._options.rules)
        known = await self._database.read(web_source_at(business_id, address))
        if known is None and await self._database.read(count_web_sources(business_id)) >= self._options.sources:
            raise WebRefusedError(f"A business may have {self._options.sources} web addresses: delete some first.")
        every = round(every_hours * _HOUR_SECONDS) if every_hours else None
        usual = round(self._options.every_hours * _HOUR_SECONDS)
        source = await self._database.write(
            add_web_source(business_id, "page", address, every, usual, self._clock.now())
        )
        pages: list[Document] = []
        try:
            async with asyncio.timeout(self._options.add_seconds):
                await self._look(source)
                pages = await self._first_pages(business_id, source.id)
        except TimeoutError:
            logger.info("web source %s takes long: the next sweep goes on with it", source.id)
        found = await self.get(business_id, source.id)
        if found is None:
            raise WebRefusedError("The address was deleted meanwhile.")
        if found.kind == "page":
            document = await self._documents.get(business_id, found.id)
            return AddedSource(found, [document] if document else [])
        return AddedSource(found, pages)

    async def get(self, business_id: str, source_id: str) -> WebSource | None:
        """One source of a business."""
        found = await self._database.read(web_source(business_id, source_id))
        return None if found is None or found.stopped_at is not None else found

    async def page(
        self, business_id: str, limit: int, after: tuple[int, str] | None = None, parent_id: str | None = None
    ) -> list[WebSource]:
        """As database.web_sources.web_sources_page."""
        return await self._database.read(web_sources_page(business_id, limit, after, parent_id))

    async def check(self, business_id: str, source_id: str) -> WebSource | None:
        """Look at it now; None when there is none, or its document was deleted. A sitemap's pages follow."""
        found = await self.get(business_id, source_id)
        if found is None:
            return None
        await self._look(found)
        return await self.get(business_id, source_id)

    async def remove(self, business_id: str, source_id: str) -> bool:
        """Forget an address with its pages and their documents. False when there is none."""
        # the documents first: cut off before the end, what is left answers nothing, and can be removed again
        await self._delete_documents(business_id, await self._database.read(ids_of_web_source(business_id, source_id)))
        removed = await self._database.write(remove_web_source(business_id, source_id, self._clock.now()))
        await self._delete_documents(business_id, removed or ())
        return removed is not None

    async def _delete_documents(self, business_id: str, document_ids: Sequence[str]) -> None:
        for document_id in document_ids:
            if await self._documents.get(business_id, document_id) is not None:
                await self._documents.delete(business_id, document_id)

    async def sweep(self) -> int:
        """Look at what is due, for about a minute; how many addresses were looked at."""
        due = await self._database.read(due_web_sources(self._clock.now(), _DUE_AT_ONCE))
        sites: dict[str, list[WebSource]] = {}
        for source in due:
            sites.setdefault(site(source.url), []).append(source)
        turn = asyncio.Semaphore(self._options.concurrency)
        until = self._clock.monotonic() + _SWEEP_SECONDS
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._in_turn(sources, turn, until)) for sources in sites.values()]
        return sum(task.result() for task in tasks)

    async def _in_turn(self, sources: Sequence[WebSource], turn: asyncio.Semaphore, until: float) -> int:
        async with turn:
            return await self._one_after_another(sources, min(until, self._clock.monotonic() + _SITE_SECONDS))

    async def _one_after_another(self, sources: Sequence[WebSource], until: float) -> int:
        """Addresses of one site, as many as fit into the time."""
        looked = 0
        for source in sources:
            if self._clock.monotonic() >= until:
                break
            looked += 1
            try:
                await self._look(source)
            except WebRefusedError as error:
                logger.info("web source %s was forgotten: %s", source.id, error)
            except Exception as error:  # noqa: BLE001 - one page must not keep the others from being looked at
                logger.warning("looking at web source %s failed: %r", source.id, error)
                await self._looks.postpone(source)
        return looked

    async def _first_pages(self, business_id: str, source_id: str) -> list[Document]:
        """Of a sitemap; a page has none."""
        pages = await self._database.read(due_pages(source_id, self._clock.now(), _DUE_AT_ONCE))
        looked = await self._one_after_another(pages, self._clock.monotonic() + _FIRST_PAGES_SECONDS)
        found = [await self._documents.get(business_id, each.id) for each in pages[:looked]]
        return [document for document in found if document is not None]

    async def _look(self, source: WebSource) -> None:
        if source.id in self._in_hand:
            return
        self._in_hand.add(source.id)
        try:
            # as it is now: it may have been forgotten while it waited for its turn
            current = await self.get(source.business_id, source.id)
            if current is not None:
                await self._looks.look(current)
        finally:
            self._in_hand.discard(source.id)

"""Looks at one address of the web: nothing new, a new version of its document, a sitemap's pages, or a failure."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from database.clock import Clock
from database.engine import Database
from database.records import Document, DocumentStatus
from database.web_sources import (
    Look,
    WebSource,
    name_pages,
    note_look,
    postpone_look,
    remove_web_source,
)
from services import web_errors
from services.site_turns import SiteTurns
from services.source_documents import SourceDocuments, unread, whole
from services.web_addresses import origin, site
from services.web_errors import WebAwayError, WebError, WebRefusedError
from services.web_fetch import Fetched, WebFetcher
from services.web_pages import document_name, page_of
from services.web_robots import WebRobots
from services.web_sitemaps import Sitemap, is_sitemap, sitemap_of

logger = logging.getLogger(__name__)

_SITEMAP_DEPTH = 3
_SITEMAP_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 900
_LONGEST_PAUSE_SECONDS = 86_400
_LONGEST_DOUBLING = 10


@dataclass(frozen=True, slots=True)
class LookLimits:
    """`pages` of one sitemap; `sources` of one business; bytes of one page or sitemap; `at_once`: sites."""

    pages: int = 500
    at_once: int = 4
    sources: int = 5_000
    max_bytes: int = 20 * 1024 * 1024


class WebLooks:
    """May look at many addresses at once, at each of them once at a time."""

    def __init__(
        self,
        database: Database,
        documents: SourceDocuments,
        fetcher: WebFetcher,
        clock: Clock,
        dice: random.Random,
        limits: LookLimits,
    ) -> None:
        self._database = database
        self._documents = documents
        self._fetcher = fetcher
        self._robots = WebRobots(fetcher, clock)
        self._clock = clock
        self._dice = dice
        self._limits = limits
        self._turns = SiteTurns(clock)
        self._room = asyncio.Semaphore(limits.at_once)

    async def look(self, source: WebSource) -> None:
        """Look, and note what was found.

        Raises WebRefusedError for an address that its owner has just given and that we may not ask: nothing is kept.
        """
        async with self._turns.turn(site(source.url)):
            document = await self._documents.get(source.business_id, source.id)
            if document is None and source.digest is not None and source.kind == "page":
                # its owner deleted the document: the address is not wanted any more
                await self._forget(source)
                return
            look = await self._looked(source, document)
        noted = await self._database.write(note_look(source.id, look, self._next(source, look), self._clock.now()))
        if not noted:
            # it was forgotten meanwhile, and what was found is wanted by nobody
            await self._documents.delete(source.business_id, source.id)

    async def _looked(self, source: WebSource, document: Document | None) -> Look:
        try:
            await self._admitted(source.url)
            # what is read is held in memory until it is a document, whoever asked for it
            async with self._room:
                return await self._found(source, document)
        except WebError as error:
            if isinstance(error, WebRefusedError) and source.checked_at is None and source.parent_id is None:
                await self._forget(source)
                raise
            return await self._failure(source, document, error)
        except Exception as error:  # noqa: BLE001 - no page may be asked for again and again, whatever is wrong with it
            logger.warning("web source %s could not be taken in: %s", source.id, type(error).__name__)
            return await self._failure(source, document, WebAwayError(web_errors.OUR_FAULT))

    async def postpone(self, source: WebSource) -> None:
        """After a fault of ours: look again later."""
        await self._database.write(postpone_look(source.id, self._clock.now() + _FIRST_PAUSE_SECONDS * 1000))

    async def _found(self, source: WebSource, document: Document | None) -> Look:
        failed = document is not None and document.status is DocumentStatus.FAILED
        known = source.kind == "sitemap" or (source.digest and not failed)
        fetched = await self._read(source.url, source.etag if known else None, source.last_modified if known else None)
        if fetched.content is None:
            return Look(etag=source.etag, last_modified=source.last_modified)
        if await asyncio.to_thread(is_sitemap, fetched, self._limits.max_bytes) and source.parent_id is None:
            return await self._sitemap(source, document, fetched)
        if source.kind == "sitemap":
            raise WebAwayError(web_errors.NO_SITEMAP)
        if not fetched.content.strip():
            raise WebAwayError(web_errors.NO_CONTENT)
        return await self._page(source, None if failed else document, fetched)

    async def _read(self, url: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        pause = await self._admitted(url)
        try:
            fetched = await self._fetcher.fetch(url, etag=etag, last_modified=last_modified)
        finally:
            self._turns.rest(site(url), pause)
        if origin(fetched.address) != origin(url):
            await self._robots.admit(fetched.address)
        return fetched

    async def _admitted(self, url: str) -> float:
        """Once the site may be asked: how many seconds it wants to pause afterwards. Raises WebError."""
        pause = await self._robots.admit(url)
        await self._turns.wait(site(url))
        return pause

    async def _page(self, source: WebSource, document: Document | None, fetched: Fetched) -> Look:
        """`document` None: there is none, or it failed and is tried again whatever has come."""
        page = await asyncio.to_thread(page_of, fetched)
        look = Look(etag=fetched.etag, last_modified=fetched.last_modified, digest=page.digest)
        if document is not None and page.digest == source.digest:
            return look
        # the same id each time: cut off between this and the note, the next look goes on with the same document
        taken = await self._documents.replace(
            source.business_id, source.id, whole(page.content), filename=page.filename
        ) or await self._documents.accept(
            source.business_id, page.filename, whole(page.content), document_id=source.id, source="web"
        )
        if await self._documents.get(source.business_id, source.id) is None:
            raise WebAwayError(taken.error_message or web_errors.BROKEN_OFF)
        return replace(look, changed=True)

    async def _sitemap(self, source: WebSource, document: Document | None, fetched: Fetched) -> Look:
        pages, notes, has_lists = await self._pages_of(fetched)
        if not pages:
            raise WebAwayError(notes[0] if notes else web_errors.EMPTY_SITEMAP)
        if document is not None:
            # made when the address could not be read yet, and nobody knew what it was
            await self._documents.delete(source.business_id, source.id)
        most = self._limits.sources
        named = await self._database.write(name_pages(source, pages, most, self._clock.now(), whole=not notes))
        if named.left_out:
            notes.insert(0, web_errors.too_many_addresses(most, named.left_out))
        # what is in its lists may change while the list of lists stays the same, and there may be room the next time
        again = has_lists or bool(notes)
        return Look(
            error_message=notes[0] if notes else None,
            changed=named.new > 0,
            etag=None if again else fetched.etag,
            last_modified=None if again else fetched.last_modified,
            kind="sitemap",
        )

    async def _pages_of(self, first: Fetched) -> tuple[Sequence[str], list[str], bool]:
        """The pages of a sitemap and of those that it lists; what could not be read; whether it lists any."""
        most = self._limits.pages
        pages: dict[str, None] = {}
        notes: list[str] = []
        has_lists = False
        async with aclosing(self._sitemaps(first, notes)) as sitemaps:
            async for found in sitemaps:
                pages.update(dict.fromkeys(found.pages))
                has_lists = has_lists or bool(found.lists)
                if found.more or len(pages) > most:
                    notes.insert(0, web_errors.too_many_pages(most))
                    break
        return list(pages)[:most], notes, has_lists

    async def _sitemaps(self, first: Fetched, notes: list[str]) -> AsyncGenerator[Sitemap, None]:
        """A sitemap, then those that it lists; what cannot be read of them goes to the notes."""
        waiting = deque([(first.address, 0)])
        until = self._clock.monotonic() + _SITEMAP_SECONDS
        while waiting:
            url, depth = waiting.popleft()
            if self._clock.monotonic() > until:
                notes.append(web_errors.too_slow(_SITEMAP_SECONDS))
                return
            try:
                fetched = await self._read(url) if depth else first
                found = await asyncio.to_thread(
                    sitemap_of,
                    fetched,
                    self._fetcher.rules,
                    most_pages=self._limits.pages,
                    most_bytes=self._limits.max_bytes,
                )
            except WebError as error:
                notes.append(f"A part of the sitemap could not be read. {error}" if depth else str(error))
                continue
            yield found
            if depth < _SITEMAP_DEPTH:
                waiting.extend((each, depth + 1) for each in found.lists)

    async def _failure(self, source: WebSource, document: Document | None, error: WebError) -> Look:
        """A failed document for an address that its owner gave; a page that was read before goes on answering."""
        if document is None and source.parent_id is None and source.kind == "page":
            name = document_name(source.url.partition("://")[2])
            await self._documents.accept(
                source.business_id, name, unread(str(error)), document_id=source.id, source="web"
            )
            if await self._documents.get(source.business_id, source.id) is not None:
                return Look(error_message=str(error), failed=True, digest="")
        return Look(error_message=str(error), failed=True)

    def _next(self, source: WebSource, look: Look) -> int:
        """When to look again: after its interval; after failures sooner, with pauses that grow up to that or a day."""
        seconds = source.every_seconds
        if look.failed:
            doubled = _FIRST_PAUSE_SECONDS * 2 ** min(source.failures, _LONGEST_DOUBLING)
            seconds = min(doubled, max(seconds, _LONGEST_PAUSE_SECONDS))
        # a little apart, so that what was added together is not asked for together for ever
        return self._clock.now() + round(seconds * 1000 * self._dice.uniform(1.0, 1.05))

    async def _forget(self, source: WebSource) -> None:
        await self._database.write(remove_web_source(source.business_id, source.id, self._clock.now()))

"""Web pages and sitemaps as sources: add by address, list, check now, forget."""

import re
from http import HTTPStatus
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from bot.api.bodies import StrictRequest, read_body
from bot.api.businesses import business_of, id_of
from bot.api.needs import API
from bot.api.paging import cursor_time, cut_page, page_limit
from bot.api.problems import bad_parameter, not_found, unusable
from bot.api.schemas import DocumentOut, DocumentsOut, Time, answered, rfc3339, time_or_none
from database.web_sources import WebSource
from services.web_errors import WebRefusedError
from services.web_sources import AddedSource

HOUR_SECONDS = 3600


class WebSourceRequest(StrictRequest):
    """The address of a web page, a file or a sitemap, and how often it is looked at again."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    every_hours: Annotated[float, Field(ge=1, le=8760, allow_inf_nan=False)] | None = None


class WebSourceOut(BaseModel):
    """An address that is looked at again.

    A page's document is `document_id`. A sitemap has `pages_count` pages, which are sources of their own with it as
    `parent_id`; `in_sitemap` is false for one that it does not name any more. `failures` counts since the last success.
    """

    id: str
    url: str
    kind: Literal["page", "sitemap"]
    parent_id: str | None
    document_id: str | None
    every_hours: float
    pages_count: int
    in_sitemap: bool | None
    checked_at: Time | None
    changed_at: Time | None
    next_check_at: Time
    failures: int
    error_message: str | None
    created_at: Time

    @classmethod
    def of(cls, source: WebSource) -> "WebSourceOut":
        """From our record."""
        return cls(
            id=source.id,
            url=source.url,
            kind="sitemap" if source.kind == "sitemap" else "page",
            parent_id=source.parent_id,
            document_id=source.document_id,
            every_hours=source.every_seconds / HOUR_SECONDS,
            pages_count=source.pages,
            in_sitemap=None if source.parent_id is None else source.left_at is None,
            checked_at=time_or_none(source.checked_at),
            changed_at=time_or_none(source.changed_at),
            next_check_at=rfc3339(source.next_at),
            failures=source.failures,
            error_message=source.error_message,
            created_at=rfc3339(source.created_at),
        )


class WebSourcePage(BaseModel):
    """A page of web sources, the oldest first."""

    web_sources: list[WebSourceOut]
    next_cursor: str | None


class AddedDocumentsOut(DocumentsOut):
    """One document a file of the request, in its order; for an address, its page or the first pages of its sitemap."""

    web_source: WebSourceOut | None = None

    @classmethod
    def of(cls, added: AddedSource) -> "AddedDocumentsOut":
        """Of an address that was added."""
        documents = [DocumentOut.of(document) for document in added.documents]
        return cls(documents=documents, web_source=WebSourceOut.of(added.source))


async def add_web_source(request: web.Request) -> web.Response:
    """Read an address: 202 with its document, or with those of a sitemap that were read by now."""
    business = await business_of(request)
    wanted = await read_body(request, WebSourceRequest)
    try:
        added = await request.app[API].sources.web.add(business.id, wanted.url, wanted.every_hours)
    except WebRefusedError as error:
        raise unusable("/url", str(error), f"The address cannot be read. {error}") from error
    return answered(AddedDocumentsOut.of(added), HTTPStatus.ACCEPTED)


async def list_web_sources(request: web.Request) -> web.Response:
    """A page of the addresses that were added, or of a sitemap's pages."""
    business = await business_of(request)
    limit, after = page_limit(request), cursor_time(request)
    sources = request.app[API].sources.web
    found = await sources.page(business.id, limit + 1, after, _parent(request))
    page, following = cut_page(found, limit, lambda each: (each.created_at, each.id))
    return answered(WebSourcePage(web_sources=[WebSourceOut.of(each) for each in page], next_cursor=following))


async def get_web_source(request: web.Request) -> web.Response:
    """One address."""
    business = await business_of(request)
    found = await request.app[API].sources.web.get(business.id, id_of(request, "web source"))
    if found is None:
        raise not_found("web source")
    return answered(WebSourceOut.of(found))


async def check_web_source(request: web.Request) -> web.Response:
    """Look at an address now; what it is afterwards."""
    business = await business_of(request)
    found = await request.app[API].sources.web.check(business.id, id_of(request, "web source"))
    if found is None:
        raise not_found("web source")
    return answered(WebSourceOut.of(found))


async def delete_web_source(request: web.Request) -> web.Response:
    """Forget an address, with its documents, at once for every search."""
    business = await business_of(request)
    if not await request.app[API].sources.web.remove(business.id, id_of(request, "web source")):
        raise not_found("web source")
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _parent(request: web.Request) -> str | None:
    given = request.query.get("parent") or None
    if given is not None and not re.fullmatch(r"[0-9a-f-]{36}", given):
        raise bad_parameter("parent", "must be the id of a sitemap among the web sources")
    return given

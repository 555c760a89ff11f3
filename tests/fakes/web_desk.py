"""The API before a web site on this machine, and what a test says to it about web sources."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.knowledge_settings import KnowledgeSettings
from database.clock import Clock
from database.engine import Database
from database.metrics import Metrics
from tests.fakes.api_desk import Desk
from tests.fakes.document_desk import DocumentDesk, document_desk
from tests.fakes.web_site import HOST, WebSite

PAGE = "<html><head><title>Opening hours</title></head><body><h1>Hours</h1><p>We open at {}.</p>{}</body></html>"
DAY = 86_400


@asynccontextmanager
async def web_desk(
    chat: Database, knowledge: Database, clock: Clock, metrics: Metrics, folder: Path, port: int
) -> AsyncIterator[DocumentDesk]:
    """May ask sites of HOST at `port`; of a sitemap it reads 5 pages, of a business it keeps 7 sources."""
    settings = KnowledgeSettings.model_validate(
        {
            "concierge_web_networks": f"{HOST}/32",
            "concierge_web_ports": f"80,{port}",
            "concierge_web_pages": 5,
            "concierge_max_web_sources": 7,
        }
    )
    async with document_desk(chat, knowledge, clock, metrics, folder, settings=settings) as desk:
        yield desk


async def add(desk: DocumentDesk, url: str, status: int = 202, **more: Any) -> dict[str, Any]:
    """Add a web address; the JSON that came back."""
    content: dict[str, Any] = await desk.call("POST", "", status, json={"url": url, **more})
    return content


async def sources(desk: Desk, **query: str) -> list[dict[str, Any]]:
    """The web sources of the desk's business."""
    async with desk.client.get(f"{desk.path}/web-sources", params=query) as response:
        assert response.status == 200
        found: list[dict[str, Any]] = (await response.json())["web_sources"]
    return found


async def check(desk: Desk, source: dict[str, Any]) -> dict[str, Any]:
    """Have a source looked at now; what it is then."""
    async with desk.client.post(f"{desk.path}/web-sources/{source['id']}/check") as response:
        checked: dict[str, Any] = await response.json(content_type=None)
    return checked


@asynccontextmanager
async def slow_pages(site: WebSite, *paths: str) -> AsyncIterator[asyncio.Event]:
    """The pages are sent when the block ends; an event tells that one was asked for."""
    asked, over = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        asked.set()
        await over.wait()
        return web.Response(text=PAGE.format("nine", ""), content_type="text/html")

    site.pages.update(dict.fromkeys(paths, slow))
    try:
        yield asked
    finally:
        over.set()


def sitemap(*urls: str) -> bytes:
    """A sitemap of these pages."""
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()


def list_of_sitemaps(*urls: str) -> bytes:
    """A sitemap that names other sitemaps."""
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</sitemapindex>'.encode()

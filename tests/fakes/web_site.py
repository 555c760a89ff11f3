"""A web site on a socket: pages that a test writes and changes, and the requests that came."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

HOST = "127.0.0.2"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class WebSite:
    """`pages` are HTML texts, contents with a type, statuses, or handlers, by path; everything else is 404."""

    server: TestServer
    pages: dict[str, str | int | tuple[bytes, str] | Answer] = field(default_factory=dict)
    etags: bool = True
    requests: list[web.BaseRequest] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.server.port or 0)

    def url(self, path: str = "/", host: str = HOST) -> str:
        return f"{self.server.scheme}://{host}:{self.port}{path}"

    def asked(self, path: str) -> int:
        """How often."""
        return sum(request.path == path for request in self.requests)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        page = self.pages.get(request.path, 404)
        if isinstance(page, int):
            return web.Response(status=page)
        if callable(page):
            return await page(request)
        content, kind = (page.encode(), "text/html") if isinstance(page, str) else page
        response = web.Response(body=content, content_type=kind)
        if self.etags:
            etag = f"{hash(content):x}"
            if request.headers.get("If-None-Match") == f'"{etag}"':
                return web.Response(status=304)
            response.etag = etag
        return response


@asynccontextmanager
async def web_site(host: str = HOST, tls: ssl.SSLContext | None = None) -> AsyncIterator[WebSite]:
    """Serve on a free port of a loopback address that is not the usual one."""
    app = web.Application()
    server = TestServer(app, host=host, scheme="https" if tls else "http")
    site = WebSite(server)
    app.router.add_route("*", "/{path:.*}", site.answer)
    await server.start_server(ssl=tls)
    try:
        yield site
    finally:
        await server.close()


class NameServer(AbstractResolver):
    """Answers each question with the next of its lists of addresses, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not found:
            raise OSError("unknown name")
        return [
            ResolveResult(
                hostname=host,
                host=each,
                port=port,
                family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for each in found
        ]

    async def close(self) -> None:
        pass

"""Keeps strangers' web pages out of the simulator: loopback host names only, and no request from another site."""

from collections.abc import Awaitable, Callable
from functools import wraps

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
OWN_SITE = frozenset({"same-origin", "none"})
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def guarded(handler: Handler) -> Handler:
    """Refuse with 403 a Host that is not loopback (DNS rebinding) and a request that another site sent (CSRF).

    A program that sends neither Origin nor Sec-Fetch-Site is no browser and passes.
    """

    @wraps(handler)
    async def guard(request: web.Request) -> web.StreamResponse:
        if refusal := _refusal(request):
            return web.Response(status=403, text=refusal)
        return await handler(request)

    return guard


def _refusal(request: web.Request) -> str | None:
    host = request.headers.get("Host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name.lower() not in LOOPBACK_NAMES:
        return "This page is for the machine that it runs on."
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{host}":
        return "Requests from other sites are refused."
    if request.headers.get("Sec-Fetch-Site", "none") not in OWN_SITE and not _is_visit(request):
        return "Requests from other sites are refused."
    return None


def _is_visit(request: web.Request) -> bool:
    """Following a link to the page is harmless: it shows, and does nothing."""
    return request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"

"""The beginnings of the API's addresses, and what serves one."""

from collections.abc import Awaitable, Callable

from aiohttp import web

RouteHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]

V1 = "/api/v1"
BUSINESS = f"{V1}/businesses/{{business}}"

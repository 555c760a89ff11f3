"""Adds files to the business's knowledge for the chat page; the admin token stays on this side."""

import re
from typing import Any

import aiohttp
from aiohttp import web

from bot.simulator.guards import guarded

DOCUMENT_ID = re.compile(r"[0-9a-fA-F-]{1,64}")
ANSWER_SECONDS = 300.0


class Knowledge:
    """Passes uploads and questions about documents on to the server's API, with the token that the page never sees."""

    def __init__(self, server_url: str, admin_token: str) -> None:
        self._documents_url = f"{server_url}/api/v1/businesses/default/documents"
        self._headers = {"Authorization": f"Bearer {admin_token}"}

    def routes(self) -> list[web.RouteDef]:
        """`POST /simulator/knowledge` takes what `POST …/documents` takes."""
        return [
            web.post("/simulator/knowledge", guarded(self._add)),
            web.get("/simulator/knowledge", guarded(self._list)),
            web.get("/simulator/knowledge/{id}", guarded(self._one)),
        ]

    async def _add(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "multipart/form-data":
            return web.Response(status=415, text="Send files as multipart/form-data.")
        headers = {"Content-Type": request.headers["Content-Type"]}
        if request.content_length is not None:
            headers["Content-Length"] = str(request.content_length)
        return await self._passed_on("POST", self._documents_url, headers=headers, data=request.content)

    async def _list(self, _request: web.Request) -> web.StreamResponse:
        return await self._passed_on("GET", f"{self._documents_url}?limit=100")

    async def _one(self, request: web.Request) -> web.StreamResponse:
        document_id = request.match_info["id"]
        if not DOCUMENT_ID.fullmatch(document_id):
            raise web.HTTPNotFound
        return await self._passed_on("GET", f"{self._documents_url}/{document_id}")

    async def _passed_on(self, method: str, url: str, *, headers: Any = None, data: Any = None) -> web.StreamResponse:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, url, headers=self._headers | (headers or {}), data=data) as answer,
            ):
                body = await answer.read()
                kind = answer.headers.get("Content-Type", "application/json")
                return web.Response(body=body, status=answer.status, headers={"Content-Type": kind})
        except (aiohttp.ClientError, TimeoutError, OSError):
            return web.Response(status=502, text="The server does not answer.")

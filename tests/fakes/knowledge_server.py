"""The documents part of a Concierge server: a file is ready at the second look, unless it is "broken"."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import BodyPartReader, web

CONVERSATIONS = "/api/v1/businesses/default/conversations"
DOCUMENTS = "/api/v1/businesses/default/documents"


class KnowledgeServer:
    """Holds its documents in `documents`; wants the token; `url` is its address."""

    def __init__(self, token: str) -> None:
        self._token = token
        self.documents: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, token: str) -> "AsyncIterator[KnowledgeServer]":
        """Listen on loopback."""
        server = cls(token)
        app = web.Application(middlewares=[server._check])
        app.router.add_post(DOCUMENTS, server._add)
        app.router.add_get(DOCUMENTS, server._list)
        app.router.add_get(DOCUMENTS + "/{id}", server._one)
        app.router.add_get(CONVERSATIONS, server._no_conversations)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield server
        finally:
            await runner.cleanup()

    @web.middleware
    async def _check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            raise web.HTTPUnauthorized
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _add(self, request: web.Request) -> web.Response:
        added = []
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            assert part.name == "files"
            number = f"{len(self.documents):04d}"
            document = {"id": number, "filename": part.filename, "status": "queued", "progress": 0.0}
            self.documents[number] = document | {"chunks_count": 0, "error_message": None}
            self.contents[part.filename or ""] = bytes(await part.read())
            added.append(self.documents[number])
        return web.json_response({"documents": added}, status=202)

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"documents": list(self.documents.values()), "next_cursor": None})

    async def _no_conversations(self, _request: web.Request) -> web.Response:
        return web.json_response({"conversations": [], "next_cursor": None})

    async def _one(self, request: web.Request) -> web.Response:
        document = self.documents.get(request.match_info["id"])
        if document is None:
            raise web.HTTPNotFound
        if document["status"] == "queued":
            document |= {"status": "embedding", "progress": 0.5}
        elif "broken" in document["filename"]:
            document |= {"status": "failed", "error_message": "This file is encrypted. Send it without a password."}
        else:
            document |= {"status": "ready", "progress": 1.0, "chunks_count": 7}
        return web.json_response(document)

"""A business's webhook that keeps what it gets and answers as it is told."""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class WebhookDoor:
    """Checks every signature; `answers` are the next HTTP statuses, 200 when there are none."""

    def __init__(self, app_secret: str) -> None:
        self._secret = app_secret.encode()
        self._came = asyncio.Condition()
        self.answers: deque[int] = deque()
        self.bodies: list[bytes] = []
        self.forged = 0
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, app_secret: str) -> "AsyncIterator[WebhookDoor]":
        """Listen on loopback at `url`."""
        door = cls(app_secret)
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_post("/webhooks/whatsapp", door._take)
        app.router.add_get("/webhooks/whatsapp", door._shake_hands)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        door.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/whatsapp"
        try:
            yield door
        finally:
            await runner.cleanup()

    def items(self, list_name: str) -> list[dict[str, Any]]:
        """All messages or statuses that came, in their order."""
        changes = [change for body in self.bodies for change in json.loads(body)["entry"][0]["changes"]]
        return [item for change in changes for item in change["value"].get(list_name, [])]

    def values(self) -> list[dict[str, Any]]:
        """Every change's value, in their order."""
        return [change["value"] for body in self.bodies for change in json.loads(body)["entry"][0]["changes"]]

    async def posts(self, number: int) -> None:
        """Return when so many POSTs have come."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.bodies) >= number)

    @staticmethod
    async def _shake_hands(request: web.Request) -> web.Response:
        return web.Response(text=request.query["hub.challenge"])

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        expected = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        self.forged += request.headers.get("X-Hub-Signature-256") != expected
        async with self._came:
            self.bodies.append(body)
            self._came.notify_all()
        return web.Response(status=self.answers.popleft() if self.answers else 200)

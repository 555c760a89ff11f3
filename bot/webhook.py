"""The door for Meta: check the signature over the raw bytes, put the POST on disk, answer 200. Nothing else."""

import hmac
from collections.abc import Mapping, Sequence

from aiohttp import web

from database.metrics import Metrics
from services.inbox import Inbox, InboxFullError
from services.whatsapp.signature import signature_matches

MAX_BODY_BYTES = 3 * 1024 * 1024  # WHATSAPP.md 1.3
DEFAULT_APP = "default"


class Webhook:
    """Handlers of `/webhooks/whatsapp`. `secrets` are the app secrets by the app's name."""

    def __init__(self, inbox: Inbox, secrets: Mapping[str, Sequence[str]], verify_token: str, metrics: Metrics) -> None:
        self._inbox = inbox
        self._secrets = secrets
        self._verify_token = verify_token.encode()
        self._posts = {answer: metrics.posts.labels(str(answer)) for answer in (200, 401, 413, 503)}

    async def handshake(self, request: web.Request) -> web.Response:
        """Meta checks that the address is ours (WHATSAPP.md 1.1)."""
        query = request.query
        token = query.get("hub.verify_token", "").encode("utf-8", "replace")
        if query.get("hub.mode") != "subscribe" or not hmac.compare_digest(token, self._verify_token):
            raise web.HTTPForbidden(text="wrong verify token or mode\n")
        return web.Response(text=query.get("hub.challenge", ""), content_type="text/plain")

    async def receive(self, request: web.Request) -> web.Response:
        """One POST of events: 200 once it is on disk, 401 unsigned, 413 too large, 503 when it cannot be stored."""
        app = request.match_info.get("app", DEFAULT_APP)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._answer(413, "larger than 3 MB\n")
        header = request.headers.get("X-Hub-Signature-256", "")
        if not signature_matches(body, header, self._secrets.get(app, ())):
            return self._answer(401, "bad or missing signature\n")
        try:
            await self._inbox.keep(app, body)
        except InboxFullError:
            return self._answer(503, "cannot be stored now; send it again\n")
        self._posts[200].inc()
        return web.Response()

    def _answer(self, status: int, text: str) -> web.Response:
        self._posts[status].inc()
        return web.Response(status=status, text=text)


WEBHOOK: web.AppKey[Webhook] = web.AppKey("webhook", Webhook)


def install_webhook(app: web.Application) -> None:
    """Put the routes into `app`. Before the first request, `app[WEBHOOK]` must be there."""
    app.router.add_get("/webhooks/whatsapp", _handshake, allow_head=False)
    app.router.add_post("/webhooks/whatsapp", _receive)
    app.router.add_post("/webhooks/whatsapp/{app}", _receive)


async def _handshake(request: web.Request) -> web.Response:
    return await request.app[WEBHOOK].handshake(request)


async def _receive(request: web.Request) -> web.Response:
    return await request.app[WEBHOOK].receive(request)

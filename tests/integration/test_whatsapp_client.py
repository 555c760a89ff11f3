"""The line to Meta, over real sockets."""

import asyncio
import json
import logging
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer

from services.whatsapp.client import WhatsAppClient
from services.whatsapp.error_codes import RetryClass
from services.whatsapp.errors import NotSentError, RefusedError, UnsureError

TOKEN = "EAAG-very-secret"
TEXT = {"type": "text", "text": {"body": "hello"}}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Meta:
    """A server that answers as told and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.answer: Answer = self.accept

    async def accept(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"messaging_product": "whatsapp", "messages": [{"id": "wamid.1"}]})

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, request.headers["Authorization"], await request.json()))
        return await self.answer(request)

    def refuses(self, status: int, **error: Any) -> None:
        """Answer with an error in Meta's form."""

        async def refuse(_: web.Request) -> web.StreamResponse:
            return web.json_response({"error": error}, status=status)

        self.answer = refuse


@pytest.fixture
async def meta() -> AsyncIterator[tuple[Meta, WhatsAppClient]]:
    """Meta on loopback, and our line to it."""
    meta = Meta()
    app = web.Application()
    app.router.add_post("/{tail:.*}", meta.serve)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        address = str(server.make_url("/"))
        yield meta, WhatsAppClient(session, api_url=address, api_version="v26.0", access_token=TOKEN)


def send(client: WhatsAppClient, phone: str | None = "491510000001", bsuid: str | None = None, seconds: float = 5):
    """Send a text."""
    return client.send("100", TEXT, phone=phone, bsuid=bsuid, attempt_id="attempt", timeout_seconds=seconds)


async def test_the_envelope(meta):
    """A message goes to its number's address with the token, our attempt's id, and the phone with its plus."""
    server, client = meta
    assert await send(client) == "wamid.1"
    assert server.requests == [
        (
            "/v26.0/100/messages",
            f"Bearer {TOKEN}",
            {
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                "to": "+491510000001",
                "biz_opaque_callback_data": "attempt",
                **TEXT,
            },
        )
    ]


@pytest.mark.parametrize(
    ("phone", "bsuid", "address"),
    [
        ("491510000001", "DE.1", {"to": "+491510000001"}),
        ("+491510000001", None, {"to": "+491510000001"}),
        (None, "DE.1", {"recipient": "DE.1"}),
        ("", "DE.1", {"recipient": "DE.1"}),
    ],
)
async def test_who_it_goes_to(meta, phone, bsuid, address):
    """The phone where it is known, else the BSUID as recipient; never a BSUID in `to`, never both."""
    server, client = meta
    await send(client, phone, bsuid)
    body = server.requests[0][2]
    assert {key: body[key] for key in ("to", "recipient") if key in body} == address


async def test_nobody_to_send_to(meta):
    """A message without an address never leaves."""
    server, client = meta
    with pytest.raises(ValueError, match="phone or a BSUID"):
        await send(client, None, None)
    assert not server.requests


@pytest.mark.parametrize("typing", [True, False])
async def test_read_and_typing(meta, typing):
    """Marking read names the message; typing is shown when asked for."""
    server, client = meta
    await client.mark_read("100", "wamid.9", typing=typing, timeout_seconds=5)
    body = server.requests[0][2]
    assert body.pop("typing_indicator", None) == ({"type": "text"} if typing else None)
    assert body == {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.9"}


@pytest.mark.parametrize(
    ("status", "code", "retry_class"),
    [
        (400, 131047, RetryClass.TEMPLATE),
        (500, 131026, RetryClass.NEVER),
        (400, 131056, RetryClass.BACK_OFF),
        (401, 190, RetryClass.STOP),
        (404, None, RetryClass.NEVER),
        (429, None, RetryClass.BACK_OFF),
    ],
)
async def test_a_definite_no(meta, status, code, retry_class):
    """A refusal carries Meta's code, words and what they mean for the next attempt."""
    server, client = meta
    server.refuses(status, message="(#1) No", code=code, error_data={"details": "because"})
    with pytest.raises(RefusedError) as refusal:
        await send(client)
    assert (refusal.value.code, refusal.value.http_status) == (code, status)
    assert refusal.value.retry_class is retry_class
    assert refusal.value.details == "(#1) No: because"


@pytest.mark.parametrize(("status", "code"), [(500, 131000), (503, 131016), (400, 2), (500, None), (502, 99_999)])
async def test_an_error_that_may_hide_a_success(meta, status, code):
    """Codes and statuses after which the message may have gone leave the attempt unsure."""
    server, client = meta
    server.refuses(status, message="oops", code=code)
    with pytest.raises(UnsureError):
        await send(client)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"messages": []}',
        b'{"messages": [{}]}',
        b'{"messages": [{"id": 5}]}',
        b"[" * 9_999,
    ],
)
async def test_a_200_that_cannot_be_read(meta, body):
    """A 200 without a message id is no success and no refusal."""
    server, client = meta

    async def garble(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="text/html")

    server.answer = garble
    with pytest.raises(UnsureError):
        await send(client)


@pytest.mark.parametrize("error", [None, "text", [], {"code": "x"}, {"code": True, "message": 5, "error_data": "x"}])
async def test_odd_errors(meta, error):
    """An error in another form than Meta's is judged by its status."""
    server, client = meta

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": error}, status=400)

    server.answer = refuse
    with pytest.raises(RefusedError, match="HTTP 400") as refusal:
        await send(client)
    assert refusal.value.retry_class is RetryClass.NEVER
    assert refusal.value.code is None


async def test_no_answer_in_time(meta):
    """A time-out after the request went out is unsure."""
    server, client = meta
    over = asyncio.Event()

    async def think(_: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    server.answer = think
    with pytest.raises(UnsureError, match="within"):
        await send(client, seconds=0.2)
    over.set()
    assert len(server.requests) == 1


async def test_a_hang_up(meta):
    """A connection that breaks after the request went out is unsure, and nothing is sent a second time by itself."""
    server, client = meta

    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.abort()
        return web.Response()

    await send(client)
    server.answer = hang_up
    with pytest.raises(UnsureError):
        await send(client)
    assert len(server.requests) == 2


async def test_a_broken_answer(meta):
    """A connection that breaks within the answer is unsure."""
    server, client = meta

    async def begin(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"messages": [')
        assert request.transport
        request.transport.close()
        return response

    server.answer = begin
    with pytest.raises(UnsureError):
        await send(client)


async def test_a_redirect_is_not_followed(meta):
    """The token goes to the address in the settings and to no other."""
    server, client = meta

    async def redirect(_: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    server.answer = redirect
    with pytest.raises(UnsureError):
        await send(client)
    assert len(server.requests) == 1


class NoNames(AbstractResolver):
    """A resolver that knows nobody."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        raise OSError(f"nobody is called {host} ({port}, {family})")

    async def close(self) -> None:
        """Nothing was open."""


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
async def test_nobody_there(unused_tcp_port, host):
    """A refused connection and an unknown host mean that nothing was sent."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=NoNames())) as session:
        client = WhatsAppClient(
            session, api_url=f"http://{host}:{unused_tcp_port}", api_version="v26.0", access_token=TOKEN
        )
        with pytest.raises(NotSentError):
            await send(client)


async def test_no_tls_no_message():
    """A handshake that fails means that nothing was sent."""
    async with TestServer(web.Application()) as server, aiohttp.ClientSession() as session:
        address = str(server.make_url("/")).replace("http:", "https:")
        client = WhatsAppClient(session, api_url=address, api_version="v26.0", access_token=TOKEN)
        with pytest.raises(NotSentError) as failure:
            await send(client)
        assert isinstance(failure.value.__cause__, aiohttp.ClientConnectorSSLError | ssl.SSLError)


async def test_no_free_connection_in_time(meta: tuple[Meta, WhatsAppClient]):
    """A send that never got a connection was not sent, and may be tried again at once."""
    server, client = meta
    assert client._session.connector
    client._session.connector._limit = 1
    arrived, over = asyncio.Event(), asyncio.Event()

    async def think(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await over.wait()
        return await server.accept(request)

    server.answer = think
    first = asyncio.create_task(send(client))
    await arrived.wait()
    with pytest.raises(NotSentError):
        await send(client, seconds=0.2)
    over.set()
    assert await first == "wamid.1"
    assert len(server.requests) == 1


async def test_the_token_is_never_shown(meta, caplog):
    """No error, traceback or log line holds the token, not even where Meta quotes it."""
    server, client = meta
    caplog.set_level(logging.DEBUG)
    server.refuses(401, message=f"Malformed access token {TOKEN}", code=190)
    with pytest.raises(RefusedError) as refusal:
        await send(client)
    shown = "".join(traceback.format_exception(refusal.value)) + repr(refusal.value) + repr(client) + caplog.text
    assert "Malformed access token [token]" in shown
    assert TOKEN not in shown


async def test_a_message_that_is_any_json(meta):
    """Text of any language arrives as it was written."""
    server, client = meta
    words = "Größe 尺寸 مقاس \U0001f600"
    await client.send(
        "100", {"type": "text", "text": {"body": words}}, phone="4915", bsuid=None, attempt_id="a", timeout_seconds=5
    )
    assert json.loads(json.dumps(server.requests[0][2]))["text"]["body"] == words

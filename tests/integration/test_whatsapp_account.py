"""What we ask Meta about token, number and account, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.whatsapp.account import MANAGEMENT, MESSAGING, AccountClient, NumberFacts, WebhookEntry
from services.whatsapp.errors import AccountError

TOKEN = "EAAG-very-secret"


class Graph:
    """Answers what it was told, path by path, and remembers who asked for what."""

    def __init__(self, answers: dict[str, Any], *, hang: bool = False) -> None:
        self.answers, self.hang = answers, hang
        self.asked: list[tuple[str, str, str]] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path, request.headers["Authorization"]))
        if self.hang:
            await asyncio.Event().wait()
        status, answer = self.answers.get(request.path, (404, "no such page"))
        return web.json_response(answer, status=status) if isinstance(answer, dict) else web.Response(text=answer)


@asynccontextmanager
async def asking(graph: Graph, seconds: float = 5) -> AsyncIterator[AccountClient]:
    """Our side of it."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", graph.serve)
    async with TestServer(app, shutdown_timeout=0.1) as server, aiohttp.ClientSession() as session:
        root = str(server.make_url("/"))
        yield AccountClient(session, api_url=root, api_version="v26.0", access_token=TOKEN, timeout_seconds=seconds)


async def test_a_token_is_read_as_meta_describes_it():
    """App, permissions, the accounts they are for, and 0 for "never expires"."""
    told = {
        "app_id": "670843887433847",
        "application": "JaspersMarket",
        "type": "SYSTEM_USER",
        "expires_at": 0,
        "is_valid": True,
        "scopes": [MESSAGING, "public_profile"],
        "granular_scopes": [{"scope": MANAGEMENT, "target_ids": ["102289599326934"]}, {"scope": MESSAGING}],
    }
    async with asking(Graph({"/v26.0/debug_token": (200, {"data": told})})) as account:
        facts = await account.token()
    assert (facts.valid, facts.app_id, facts.app_name, facts.expires_at) == (
        True,
        "670843887433847",
        "JaspersMarket",
        None,
    )
    assert {MESSAGING, MANAGEMENT} <= facts.permissions
    assert facts.targets == {MANAGEMENT: ("102289599326934",)}


@pytest.mark.parametrize("expires_at", [1_893_456_000_000, -(10**15), 10**30, "soon", True])
async def test_an_end_that_is_no_moment_is_none(expires_at):
    """Milliseconds for seconds, or worse: a date that cannot be written is no reason to fall over."""
    told = {"data": {"is_valid": True, "expires_at": expires_at}}
    async with asking(Graph({"/v26.0/debug_token": (200, told)})) as account:
        assert (await account.token()).expires_at is None


async def test_what_meta_leaves_out_is_none():
    """A number without quality or status, an app without a name, a form of another product: nothing breaks."""
    answers = {
        "/v26.0/777": (200, {"id": "777"}),
        "/v26.0/1/subscribed_apps": (200, {"data": [{"whatsapp_business_api_data": {"id": "9"}}, {}, 5]}),
        "/v26.0/9/subscriptions": (200, {"data": [{"object": "page", "callback_url": "https://other.example"}]}),
    }
    async with asking(Graph(answers)) as account:
        assert await account.number("777") == NumberFacts("777")
        assert [(app.id, app.name) for app in await account.subscribed_apps("1")] == [("9", None)]
        assert await account.webhook_form("9", "app secret") is None


async def test_the_webhook_form_is_read_with_the_apps_own_token():
    """Meta wants app id and secret there; nothing else of ours goes along."""
    form = {
        "object": "whatsapp_business_account",
        "callback_url": "https://bot.example/webhooks/whatsapp",
        "active": False,
        "fields": [{"name": "messages", "version": "v26.0"}],
    }
    graph = Graph({"/v26.0/9/subscriptions": (200, {"data": [form]})})
    async with asking(graph) as account:
        entry = await account.webhook_form("9", "app secret")
    assert entry == WebhookEntry("https://bot.example/webhooks/whatsapp", frozenset({"messages"}), active=False)
    assert graph.asked == [("GET", "/v26.0/9/subscriptions", "Bearer 9|app secret")]


async def test_a_refusal_keeps_metas_code_and_hides_the_token():
    """Meta may quote the token in its words: it is cut out."""
    error = {"message": f"Malformed access token {TOKEN}", "code": 190}
    async with asking(Graph({"/v26.0/777": (401, {"error": error})})) as account:
        with pytest.raises(AccountError) as caught:
            await account.number("777")
    assert (caught.value.code, caught.value.http_status) == (190, 401)
    assert TOKEN not in str(caught.value)
    assert "[token]" in caught.value.details


@pytest.mark.parametrize("answer", ["<html>a proxy</html>", "[]", ""])
async def test_what_is_not_metas_json_is_an_error(answer):
    """A page of a proxy is not taken for an empty answer."""
    async with asking(Graph({"/v26.0/777": (200, answer)})) as account:
        with pytest.raises(AccountError, match="JSON"):
            await account.number("777")


async def test_silence_and_no_server_are_errors_without_the_address():
    """Both end in time; the address, which may hold the token, is in neither."""
    async with asking(Graph({}, hang=True), seconds=0.05) as account:
        with pytest.raises(AccountError, match=r"no answer within 0\.05 s") as silent:
            await account.token()
    async with aiohttp.ClientSession() as session:
        nobody = AccountClient(
            session, api_url="http://127.0.0.1:9", api_version="v26.0", access_token=TOKEN, timeout_seconds=5
        )
        with pytest.raises(AccountError, match="no connection") as refused:
            await nobody.token()
    for error in (silent.value, refused.value):
        assert error.http_status is None
        assert TOKEN not in str(error)
        assert "127.0.0.1" not in str(error)


async def test_a_subscription_must_be_confirmed():
    """200 without success is no subscription."""
    async with asking(Graph({"/v26.0/1/subscribed_apps": (200, {"success": False})})) as account:
        with pytest.raises(AccountError, match="confirm"):
            await account.subscribe("1")

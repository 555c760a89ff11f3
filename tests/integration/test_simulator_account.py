import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.simulator.faults import FaultKind
from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from tests.fakes.fake_clock import FakeClock
from tests.fakes.webhook_door import WebhookDoor
from tests.fakes.whatsapp_business import ACCOUNT, MARIA, NUMBER, TOKEN, code, open_business


class Owner:
    """Asks the simulated Graph API about account, number and token."""

    def __init__(self, simulator: Simulator, clock: FakeClock, session: aiohttp.ClientSession) -> None:
        self.simulator, self.clock, self.session = simulator, clock, session

    async def ask(self, path: str, *, method: str = "GET", token: str = "token", body: Any = None) -> Any:
        """The HTTP status and the JSON answer."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.simulator.url}/v26.0/{path}"
        async with self.session.request(method, url, headers=headers, json=body) as answer:
            return answer.status, await answer.json()

    async def refusal(self, path: str, **more: Any) -> tuple[int, int, int | None]:
        """HTTP status, code and subcode."""
        status, answer = await self.ask(path, **more)
        return status, answer["error"]["code"], answer["error"].get("error_subcode")


@asynccontextmanager
async def owner(**settings: Any) -> AsyncIterator[Owner]:
    clock = FakeClock()
    asked = SimulatorSettings("secret", "token", "777", "http://127.0.0.1:1", **settings)
    async with aiohttp.ClientSession() as session, Simulator.running(clock, random.Random(7), asked) as simulator:
        yield Owner(simulator, clock, session)


async def test_a_token_says_what_it_may():
    """debug_token names app, permissions and expiry of a token, and calls a foreign one invalid."""
    async with owner() as meta:
        meta.simulator.account.token_expires_at = meta.clock.now() + 60_000
        status, answer = await meta.ask("debug_token?input_token=token")
        assert status == 200
        assert answer["data"]["is_valid"]
        assert answer["data"]["expires_at"] == (meta.clock.now() + 60_000) // 1000
        assert set(answer["data"]["scopes"]) == {"whatsapp_business_management", "whatsapp_business_messaging"}
        _, foreign = await meta.ask("debug_token?input_token=other")
        assert (foreign["data"]["is_valid"], foreign["data"]["error"]["code"]) == (False, 190)


async def test_a_number_shows_the_fields_that_were_asked_for():
    """`fields` chooses; the id is always there; a field that there is not is refused."""
    async with owner() as meta:
        _, answer = await meta.ask("777?fields=verified_name,quality_rating,status")
        assert answer == {"verified_name": "Business", "quality_rating": "GREEN", "status": "CONNECTED", "id": "777"}
        assert (await meta.refusal("777?fields=shoe_size"))[1] == 100
        _, numbers = await meta.ask(f"{ACCOUNT}/phone_numbers")
        assert [number["id"] for number in numbers["data"]] == ["777"]


async def test_an_account_is_subscribed_and_unsubscribed():
    """POST subscribes the app, GET shows it, DELETE ends it."""
    async with owner(subscribed=False) as meta:
        assert await meta.ask(f"{ACCOUNT}/subscribed_apps") == (200, {"data": []})
        assert await meta.ask(f"{ACCOUNT}/subscribed_apps", method="POST") == (200, {"success": True})
        _, answer = await meta.ask(f"{ACCOUNT}/subscribed_apps")
        assert [app["whatsapp_business_api_data"]["id"] for app in answer["data"]] == ["670843887433847"]
        await meta.ask(f"{ACCOUNT}/subscribed_apps", method="DELETE")
        assert await meta.ask(f"{ACCOUNT}/subscribed_apps") == (200, {"data": []})


async def test_the_webhook_form_wants_the_apps_own_token():
    """App id and secret read where Meta posts, and what; the account's token or a wrong secret do not."""
    async with owner() as meta:
        _, answer = await meta.ask("670843887433847/subscriptions", token="670843887433847|secret")
        assert [(each["callback_url"], each["fields"][0]["name"]) for each in answer["data"]] == [
            ("http://127.0.0.1:1", "messages")
        ]
        assert (await meta.refusal("670843887433847/subscriptions"))[:2] == (401, 190)
        assert (await meta.refusal("1/subscriptions", token="670843887433847|secret"))[1] == 100


async def test_an_own_callback_must_return_the_challenge():
    """A callback address of its own is taken after the handshake, and refused when the challenge does not return."""

    async def callback(request: web.Request) -> web.Response:
        right = request.query["hub.verify_token"] == "verify"
        return web.Response(text=request.query["hub.challenge"]) if right else web.Response(status=403)

    app = web.Application()
    app.router.add_get("/hook", callback)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    uri = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        async with owner() as meta:
            path = f"{ACCOUNT}/subscribed_apps"
            wrong = {"override_callback_uri": uri, "verify_token": "other"}
            assert (await meta.refusal(path, method="POST", body=wrong))[1] == 100
            await meta.ask(path, method="POST", body=wrong | {"verify_token": "verify"})
            _, answer = await meta.ask(path)
            assert answer["data"][0]["override_callback_uri"] == uri
    finally:
        await runner.cleanup()


async def test_an_own_callback_gets_the_messages():
    """What customers write and what became of sends goes to the account's own address, all else to the app's."""
    template = {"name": "hello_world", "language": "en_US", "status": "PAUSED"}
    async with WebhookDoor.open("secret") as own, open_business() as meta:
        asked = {"override_callback_uri": own.url, "verify_token": "verify"}
        assert (await meta.ask("POST", f"{ACCOUNT}/subscribed_apps", json=asked))[0] == 200
        _, number = await meta.ask("GET", f"{NUMBER}?fields=webhook_configuration")
        assert number["webhook_configuration"] == {"application": meta.door.url, "whatsapp_business_account": own.url}
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.decide_template(**template)
        await meta.text()
        meta.simulator.faults.set(FaultKind.STATUS_FIRST, next=1)
        await meta.text()
        await meta.simulator.webhooks_settled()
        assert [message["text"]["body"] for message in own.items("messages")] == ["Hi"]
        assert [status["status"] for status in own.items("statuses")] == ["sent", "delivered", "read"] * 2
        assert [value["event"] for value in meta.door.values()] == ["PAUSED"]
        assert (await meta.ask("POST", f"{ACCOUNT}/subscribed_apps"))[0] == 200
        await meta.simulator.customer_says(MARIA, "Here again")
        await meta.simulator.webhooks_settled()
        assert [message["text"]["body"] for message in meta.door.items("messages")] == ["Here again"]


@pytest.mark.parametrize("uri", ["https://example.com/hook", "http://[x", "ftp://127.0.0.1/", "", 7])
async def test_no_other_machine_is_called(uri):
    """A callback beyond this machine is refused, and so is what is no address."""
    async with open_business() as meta:
        asked = {"override_callback_uri": uri, "verify_token": "verify"}
        assert code(await meta.ask("POST", f"{ACCOUNT}/subscribed_apps", json=asked)) == 100


@pytest.mark.parametrize("body", [b"[]", b"{", b'"on"'])
async def test_a_subscription_is_an_object_or_nothing(body):
    """Anything else in the body is refused as Meta refuses it."""
    headers = TOKEN | {"Content-Type": "application/json"}
    async with open_business() as meta:
        url = f"{meta.simulator.url}/v26.0/{ACCOUNT}/subscribed_apps"
        async with meta.session.post(url, data=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, 100)


async def test_without_a_subscription_statuses_stay_away_too():
    """Also those that would come before the answer."""
    async with open_business(subscribed=False, check_window=False) as meta:
        meta.simulator.faults.set(FaultKind.STATUS_FIRST, next=1)
        assert code(await meta.text()) == 0
        await meta.simulator.webhooks_settled()
        assert meta.door.bodies == []


PATHS = ["777", ACCOUNT, f"{ACCOUNT}/phone_numbers", f"{ACCOUNT}/subscribed_apps"]


@pytest.mark.parametrize("path", [*PATHS, "debug_token?input_token=token"])
async def test_an_expired_token_is_code_190(path):
    """From the second of its expiry a token opens nothing any more."""
    async with owner() as meta:
        meta.simulator.account.token_expires_at = meta.clock.now() + 5000
        await meta.clock.advance(4)
        assert (await meta.ask(path))[0] == 200
        await meta.clock.advance(1)
        assert await meta.refusal(path) == (401, 190, 463)


@pytest.mark.parametrize("path", PATHS)
async def test_a_missing_permission_is_code_200(path):
    """Without whatsapp_business_management nothing about account and number is told."""
    async with owner() as meta:
        meta.simulator.account.scopes = ("whatsapp_business_messaging",)
        assert await meta.refusal(path) == (403, 200, None)


async def test_without_the_permission_to_send_nothing_is_sent():
    """Without whatsapp_business_messaging a send is code 10."""
    async with owner() as meta:
        meta.simulator.account.scopes = ("whatsapp_business_management",)
        send = {"messaging_product": "whatsapp", "to": "+12025550101", "type": "text", "text": {"body": "Hi"}}
        assert await meta.refusal("777/messages", method="POST", body=send) == (403, 10, None)


@pytest.mark.parametrize("path", ["778", "1/phone_numbers", "1/subscribed_apps"])
async def test_an_unknown_id_is_code_100_with_subcode_33(path):
    """An id that is not ours is told as Graph tells it."""
    async with owner() as meta:
        assert await meta.refusal(path) == (400, 100, 33)


async def test_any_call_can_be_made_to_fail():
    """A fault names the call that it strikes, and leaves the others alone."""
    async with owner() as meta:
        meta.simulator.faults.set(FaultKind.REFUSED, next=1, code=80007, call="subscribed_apps")
        assert (await meta.ask("777"))[0] == 200
        assert (await meta.refusal(f"{ACCOUNT}/subscribed_apps"))[1] == 80007
        assert (await meta.ask(f"{ACCOUNT}/subscribed_apps"))[0] == 200
        meta.simulator.faults.set(FaultKind.DOWN, next=1, call="any")
        with pytest.raises(aiohttp.ClientError):
            await meta.ask(f"{ACCOUNT}/subscribed_apps", method="POST")

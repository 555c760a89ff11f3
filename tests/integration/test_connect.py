"""`concierge connect` against the simulated WhatsApp and our own webhook, over real sockets."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.commands.connect import Wanted, check_test_message, connect
from bot.commands.failures import CommandError, Exit
from bot.commands.findings import State
from bot.data_directory import owned_directory
from bot.settings import Settings
from bot.simulator.faults import FaultKind
from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from bot.webhook import DEFAULT_APP, WEBHOOK, Webhook, install_webhook
from tests.fakes.fake_clock import FakeClock
from tests.integration.conftest import Stage

SECRETS = {"token": "EAAG-the-token", "app": "the-app-secret", "verify": "the-verify-token", "admin": "the-admin-token"}
NUMBER, ACCOUNT, APP = "106540352242922", "102290129340398", "670843887433847"
DAY_MS = 86_400_000


@dataclass
class Shop:
    """An owner at the terminal: the simulated Meta, the settings, and the command."""

    meta: Simulator
    settings: Settings
    clock: FakeClock
    url: str
    capsys: pytest.CaptureFixture[str]

    async def connect(self, *, settings: dict[str, Any] | None = None, **wanted: str) -> tuple[Exit, dict[str, Any]]:
        """Exit code and findings by name; nothing secret was printed."""
        changed = self.settings.model_copy(update=settings or {})
        code = await connect(changed, self.clock, Wanted(**wanted), as_json=True)
        out = self.capsys.readouterr().out
        assert not [secret for secret in SECRETS.values() if secret in out]
        report = json.loads(out)
        assert report["ok"] is (code is Exit.OK)
        return code, {each["name"]: each for each in report["checks"]}


@pytest.fixture
async def shop(
    stage: Stage, tmp_path: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Shop]:
    """A listening webhook, a simulated Meta, and settings that fit both."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(stage.running())
        app = web.Application()
        install_webhook(app)
        app[WEBHOOK] = Webhook(parts.inbox, {DEFAULT_APP: (SECRETS["app"],)}, SECRETS["verify"], stage.metrics)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        asked = SimulatorSettings(
            SECRETS["app"], SECRETS["token"], NUMBER, f"{url}/webhooks/whatsapp", subscribed=False
        )
        meta = await stack.enter_async_context(Simulator.running(clock, random.Random(7), asked))
        settings = Settings.model_validate(
            {
                "whatsapp_access_token": SECRETS["token"],
                "whatsapp_phone_number_id": NUMBER,
                "whatsapp_verify_token": SECRETS["verify"],
                "whatsapp_app_secret": SECRETS["app"],
                "whatsapp_api_url": meta.url,
                "concierge_admin_token": SECRETS["admin"],
                "concierge_data_dir": tmp_path / "data",
            }
        )
        yield Shop(meta, settings, clock, url, capsys)


def states(found: dict[str, Any]) -> dict[str, str]:
    return {name: each["state"] for name, each in found.items()}


async def test_a_number_that_is_ready(shop):
    """Every check is fine, the account is subscribed, and the test message arrives."""
    await shop.meta.customer_says("491510000001", "hello")
    code, found = await shop.connect(url=shop.url, to="+49 151 0000001")
    assert code is Exit.OK
    expected = ("Settings", "Token", "Permissions", "App secret", "Webhook form", "Number", "Account", "Subscription")
    assert [name for name, state in states(found).items() if state == "ok"] == [*expected, "Webhook", "Test message"]
    assert states(found)["Server"] == "warning"
    assert "subscribed just now" in found["Subscription"]["text"]
    assert ACCOUNT in found["Account"]["text"]
    assert shop.meta.account.subscribed == {}
    assert "test message" in (await shop.meta.next_reply("491510000001")).text
    _, again = await shop.connect()
    assert "just now" not in again["Subscription"]["text"]


async def test_for_people_it_is_a_line_a_check(shop, capsys):
    """A mark, a name and a text; what to do stands below; the last line says how it is, and what nobody looked at."""
    await connect(shop.settings, shop.clock, Wanted(), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("✓ Settings")
    assert any(" Test message" in line and "--to" in line for line in lines)
    assert any("callback URL https://<your host>/webhooks/whatsapp" in line for line in lines)
    assert lines[-1].startswith("Nothing wrong found; not checked: Webhook.")
    await connect(shop.settings, shop.clock, Wanted(url=shop.url), as_json=False)
    assert capsys.readouterr().out.splitlines()[-1].startswith("Ready.")
    assert not [secret for secret in SECRETS.values() if secret in "\n".join(lines)]


async def test_a_running_server_is_asked_at_its_own_address(shop):
    """The server of the data directory takes handshake and signature with these settings, or it is said why not."""
    async with owned_directory(shop.settings.concierge_data_dir, clock=shop.clock, wait_seconds=0) as directory:
        await directory.announce("127.0.0.1", int(shop.url.rpartition(":")[2]), shop.clock.now())
        _, found = await shop.connect()
        assert states(found)["Server"] == "ok"
        code, found = await shop.connect(settings={"whatsapp_verify_token": SecretStr("new")})
    assert code is Exit.FAILED
    assert "refuses our verify token" in found["Server"]["text"]
    assert "restart" in found["Server"]["advice"]


@pytest.mark.parametrize(
    ("change", "name", "state", "says"),
    [
        ({"token_expires_at": 1}, "Token", "problem", "code 190"),
        ({"scopes": ["whatsapp_business_messaging"]}, "Permissions", "problem", "whatsapp_business_management"),
        ({"scopes": ["whatsapp_business_messaging"]}, "Number", "problem", "permission is missing (code 200)"),
        ({"status": "PENDING"}, "Number", "problem", "status is PENDING"),
        ({"quality_rating": "RED"}, "Number", "warning", "block or report"),
    ],
)
async def test_what_is_wrong_at_meta_is_named(shop, change, name, state, says):
    """Expired token, missing permission, unregistered or unloved number: found at the right check, with advice."""
    shop.meta.account.change(change)
    code, found = await shop.connect()
    assert found[name]["state"] == state
    assert says in found[name]["text"]
    assert found[name]["advice"]
    assert (code is Exit.FAILED) is (state == "problem")


async def test_a_token_that_ends_soon_is_a_warning(shop):
    """Under 14 days it is said; the exit code stays 0."""
    shop.meta.account.token_expires_at = shop.clock.now() + 13 * DAY_MS
    code, found = await shop.connect()
    assert (code, states(found)["Token"]) == (Exit.OK, "warning")
    assert "expires on 2025-10-22" in found["Token"]["text"]


async def test_a_wrong_token_leaves_the_rest_unasked(shop):
    """One problem, not six that follow from it."""
    wrong = SecretStr("EAAG-wrong")
    code, found = await shop.connect(settings={"whatsapp_access_token": wrong}, to="+491510000001")
    assert code is Exit.FAILED
    assert [name for name, state in states(found).items() if state == "problem"] == ["Token"]
    assert "system user" in found["Token"]["advice"].lower()
    assert states(found)["Test message"] == "not checked"


async def test_the_phone_typed_for_its_id_is_recognised(shop):
    """Whoever puts the phone number into WHATSAPP_PHONE_NUMBER_ID is told the id."""
    _, found = await shop.connect(settings={"whatsapp_phone_number_id": "15550783881"})
    assert f"Its id is {NUMBER}" in found["Number"]["advice"]
    _, found = await shop.connect(settings={"whatsapp_phone_number_id": "42"})
    assert f"{NUMBER} (15550783881)" in found["Number"]["advice"]


async def test_a_foreign_account_is_named(shop):
    """An account that is not there, or not ours, is found before anything is subscribed."""
    _, found = await shop.connect(settings={"whatsapp_business_account_id": "5"})
    assert (states(found)["Account"], states(found)["Subscription"]) == ("problem", "problem")
    assert "WHATSAPP_BUSINESS_ACCOUNT_ID" in found["Account"]["advice"]


async def test_a_wrong_app_secret_is_found_without_a_webhook(shop):
    """Meta itself says that the secret is not the app's; with two, one right one is enough."""
    other = SecretStr("wrong")
    _, found = await shop.connect(settings={"whatsapp_app_secret": other})
    assert states(found)["App secret"] == "problem"
    both = SecretStr(f"wrong,{SECRETS['app']}")
    _, found = await shop.connect(settings={"whatsapp_app_secret": both})
    assert states(found)["App secret"] == "ok"


async def test_a_server_with_another_secret_is_found(shop):
    """What we sign is refused there: 401 has its own sentence."""
    both = SecretStr(f"{SECRETS['app']},newer")
    code, found = await shop.connect(settings={"whatsapp_app_secret": both}, url=shop.url)
    assert code is Exit.FAILED
    assert "(401)" in found["Webhook"]["text"]


async def test_an_address_where_something_else_answers(shop):
    """The simulator's own page is no webhook; a closed port answers nothing; another path is kept as it is."""
    _, found = await shop.connect(url=f"{shop.meta.url}/")
    assert "does not answer the handshake" in found["Webhook"]["text"]
    _, found = await shop.connect(url="http://127.0.0.1:9/webhooks/whatsapp")
    assert "ClientConnectorError" in found["Webhook"]["text"]
    _, found = await shop.connect(url=f"{shop.url}/other/path")
    assert "/other/path" in found["Webhook"]["text"]
    assert states(found)["Webhook form"] == "warning"


@pytest.mark.parametrize(
    "url",
    [
        *("http://bot.example", "bot.example", "https://u:p@bot.example", "https://[", "ftp://a"),
        *("https://bot..example", f"https://{'b' * 80}.example"),
    ],
)
async def test_an_address_that_meta_cannot_use_is_a_sentence(shop, url):
    """Nothing is asked, and the verify token does not travel in the clear."""
    with pytest.raises(CommandError, match="--url"):
        await shop.connect(url=url)


@pytest.mark.parametrize("phone", ["12", "abc", "+0151", "1" * 16])
async def test_a_phone_that_is_none_is_a_sentence(shop, phone):
    """Before anything is sent."""
    with pytest.raises(CommandError, match="--to"):
        await shop.connect(to=phone)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (131047, "within the last 24 hours"),
        (131030, "at most 5 phones"),
        (133010, "Register the number"),
        (190, "Make a new token"),
        (10, "full control"),
        (100, "country code"),
        (131042, "payment"),
        (80007, "goes on by itself"),
    ],
)
async def test_every_refusal_of_the_test_message_says_what_to_do(shop, code, says):
    """Meta's code decides about the advice."""
    shop.meta.faults.set(FaultKind.REFUSED, next=1, code=code)
    ended, found = await shop.connect(to="+491510000001")
    assert ended is Exit.FAILED
    assert f"code {code}" in found["Test message"]["text"]
    assert says in found["Test message"]["advice"]


async def test_a_closed_window_is_explained(shop):
    """A phone that never wrote gets no free text: 131047 as the simulator says it."""
    _, found = await shop.connect(to="+491510000001")
    assert "code 131047" in found["Test message"]["text"]
    assert "hello_world" in found["Test message"]["advice"]


async def test_an_answer_that_got_lost_is_no_failure(shop):
    """The message may have gone: look before it is repeated."""
    await shop.meta.customer_says("491510000001", "hello")
    shop.meta.faults.set(FaultKind.ANSWER_LOST, next=1)
    code, found = await shop.connect(to="+491510000001")
    assert (code, states(found)["Test message"]) == (Exit.OK, "warning")


async def test_a_test_message_without_a_connection_is_a_problem(shop):
    """Nothing can have arrived: that is said, with where to look, and the number is not called ready."""
    await shop.meta.stop_listening()
    async with aiohttp.ClientSession() as session:
        found = await check_test_message(session, shop.settings, "491510000001", None)
    assert found.state is State.PROBLEM
    assert "It was not sent" in found.text
    assert "network and firewall" in found.advice


async def test_a_callback_that_is_still_to_be_entered_is_no_failure(shop):
    """The form at Meta comes after the first look: a warning without --url, a problem with it."""
    asked = SimulatorSettings(SECRETS["app"], SECRETS["token"], NUMBER, webhook_url="", subscribed=False)
    async with Simulator.running(shop.clock, random.Random(7), asked) as meta:
        code, found = await shop.connect(settings={"whatsapp_api_url": meta.url})
        assert (code, states(found)["Webhook form"]) == (Exit.OK, "warning")
        assert "callback URL https://<your host>/webhooks/whatsapp" in found["Webhook form"]["advice"]
        code, found = await shop.connect(settings={"whatsapp_api_url": meta.url}, url=shop.url)
        assert (code, states(found)["Webhook form"]) == (Exit.FAILED, "problem")


async def test_meta_away_is_one_problem(shop):
    """Not reached at all: said once, with where to look."""
    code, found = await shop.connect(settings={"whatsapp_api_url": "http://127.0.0.1:9"})
    assert code is Exit.FAILED
    assert "cannot be reached" in found["Token"]["text"]
    assert "Number" not in found


async def test_a_busy_meta_is_not_the_owners_fault(shop):
    """A rate limit on one question asks for patience and hides nothing else."""
    shop.meta.faults.set(FaultKind.REFUSED, next=1, code=80007, call="debug_token")
    _, found = await shop.connect(settings={"whatsapp_business_account_id": ACCOUNT})
    assert (states(found)["Token"], states(found)["Number"]) == ("warning", "ok")
    assert states(found)["Subscription"] == "ok"


async def test_nothing_set_yet(shop):
    """The first run names every setting and asks nobody."""
    empty = Settings.model_validate({"concierge_data_dir": shop.settings.concierge_data_dir})
    code = await connect(empty, shop.clock, Wanted(), as_json=True)
    found = {each["name"]: each for each in json.loads(shop.capsys.readouterr().out)["checks"]}
    assert code is Exit.FAILED
    assert "WHATSAPP_ACCESS_TOKEN" in found["Settings"]["text"]
    assert set(states(found).values()) == {"problem", "not checked"}

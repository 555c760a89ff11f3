"""`concierge connect` and `doctor` as an owner runs them, beside a running server and a simulated WhatsApp."""

import json

import pytest

from tests.e2e.processes import ACCESS_TOKEN, ADMIN_TOKEN, APP_SECRET, VERIFY_TOKEN, concierge
from tests.e2e.stage import running_stage

pytestmark = pytest.mark.blocking_allowed  # the tests wait for processes

SECRETS = (ACCESS_TOKEN, ADMIN_TOKEN, APP_SECRET, VERIFY_TOKEN)
PHONE = "491510000001"


async def test_a_number_is_connected_and_looked_after(tmp_path):
    """Subscribed, reached from outside, a test message on the phone; then one line a fault; no secret is printed."""
    async with running_stage(tmp_path) as stage:
        await stage.simulator.customer_says(PHONE, "thanks")
        await stage.reply(PHONE)
        stage.simulator.account.subscribed = None
        code, out, err = await concierge(
            stage.server, "connect", "--json", "--url", stage.server.url, "--to", f"+{PHONE}"
        )
        assert code == 0, out + err
        found = {each["name"]: each for each in json.loads(out)["checks"]}
        assert {name: each["state"] for name, each in found.items()} == dict.fromkeys(found, "ok")
        assert {"Token", "Number", "Subscription", "Server", "Webhook", "Test message"} <= set(found)
        assert stage.simulator.account.subscribed == {}
        assert "test message" in (await stage.reply(PHONE)).text

        code, out, err = await concierge(stage.server, "doctor", "--online")
        assert code == 0, out + err
        assert "No problem was found." in out
        assert "Server: chat" in out
        assert not [secret for secret in SECRETS if secret in out + err]

        stage.simulator.account.token_expires_at = 1
        code, out, err = await concierge(stage.server, "connect")
        assert (code, "code 190" in out) == (1, True), out + err
        code, out, err = await concierge(stage.server, "doctor", "--online", "--json")
        assert code == 1
        assert "code 190" in " ".join(json.loads(out)["problems"])
        assert "Traceback" not in err
        assert not [secret for secret in SECRETS if secret in out + err]

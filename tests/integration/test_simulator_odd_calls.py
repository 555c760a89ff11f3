"""Calls of the simulated Graph API that no rule foresaw are refused as Meta does, never a bare 500."""

from typing import Any

import pytest

from tests.fakes.whatsapp_business import ACCOUNT, MARIA, NUMBER, open_business

JSON = "application/json"
FORM = "multipart/form-data; boundary=x"
LOCATION = b'{"messaging_product": "whatsapp", "to": "+12025550101", "type": "location", "location": %s}'
CALL = (
    b'{"messaging_product": "whatsapp", "to": "+12025550101", "type": "interactive", "interactive": {"type":'
    b' "voice_call", "body": {"text": "Call"}, "action": {"name": "voice_call", "parameters": ["x"]}}}'
)
BEYOND = b'{"latitude": 1' + b"0" * 400 + b', "longitude": 1}'


@pytest.mark.parametrize(
    ("method", "path", "kind", "body"),
    [
        ("POST", f"{NUMBER}/messages", JSON, b"["),
        ("POST", f"{NUMBER}/messages", JSON, b"[]"),
        ("POST", f"{NUMBER}/messages", JSON, LOCATION % BEYOND),
        ("POST", f"{NUMBER}/messages", JSON, LOCATION % b'{"latitude": NaN, "longitude": 1}'),
        ("POST", f"{NUMBER}/messages", JSON, CALL),
        ("POST", f"{NUMBER}/media", FORM, b"no form at all"),
        ("POST", f"{NUMBER}/media", FORM, b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nnever ends'),
        ("POST", f"{ACCOUNT}/subscribed_apps", JSON, b"{"),
        ("POST", f"{ACCOUNT}/subscribed_apps", JSON, b"[1]"),
        ("POST", f"{ACCOUNT}/message_templates", JSON, b'{"name": ["a"], "components": 1}'),
        ("GET", f"{ACCOUNT}/message_templates?limit=-1&after=x", JSON, b""),
        ("GET", f"{NUMBER}?fields=%00", JSON, b""),
        ("DELETE", f"{ACCOUNT}/message_templates?hsm_id=x", JSON, b""),
    ],
)
async def test_an_odd_call_is_a_bad_parameter(method: str, path: str, kind: str, body: bytes):
    """A parameter is wrong or missing, by Meta's codes and with status 400, and nothing is taken."""
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        sent: dict[str, Any] = {
            "data": body or None,
            "headers": {"Content-Type": kind, "Authorization": "Bearer token"},
        }
        async with meta.session.request(method, f"{meta.simulator.url}/v26.0/{path}", **sent) as answer:
            document = await answer.json()
        assert (answer.status, document["error"]["code"]) in {(400, 100), (400, 131008), (400, 131009)}
        assert not meta.simulator.sent

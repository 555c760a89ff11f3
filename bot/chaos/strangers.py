"""People without a signature or a token, who try all the same."""

import hashlib
import hmac
import json

import aiohttp

from bot.chaos.stage import Stage
from database.records import new_id

PHONE = "4915099999999"
TEXT = "Send all your documents to this number."
PAUSE_SECONDS = 0.7
REFUSALS = frozenset({401, 403})
DOORS = ("/api/v1/businesses/default/conversations", "/api/v1/businesses/default/documents", "/metrics")


async def knock(stage: Stage) -> None:
    """Forged webhooks and calls with a guessed token, one after another, until it is over."""
    dice = stage.options.dice("strangers")
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(stage.server.url, timeout=timeout) as session:
        while not stage.over.is_set():
            await _try(stage, session, "POST", "/webhooks/whatsapp", *_forged(stage))
            token = dice.choice(("", "Bearer ", "Bearer guessed", "Basic YWRtaW46YWRtaW4="))
            headers = {"Authorization": token} if token else {}
            await _try(stage, session, "GET", dice.choice(DOORS), b"", headers)
            await stage.clock.sleep(PAUSE_SECONDS)


async def _try(
    stage: Stage, session: aiohttp.ClientSession, method: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    try:
        async with session.request(method, path, data=body or None, headers=headers) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return  # it was just killed: nobody was let in
    stage.diary.strangers["refused" if status in REFUSALS else "let in"] += 1
    if status not in REFUSALS:
        stage.diary.let_in.append(f"{method} {path} was answered {status}")


def _forged(stage: Stage) -> tuple[bytes, dict[str, str]]:
    """A webhook as it should be, signed by somebody who does not know the app's secret."""
    wamid = f"wamid.forged-{new_id()}"
    message = {"id": wamid, "from": PHONE, "timestamp": str(stage.clock.now() // 1000), "type": "text"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "15550783881",
            "phone_number_id": stage.server.secrets.phone_number_id,
        },
        "contacts": [{"profile": {"name": "Stranger"}, "wa_id": PHONE}],
        "messages": [message | {"text": {"body": TEXT}}],
    }
    entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    guessed = hmac.new(b"guessed", body, hashlib.sha256).hexdigest()
    return body, {"X-Hub-Signature-256": f"sha256={guessed}", "Content-Type": "application/json"}

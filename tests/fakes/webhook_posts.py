"""Webhook bodies as Meta sends them, of our own making (WHATSAPP.md 2)."""

import hashlib
import hmac
import itertools
import json
from typing import Any

NUMBER = "106540352242922"
SECRET = "test_app_secret"
_numbers = itertools.count(1)


def new_wamid() -> str:
    return f"wamid.in{next(_numbers)}"


def envelope(*values: dict[str, Any]) -> bytes:
    changes = [{"field": "messages", "value": value} for value in values]
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}).encode()


def value(number: str = NUMBER, **parts: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550001111", "phone_number_id": number}
    return {"messaging_product": "whatsapp", "metadata": metadata, **parts}


def message(sender: str, sent_at: int, body: dict[str, Any], wamid: str | None = None) -> dict[str, Any]:
    return {"from": sender, "id": wamid or new_wamid(), "timestamp": str(sent_at // 1000), **body}


def text(sender: str, words: str, sent_at: int, wamid: str | None = None) -> bytes:
    """One text message from a phone."""
    said = message(sender, sent_at, {"type": "text", "text": {"body": words}}, wamid)
    contact = {"profile": {"name": "Ana"}, "wa_id": sender}
    return envelope(value(contacts=[contact], messages=[said]))


def button(sender: str, title: str, sent_at: int) -> bytes:
    reply = {"type": "button_reply", "button_reply": {"id": "b1", "title": title}}
    return envelope(value(messages=[message(sender, sent_at, {"type": "interactive", "interactive": reply})]))


def image(sender: str, sent_at: int) -> bytes:
    return envelope(
        value(messages=[message(sender, sent_at, {"type": "image", "image": {"id": "1", "mime_type": "image/png"}})])
    )


def status(wamid: str, state: str, attempt_id: str | None, at: int, error: int | None = None) -> bytes:
    found: dict[str, Any] = {"id": wamid, "status": state, "timestamp": str(at // 1000), "recipient_id": "4917"}
    if attempt_id:
        found["biz_opaque_callback_data"] = attempt_id
    if error:
        found["errors"] = [{"code": error, "title": "it failed"}]
    return envelope(value(statuses=[found]))


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()

"""The updates that WhatsApp posts to a business, and the signed envelope around them (WHATSAPP.md 1.2, 2 and 3.2)."""

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.simulator.customers import Bubble, Customer
from bot.simulator.refusals import status_error
from bot.simulator.settings import SimulatorSettings

MESSAGE_LISTS = ("messages", "statuses")


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One update. `list_name` is "messages", "statuses", or the name of another field, whose value `item` is.

    `alone` keeps it out of batches; `at` (epoch milliseconds) is when an update that is not about messages arose.

    `on_arrival` is called once, when the business has answered 200.
    """

    list_name: str
    item: dict[str, Any]
    customer_id: str
    contact: dict[str, Any] | None = None
    alone: bool = False
    on_arrival: Callable[[], None] | None = None
    at: int = 0


def message_item(customer: Customer, bubble: Bubble, content: dict[str, Any], business: str) -> dict[str, Any]:
    """An element of `messages[]`; `content` brings `type` and the object of that name."""
    item: dict[str, Any] = {"id": bubble.wamid, "timestamp": str(bubble.at // 1000), "from_user_id": customer.user_id}
    if customer.phone:
        item["from"] = customer.phone
    if bubble.quoted:
        item["context"] = {"from": business, "id": bubble.quoted}
    return item | content


def status_item(
    customer: Customer, bubble: Bubble, status: str, at: int, callback_data: str | None, category: str
) -> dict[str, Any]:
    """An element of `statuses[]` for sent, delivered, read and played; `category` is what it is billed as."""
    item: dict[str, Any] = {
        "id": bubble.wamid,
        "status": status,
        "timestamp": str(at // 1000),
        "recipient_user_id": customer.user_id,
        "pricing": {"billable": True, "pricing_model": "PMP", "category": category, "type": "regular"},
    }
    if customer.phone:
        item["recipient_id"] = customer.phone
    if callback_data is not None:
        item["biz_opaque_callback_data"] = callback_data
    return item


def failed_item(
    customer: Customer, bubble: Bubble, at: int, code: int, *, by_bsuid: bool, callback: str | None
) -> dict[str, Any]:
    """A failed status: names the recipient only as the send did."""
    item: dict[str, Any] = {
        "id": bubble.wamid,
        "status": "failed",
        "timestamp": str(at // 1000),
        "errors": [status_error(code, "The message could not be delivered.")],
    }
    item |= {"recipient_user_id": customer.user_id} if by_bsuid else {"recipient_id": customer.phone}
    if callback is not None:
        item["biz_opaque_callback_data"] = callback
    return item


def webhook_body(settings: SimulatorSettings, events: Sequence[WebhookEvent]) -> bytes:
    """One POST for several updates: one change for the messages, one for the statuses, one for each other update.

    Statuses without a contact, which are those of failures, have a change of their own (WHATSAPP.md 3.2).
    """
    changes = []
    for list_name, known in ((name, known) for name in MESSAGE_LISTS for known in (True, False)):
        chosen = [event for event in events if event.list_name == list_name and bool(event.contact) == known]
        if chosen:
            changes.append({"field": "messages", "value": _value(settings, list_name, chosen)})
    entry: dict[str, Any] = {"id": settings.account_id, "changes": changes}
    for event in events:
        if event.list_name not in MESSAGE_LISTS:
            entry["time"] = event.at // 1000
            changes.append({"field": event.list_name, "value": event.item})
    envelope = {"object": "whatsapp_business_account", "entry": [entry]}
    return json.dumps(envelope, separators=(",", ":")).encode()


def _value(settings: SimulatorSettings, list_name: str, events: list[WebhookEvent]) -> dict[str, Any]:
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": settings.display_phone_number,
            "phone_number_id": settings.phone_number_id,
        },
    }
    contacts = {event.customer_id: event.contact for event in events if event.contact}
    if contacts:
        value["contacts"] = list(contacts.values())
    value[list_name] = [event.item for event in events]
    return value


def signature(app_secret: str, body: bytes) -> str:
    """The value of `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()

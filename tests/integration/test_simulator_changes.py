"""Customers of the simulated WhatsApp who get another phone number, and with it another id (WHATSAPP.md 3.3)."""

import json

from bot.simulator.faults import FaultKind
from bot.simulator.settings import SimulatorSettings
from bot.simulator.webhook_events import WebhookEvent, webhook_body
from tests.fakes.whatsapp_business import HIDDEN, MARIA, code, open_business

NEW = "12025550199"
SETTINGS = SimulatorSettings("secret", "token", "777", "http://127.0.0.1:1")


async def test_a_new_number_is_told_with_both_ids():
    """From the old number, with the new one, the new id and the old; sends reach the customer there."""
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        old = meta.simulator.customers.meet(MARIA).user_id
        person = meta.simulator.phone.changes_number(MARIA, f"+{NEW}")
        await meta.simulator.webhooks_settled()
        item = meta.door.items("messages")[-1]
        assert item["from"] == MARIA
        assert item["system"] == {
            "type": "user_changed_number",
            "body": f"User {person.name} changed from {MARIA} to {NEW}",
            "wa_id": NEW,
            "user_id": person.user_id,
            "previous_user_id": old,
        }
        assert code(await meta.text(to=f"+{NEW}")) == 0
        assert code(await meta.text(to=f"+{MARIA}")) == 131047


async def test_a_hidden_phone_stays_hidden_when_it_changes():
    """Only the ids are told, no number in any update, and the customer is reached by the new id."""
    async with open_business() as meta:
        await meta.simulator.customer_says(HIDDEN, "Hi")
        person = meta.simulator.phone.changes_number(HIDDEN, NEW)
        assert (person.phone, person.id) == (None, person.user_id)
        assert person.id != HIDDEN
        assert code(await meta.text(recipient=person.id)) == 0
        assert code(await meta.text(recipient=HIDDEN)) == 131009
        assert code(await meta.text(to=f"+{NEW}")) == 131047
        await meta.simulator.customer_says(person.id, "Still me")
        await meta.simulator.webhooks_settled()
        item = next(item for item in meta.door.items("messages") if item["type"] == "system")
        assert "from" not in item
        assert item["system"] == {
            "type": "user_changed_user_id",
            "body": f"User {person.name} changed from {HIDDEN} to {person.id}",
            "user_id": person.id,
            "previous_user_id": HIDDEN,
        }
        assert NEW.encode() not in b"".join(meta.door.bodies)


async def test_updates_without_a_contact_have_none_beside_them():
    """`failed` and system messages bring no contacts, also when they share a POST with what does."""
    async with open_business(webhook_batch=100) as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.FAILED_LATER, next=1)
        await meta.text()
        meta.simulator.phone.changes_number(MARIA, NEW)
        await meta.simulator.webhooks_settled()
        values = [value for value in meta.door.values() if "contacts" not in value]
        alone = [item for value in values for name in ("messages", "statuses") for item in value.get(name, [])]
        assert sorted(item.get("type") or item["status"] for item in alone) == ["failed", "system"]
        events = [
            WebhookEvent("statuses", {"status": "sent"}, MARIA, {"user_id": HIDDEN}),
            WebhookEvent("statuses", {"status": "failed"}, MARIA),
        ]
        changes = json.loads(webhook_body(SETTINGS, events))["entry"][0]["changes"]
        assert ["contacts" in change["value"] for change in changes] == [True, False]

"""What else a customer does: files, places, cards, reactions, edits, a new number (WHATSAPP.md 2.2, 3.3)."""

from collections.abc import Sequence
from typing import Any

from bot.simulator.customer_side import CustomerSide
from bot.simulator.customers import Attachment, Bubble, Customer
from bot.simulator.media_rules import bare
from bot.simulator.webhook_events import WebhookEvent, message_item
from bot.simulator.world import World, new_wamid

KINDS = frozenset({"image", "video", "audio", "document", "sticker"})
CAPTIONED = frozenset({"image", "video", "document"})


class PhoneActions:
    """A customer is named by phone ("+" or not) or, when the phone is hidden, by BSUID."""

    def __init__(self, world: World, people: CustomerSide) -> None:
        self._world = world
        self._people = people

    def sends_file(
        self,
        customer: str,
        content: bytes,
        mime_type: str,
        *,
        kind: str | None = None,
        filename: str | None = None,
        caption: str | None = None,
        voice: bool = False,
        quoted: str | None = None,
    ) -> str:
        """Send a file; the wamid. `kind` follows from the type; `voice` makes it a voice note. Raises ValueError."""
        kind = kind or _kind(mime_type)
        if kind not in KINDS:
            raise ValueError(f"a file is sent as one of {', '.join(sorted(KINDS))}")
        self._people.meet(customer)
        now = self._world.clock.now()
        stored = self._world.media.keep(content, mime_type, now, filename, by_customer=True)
        facts: dict[str, Any] = {"id": stored.id, "mime_type": mime_type, "sha256": stored.sha256}
        if kind in CAPTIONED and caption:
            facts["caption"] = caption
        if kind == "document":
            facts["filename"] = filename or "file"
        facts |= {"voice": voice} if kind == "audio" else {}
        facts |= {"animated": False} if kind == "sticker" else {}
        shown = Attachment("voice" if voice else kind, mime_type, len(content), filename, stored.id)
        message = {"type": kind, kind: facts}
        return self._people.sends(customer, message, shown=caption or "", attachment=shown, quoted=quoted)

    def sends_location(
        self, customer: str, latitude: float, longitude: float, *, name: str | None = None, address: str | None = None
    ) -> str:
        """Send a place, in degrees; the wamid. Raises ValueError."""
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):  # noqa: PLR2004 - the earth's
            raise ValueError("a latitude is within ±90 degrees, a longitude within ±180")
        named = {key: value for key, value in (("name", name), ("address", address)) if value}
        place = {"latitude": latitude, "longitude": longitude} | named
        shown = " · ".join([*named.values(), f"{latitude:g}, {longitude:g}"])
        return self._people.sends(customer, {"type": "location", "location": place}, shown=shown)

    def sends_contacts(self, customer: str, cards: Sequence[tuple[str, str]]) -> str:
        """Send contact cards, each a name and a phone; the wamid."""
        contacts = [
            {"name": {"formatted_name": name, "first_name": name}, "phones": [{"phone": phone, "type": "CELL"}]}
            for name, phone in cards
        ]
        shown = "\n".join(f"{name} {phone}" for name, phone in cards)
        return self._people.sends(customer, {"type": "contacts", "contacts": contacts}, shown=shown)

    def reacts(self, customer: str, wamid: str, emoji: str) -> str:
        """React to a message, or take the reaction back with ""; the reaction's wamid. Raises ValueError."""
        person, bubble = self._on_phone(customer, wamid)
        bubble.reactions["customer"] = emoji
        if not emoji:
            del bubble.reactions["customer"]
        reaction = {"message_id": wamid} | ({"emoji": emoji} if emoji else {})
        return self._quietly(person, bubble, {"type": "reaction", "reaction": reaction})

    def edits(self, customer: str, wamid: str, text: str) -> str:
        """Change a text that was sent; the edit's wamid. Raises ValueError."""
        person, bubble = self._on_phone(customer, wamid, own=True)
        bubble.text, bubble.edited = text, True
        inner = {"type": "text", "text": {"body": text}, "context": {"id": wamid}}
        return self._quietly(person, bubble, {"type": "edit", "edit": {"original_message_id": wamid, "message": inner}})

    def revokes(self, customer: str, wamid: str) -> str:
        """Delete a message for everyone; the revocation's wamid. Raises ValueError."""
        person, bubble = self._on_phone(customer, wamid, own=True)
        bubble.text, bubble.revoked, bubble.attachment = "", True, None
        return self._quietly(person, bubble, {"type": "revoke", "revoke": {"original_message_id": wamid}})

    def changes_number(self, customer: str, phone: str) -> Customer:
        """Move to another phone: the BSUID changes with it, and a system message says so. Raises ValueError.

        Of somebody who hides the phone it tells the BSUIDs only (WHATSAPP.md 3.3).
        """
        person = self._people.meet(customer)
        was, old_phone = person.id, person.phone
        system = {"previous_user_id": self._world.customers.rename(person, phone), "user_id": person.user_id}
        system |= {"type": "user_changed_number" if old_phone else "user_changed_user_id"}
        system |= {"body": f"User {person.name} changed from {was} to {person.id}"}
        system |= {"wa_id": person.phone} if person.phone else {}
        now = self._world.clock.now()
        item: dict[str, Any] = {"id": new_wamid(person.id), "timestamp": str(now // 1000), "type": "system"}
        item |= {"system": system} | ({"from": old_phone} if old_phone else {})
        self._world.webhooks.post([WebhookEvent("messages", item, person.id)])
        self._world.feed.tell("customer", person.shown() | {"was": was})
        return person

    def prefers_marketing(self, customer: str, *, wanted: bool) -> None:
        """Stop or resume marketing messages, in the chat's settings (WHATSAPP.md 2.4)."""
        person, now = self._people.meet(customer), self._world.clock.now()
        person.wants_marketing = wanted
        preference = {"user_id": person.user_id, "category": "marketing_messages", "timestamp": now // 1000}
        preference |= {"value": "resume" if wanted else "stop", "detail": "User requested it"}
        preference |= {"wa_id": person.phone} if person.phone else {}
        number = {
            "display_phone_number": self._world.settings.display_phone_number,
            "phone_number_id": self._world.settings.phone_number_id,
        }
        value = {"messaging_product": "whatsapp", "metadata": number, "contacts": [person.contact()]}
        self._world.tell_account("user_preferences", value | {"user_preferences": [preference]})

    def _on_phone(self, customer: str, wamid: str, *, own: bool = False) -> tuple[Customer, Bubble]:
        person = self._people.meet(customer)
        bubble = self._world.customers.bubble(wamid)
        if bubble is None or self._world.customers.owner(wamid) is not person or (own and not bubble.by_customer):
            raise ValueError("this message is not in the chat")
        return person, bubble

    def _quietly(self, person: Customer, changed: Bubble, content: dict[str, Any]) -> str:
        """Post what is no message of its own: it shows on another one, and opens no window (WHATSAPP.md 5.1)."""
        self._world.rate.count_received()
        now = self._world.clock.now()
        event = Bubble(new_wamid(person.id), True, "", now, "sent")
        item = message_item(person, event, content, self._world.settings.display_phone_number)
        self._world.webhooks.post([WebhookEvent("messages", item, person.id, person.contact())])
        self._world.feed.tell("changed", changed.shown(person.id))
        return event.wamid


def _kind(mime_type: str) -> str:
    """As which type a phone sends a file."""
    family = bare(mime_type).partition("/")[0]
    if bare(mime_type) == "image/webp":
        return "sticker"
    return family if family in {"image", "video", "audio"} else "document"

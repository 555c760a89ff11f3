"""Splits a webhook body into its events; runs inside the webhook request."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

import orjson

from database.records import InboxEvent
from services.whatsapp.errors import UnsplittableError
from services.whatsapp.storable import storable

_MOST_EVENTS = 10_000
"""Meta promises at most 1,000 updates a POST (WHATSAPP.md 1.3)."""
_LONGEST_ID = 300

_KINDS: Final = {
    "calls": "call",
    "standby": "standby",
    "messaging_handovers": "standby",
    "conversation_context": "standby",
    "smb_message_echoes": "echo",
    "smb_app_state_sync": "coexistence",
    "history": "coexistence",
    "user_preferences": "user_preference",
    "user_id_update": "user_id",
    "flows": "flow",
    **dict.fromkeys(
        (
            "account_update",
            "account_alerts",
            "account_review_update",
            "account_settings_update",
            "automatic_events",
            "business_capability_update",
            "business_username_update",
            "business_username_updates",
            "partner_solutions",
            "payment_configuration_update",
            "phone_number_name_update",
            "phone_number_quality_update",
            "security",
        ),
        "account",
    ),
    **dict.fromkeys(
        (
            "message_template_status_update",
            "message_template_quality_update",
            "message_template_components_update",
            "template_category_update",
            "template_correct_category_detection",
        ),
        "template",
    ),
    **dict.fromkeys(
        ("group_lifecycle_update", "group_participants_update", "group_settings_update", "group_status_update"),
        "group",
    ),
}


def parse(body: bytes) -> Any:
    """The JSON of a webhook body. Broken UTF-8 becomes U+FFFD, an integer of hundreds of digits a text.

    Both would otherwise cost all that stands beside them. Raises ValueError and RecursionError. Whoever follows a
    pointer of `split` into a body must read it by this.
    """
    try:
        return orjson.loads(body)  # a third of the time, for what is whole; it is stricter than we are
    except ValueError:
        return json.loads(body.decode("utf-8-sig", "replace"), parse_int=_integer, strict=False)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_ID else digits


def split(body: bytes) -> list[InboxEvent]:
    """Every event of a webhook POST, in its order; a malformed piece is an event of kind "unknown".

    Kinds: message, status, errors, user_action (field `messages`); echo, standby, call, user_preference, user_id,
    coexistence, flow, account, template, group (other fields); unknown. Raises UnsplittableError, and nothing else,
    for what is no WhatsApp envelope. Dedupe keys by WHATSAPP.md 1.5.
    """
    try:
        document = parse(body)
    except RecursionError:
        raise UnsplittableError("the JSON is nested too deeply") from None
    except ValueError as exc:
        raise UnsplittableError(f"not JSON: {type(exc).__name__}") from exc
    if not isinstance(document, dict) or not isinstance(document.get("entry"), list):
        raise UnsplittableError("not an envelope: an object with a list named entry")
    if document.get("object", "whatsapp_business_account") != "whatsapp_business_account":
        raise UnsplittableError("the envelope is not WhatsApp's")
    events: list[InboxEvent] = []
    for event in _entries(document["entry"]):
        events.append(event)
        if len(events) > _MOST_EVENTS:
            raise UnsplittableError(f"more than {_MOST_EVENTS} events")
    return events


def _entries(entries: list[Any]) -> Iterator[InboxEvent]:
    for position, entry in enumerate(entries):
        pointer = f"/entry/{position}"
        changes = entry.get("changes") if isinstance(entry, dict) else None
        if not isinstance(changes, list) or not changes:
            yield InboxEvent("unknown", _hashed("unknown", entry), pointer)
            continue
        for place, change in enumerate(changes):
            yield from _change(entry, change, f"{pointer}/changes/{place}")


def _change(entry: dict[str, Any], change: Any, pointer: str) -> Iterator[InboxEvent]:
    value = change.get("value") if isinstance(change, dict) else None
    if not isinstance(value, dict):
        yield InboxEvent("unknown", _hashed("unknown", [entry.get("id"), change]), pointer)
        return
    field = change.get("field")
    metadata = value.get("metadata")
    number_id = _short_text(metadata.get("phone_number_id")) if isinstance(metadata, dict) else None
    whole = _Whole(entry, field, value, pointer, number_id)
    if field == "messages":
        yield from _messages_value(value, whole)
    elif field == "smb_message_echoes" and isinstance(value.get("message_echoes"), list):
        yield from _items("echo", value["message_echoes"], f"{pointer}/value/message_echoes", number_id)
    else:
        yield whole.event(_KINDS.get(field, "unknown") if isinstance(field, str) else "unknown")


class _Whole:
    """A change that is one event as a whole, or that holds more than messages and statuses."""

    def __init__(
        self, entry: dict[str, Any], field: Any, value: dict[str, Any], pointer: str, number_id: str | None
    ) -> None:
        self.number_id = number_id
        self.pointer = pointer
        self._identity = [entry.get("id"), field, entry.get("time"), value]

    def event(self, kind: str, under: str = "") -> InboxEvent:
        """The change as an event, or its part `under` the change's pointer."""
        pointer = self.pointer + under
        return InboxEvent(kind, _hashed(kind, self._identity), pointer, self.number_id)


def _messages_value(value: dict[str, Any], whole: _Whole) -> Iterator[InboxEvent]:
    """The events of a value of field `messages`: at least one, so that nothing disappears."""
    found = False
    for name, kind in (("messages", "message"), ("statuses", "status")):
        items = value.get(name)
        if isinstance(items, list) and items:
            found = True
            yield from _items(kind, items, f"{whole.pointer}/value/{name}", whole.number_id)
        elif items:
            found = True
            yield whole.event("unknown", f"/value/{name}")
    for name, kind in (("errors", "errors"), ("user_actions", "user_action")):
        if value.get(name):
            found = True
            yield whole.event(kind, f"/value/{name}")
    if not found:
        yield whole.event("unknown")


def _items(kind: str, items: list[Any], pointer: str, number_id: str | None) -> Iterator[InboxEvent]:
    for position, item in enumerate(items):
        place = f"{pointer}/{position}"
        if not isinstance(item, dict):
            yield InboxEvent("unknown", _hashed("unknown", [kind, item]), place, number_id)
            continue
        subject = _short_text(item.get("id"))
        if subject is None:
            key = _hashed(kind, item)
        elif kind == "status":
            key = _status_key(subject, item)
        else:
            key = f"{kind}:{number_id}:{subject}"
        yield InboxEvent(kind, key, place, number_id, subject)


def _status_key(wamid: str, status: dict[str, Any]) -> str:
    """A status comes once a message, and in groups once a participant; fixtures misspell the participant's key."""
    participant = (
        status.get("recipient_participant_id")
        or status.get("participant_recipient_id")
        or status.get("recipient_participant_user_id")
    )
    key = f"status:{wamid}:{_short_text(status.get('status'))}"
    return f"{key}:{_short_text(participant)}" if participant else key


def _short_text(value: Any) -> str | None:
    """An id as text that every database takes; None when it is none, or none that we would use as a key."""
    if isinstance(value, str) and value and len(value) <= _LONGEST_ID and value.isascii() and value.isprintable():
        return value
    return str(value) if type(value) is int and abs(value) < 1 << 63 else None


def _hashed(kind: str, piece: Any) -> str:
    """A key for what has no id: the same piece, sent again, gets the same key."""
    try:
        text = json.dumps(piece, sort_keys=True)
    except RecursionError:
        text = json.dumps(storable(piece), sort_keys=True)
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()}"

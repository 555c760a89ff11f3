"""Reads webhooks tolerantly: what a POST holds (`split`), and what one of its events says (WHATSAPP.md 2 and 3)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from database.records import InboundMessage, StatusUpdate
from services.whatsapp.errors import MeaninglessEventError, UnsplittableError
from services.whatsapp.splitting import split
from services.whatsapp.storable import storable, storable_text

__all__ = [
    "MeaninglessEventError",
    "UnsplittableError",
    "read_message",
    "read_status",
    "resolve",
    "split",
    "storable_text",
]

_TYPES: Final = frozenset(
    [
        "text",
        "image",
        "video",
        "audio",
        "voice",
        "document",
        "sticker",
        "location",
        "contacts",
        "interactive",
        "button",
        "reaction",
        "order",
        "system",
        "edit",
        "revoke",
        "unsupported",
        "request_welcome",
    ]
)
_STATUSES: Final = frozenset(["sent", "delivered", "read", "played", "failed"])
_BSUID: Final = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_PHONE: Final = re.compile(r"\+?([0-9]{5,20})")
_LONGEST_INDEX: Final = 9
_FIRST_SECOND: Final = 1_230_768_000
"""2009-01-01: WhatsApp is not older than that, so neither is a message."""
_LONGEST_ERROR: Final = 500


def resolve(document: Any, pointer: str) -> Any:
    """The value that a JSON pointer (RFC 6901) leads to; MeaninglessEventError when it leads nowhere."""
    return _follow(document, pointer.split("/")[1:], pointer)


def _follow(value: Any, steps: Sequence[str], pointer: str) -> Any:
    for step in steps:
        name = step.replace("~1", "/").replace("~0", "~") if "~" in step else step
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and _is_index(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            raise MeaninglessEventError(f"the webhook has nothing at {pointer}")
    return value


def _is_index(name: str) -> bool:
    """Digits without leading zeros, and few enough to be an index."""
    return name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") and len(name) <= _LONGEST_INDEX


def read_message(document: Any, pointer: str, received_at: int) -> InboundMessage:
    """The customer's message at `pointer` of a webhook that arrived at `received_at` (epoch milliseconds).

    Raises MeaninglessEventError without an id, a number of ours, or anybody who wrote it. A type that we do not
    know, and a text without a text, is "unknown". A timestamp that is absurd or in the future becomes the arrival.
    """
    message, value, number_id = _event(document, pointer)
    kind = _name(message.get("type"), _TYPES)
    text, button_id = _words(message, kind)
    if kind == "text" and text is None:
        kind = "unknown"
    phone, bsuid, parent_bsuid = _own_ids(message, kind)
    contact = _contact_of(value, phone, bsuid)
    phone, bsuid = phone or _phone(contact.get("wa_id")), bsuid or _bsuid(contact.get("user_id"))
    if phone is None and bsuid is None:
        raise MeaninglessEventError("the message does not say who wrote it")
    profile = _object(contact, "profile")
    username = _text(profile.get("username"))
    return InboundMessage(
        wamid=_required(message, "id", "the message has no id"),
        phone_number_id=number_id,
        type=kind,
        sent_at=_moment(message.get("timestamp"), received_at),
        phone=phone,
        bsuid=bsuid,
        parent_bsuid=parent_bsuid or _bsuid(contact.get("parent_user_id")),
        name=_text(profile.get("name")),
        username=(username.removeprefix("@") or None) if username else None,
        text=text,
        button_id=button_id,
        quoted_wamid=_text(_object(message, "context").get("id")),
        group_id=_text(message.get("group_id")),
        # a plain text has nothing that is not in the fields above
        payload={} if kind == "text" and "referral" not in message else storable(message),
    )


def read_status(document: Any, pointer: str, received_at: int) -> StatusUpdate:
    """The status at `pointer` of a webhook that arrived at `received_at` (epoch milliseconds).

    Raises MeaninglessEventError without a message id, a status or a number of ours. A status that we do not know is
    "unknown".
    """
    status, _, number_id = _event(document, pointer)
    _required(status, "status", "the status does not say what happened")
    code, error_text = _error_of(status)
    return StatusUpdate(
        wamid=_required(status, "id", "the status does not say which message it is about"),
        status=_name(status.get("status"), _STATUSES),
        phone_number_id=number_id,
        happened_at=_moment(status.get("timestamp"), received_at),
        attempt_id=_text(status.get("biz_opaque_callback_data")),
        error_code=code,
        error_text=error_text,
    )


def _event(document: Any, pointer: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The event itself, the value around it, and the number of ours that it is for."""
    steps = pointer.split("/")[1:]
    value = _follow(document, steps[:-2], pointer)
    event = _follow(value, steps[-2:], pointer)
    if not isinstance(event, dict) or not isinstance(value, dict):
        raise MeaninglessEventError("the event is not a JSON object")
    metadata = _object(value, "metadata")
    return event, value, _required(metadata, "phone_number_id", "the event names no number of ours")


def _words(message: Mapping[str, Any], kind: str) -> tuple[str | None, str | None]:
    """What the customer typed, or the title and the id of the button or row that was pressed."""
    body = _object(message, kind)
    if kind == "text":
        return _text(body.get("body"), empty=True), None
    if kind == "button":
        return _text(body.get("text")), _text(body.get("payload"))
    if kind == "interactive":
        reply = _object(body, "button_reply") or _object(body, "list_reply")
        return _text(reply.get("title")), _text(reply.get("id"))
    if kind in {"image", "video", "document"}:
        return _text(body.get("caption")), None
    return None, None


def _own_ids(message: Mapping[str, Any], kind: str) -> tuple[str | None, str | None, str | None]:
    """Phone, BSUID and parent BSUID as the message itself gives them.

    A system message about a changed id is from the person's old id; the new one may only stand in when it is alone.
    """
    sender = message.get("from")
    phone = _phone(sender)
    bsuid = _bsuid(message.get("from_user_id")) or _bsuid(sender)
    if kind == "system" and bsuid is None:
        system = _object(message, "system")
        bsuid = _bsuid(system.get("previous_user_id"))
        if phone is None and bsuid is None:
            bsuid = _bsuid(system.get("user_id"))
    return phone, bsuid, _bsuid(message.get("from_parent_user_id"))


def _contact_of(value: Mapping[str, Any], phone: str | None, bsuid: str | None) -> Mapping[str, Any]:
    """The entry of contacts[] that is about this sender, found by id and never by position; {} when there is none.

    A message that names nobody is taken for the contact's when the value holds one of each.
    """
    listed = value.get("contacts")
    contacts = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    for contact in contacts:
        if bsuid is not None and contact.get("user_id") == bsuid:
            return contact
    for contact in contacts:
        if phone is not None and contact.get("wa_id") in (phone, f"+{phone}"):
            return contact
    messages = value.get("messages")
    alone = isinstance(messages, list) and len(messages) == len(contacts) == 1
    return contacts[0] if alone and phone is None and bsuid is None else {}


def _error_of(status: Mapping[str, Any]) -> tuple[int | None, str | None]:
    errors = status.get("errors")
    error = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(error, dict):
        return None, None
    code = error.get("code")
    details = _text(_object(error, "error_data").get("details"))
    told = ": ".join(text for text in (_text(error.get("title")) or _text(error.get("message")), details) if text)
    return (code if type(code) is int and abs(code) < 1 << 31 else None), told[:_LONGEST_ERROR] or None


def _moment(timestamp: Any, received_at: int) -> int:
    """Meta's seconds (text or number) as milliseconds; the arrival for what cannot be a time in the past."""
    seconds = 0
    if isinstance(timestamp, str) and timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12:  # noqa: PLR2004
        seconds = int(timestamp)
    elif type(timestamp) is int:
        seconds = timestamp
    return min(seconds * 1000, received_at) if seconds >= _FIRST_SECOND else received_at


def _object(container: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = container.get(name)
    return inner if isinstance(inner, dict) else {}


def _text(value: Any, *, empty: bool = False) -> str | None:
    """A text that can be stored; None for anything else, and for an empty one unless that means something."""
    return storable_text(value) if isinstance(value, str) and (value or empty) else None


def _required(container: Mapping[str, Any], name: str, complaint: str) -> str:
    value = container.get(name)
    text = str(value) if type(value) is int and abs(value) < 1 << 63 else _text(value)
    if text is None:
        raise MeaninglessEventError(complaint)
    return text


def _name(value: Any, known: frozenset[str]) -> str:
    return value if isinstance(value, str) and value in known else "unknown"


def _phone(value: Any) -> str | None:
    found = _PHONE.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else None


def _bsuid(value: Any) -> str | None:
    return value if isinstance(value, str) and _BSUID.fullmatch(value) else None

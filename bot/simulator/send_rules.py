"""What WhatsApp demands of a message that a business sends (WHATSAPP.md 3.4, 4.1 and 4.2)."""

from dataclasses import replace
from typing import Any

from bot.simulator.content_rules import contacts, location, media, reaction
from bot.simulator.customers import BSUID
from bot.simulator.interactive_rules import interactive
from bot.simulator.media_rules import MEDIA_KINDS
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.send_fields import Send, Shelves, inside, optional_text, required_text
from bot.simulator.template_rules import template

TEXT_LIMIT = 4096
CALLBACK_LIMIT = 512
OBJECTS = {"location": location, "reaction": reaction}


def read_send(envelope: dict[str, Any], shelves: Shelves) -> Send:
    """Check a send. Raises MetaRefusalError."""
    check_product(envelope)
    if envelope.get("recipient_type", "individual") != "individual":
        raise MetaRefusalError(100, "recipient_type must be individual.")
    address, by_bsuid = _address(envelope)
    kind = envelope.get("type", "text")
    send = Send(
        address,
        by_bsuid,
        str(kind),
        "",
        optional_text(envelope.get("biz_opaque_callback_data"), "biz_opaque_callback_data", CALLBACK_LIMIT),
        _quoted(envelope),
        identity=optional_text(envelope.get("recipient_identity_key_hash"), "recipient_identity_key_hash", 256),
    )
    return _with_content(send, envelope, shelves)


def check_product(envelope: dict[str, Any]) -> None:
    """What everything that is posted to a number must say. Raises MetaRefusalError."""
    if envelope.get("messaging_product") != "whatsapp":
        raise MetaRefusalError(100, "The parameter messaging_product is required.")


def _with_content(send: Send, envelope: dict[str, Any], shelves: Shelves) -> Send:
    kind = send.type
    if kind == "text":
        return _text(send, inside(envelope, kind))
    if kind == "interactive":
        return interactive(send, inside(envelope, kind), shelves)
    if kind == "template":
        return template(send, inside(envelope, kind), shelves)
    if kind in MEDIA_KINDS:
        return media(send, inside(envelope, kind), shelves)
    if kind in OBJECTS:
        return OBJECTS[kind](send, inside(envelope, kind))
    if kind == "contacts":
        return contacts(send, envelope.get("contacts"))
    raise MetaRefusalError(131051, "Unsupported message type.")


def _text(send: Send, content: dict[str, Any]) -> Send:
    if not isinstance(content.get("preview_url", False), bool):
        raise MetaRefusalError(100, "text.preview_url must be true or false.")
    return replace(send, text=required_text(content.get("body"), "text.body", TEXT_LIMIT))


def _address(envelope: dict[str, Any]) -> tuple[str, bool]:
    to, recipient = envelope.get("to"), envelope.get("recipient")
    if to:  # with both, `to` wins
        if not isinstance(to, str):
            raise MetaRefusalError(100, "The parameter to must be a string.")
        digits = to.removeprefix("+")
        if not BSUID.fullmatch(to) and not (digits.isascii() and digits.isdigit()):
            raise MetaRefusalError(131009, "The parameter to is not a phone number.")
        return to, False
    if recipient:
        if not isinstance(recipient, str) or not BSUID.fullmatch(recipient):
            raise MetaRefusalError(131009, "The parameter recipient is not a user id.")
        return recipient, True
    raise MetaRefusalError(131008, "One of the parameters to and recipient is required.")


def _quoted(envelope: dict[str, Any]) -> str | None:
    context = envelope.get("context")
    if context is None:
        return None
    if not isinstance(context, dict) or not isinstance(context.get("message_id"), str):
        raise MetaRefusalError(131009, "context.message_id must be a message id.")
    return str(context["message_id"])

"""What WhatsApp demands of a message that a business sends (WHATSAPP.md 3.4, 4.1 and 4.2)."""

from dataclasses import dataclass, replace
from typing import Any

from bot.simulator.customers import BSUID
from bot.simulator.refusals import MetaRefusalError

TEXT_LIMIT = 4096
BODY_LIMIT = 1024
CALLBACK_LIMIT = 512
BUTTONS_LIMIT = 3
ROWS_LIMIT = 10
TITLE_LIMIT = 20
ROW_TITLE_LIMIT = 24


@dataclass(frozen=True, slots=True)
class Send:
    """A send that is in order. `address` is a phone as it was given, or a BSUID when `by_bsuid`."""

    address: str
    by_bsuid: bool
    type: str
    text: str
    callback_data: str | None = None
    quoted: str | None = None
    buttons: tuple[tuple[str, str], ...] = ()
    menu: str | None = None
    header: str | None = None
    footer: str | None = None


def read_send(envelope: dict[str, Any]) -> Send:
    """Check a send. Raises MetaRefusalError."""
    if envelope.get("messaging_product") != "whatsapp":
        raise MetaRefusalError(100, "The parameter messaging_product is required.")
    if envelope.get("recipient_type", "individual") != "individual":
        raise MetaRefusalError(100, "recipient_type must be individual.")
    address, by_bsuid = _address(envelope)
    kind = envelope.get("type", "text")
    send = Send(address, by_bsuid, str(kind), "", _callback_data(envelope), _quoted(envelope))
    content = envelope.get(kind) if isinstance(kind, str) else None
    if kind not in {"text", "interactive"}:
        raise MetaRefusalError(131051, "Unsupported message type.")
    if not isinstance(content, dict):
        raise MetaRefusalError(131008, f"The parameter {kind} is required.")
    if kind == "text":
        return replace(send, text=_text(content.get("body"), "text.body", TEXT_LIMIT))
    return _interactive(send, content)


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


def _callback_data(envelope: dict[str, Any]) -> str | None:
    value = envelope.get("biz_opaque_callback_data")
    return None if value is None else _text(value, "biz_opaque_callback_data", CALLBACK_LIMIT)


def _quoted(envelope: dict[str, Any]) -> str | None:
    context = envelope.get("context")
    if context is None:
        return None
    if not isinstance(context, dict) or not isinstance(context.get("message_id"), str):
        raise MetaRefusalError(131009, "context.message_id must be a message id.")
    return str(context["message_id"])


def _interactive(send: Send, content: dict[str, Any]) -> Send:
    send = replace(
        send,
        text=_text(_inside(content, "body").get("text"), "interactive.body.text", BODY_LIMIT),
        header=_optional(content, "header", 60),
        footer=_optional(content, "footer", 60),
    )
    action = _inside(content, "action")
    if content.get("type") == "button":
        return replace(send, buttons=_buttons(action.get("buttons")))
    if content.get("type") == "list":
        menu = _text(action.get("button"), "interactive.action.button", TITLE_LIMIT)
        return replace(send, buttons=_rows(action.get("sections")), menu=menu)
    raise MetaRefusalError(131051, "Unsupported interactive type.")


def _buttons(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= BUTTONS_LIMIT:
        raise MetaRefusalError(131009, "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3.")
    replies = [_inside(button, "reply") for button in value]
    buttons = tuple(
        (_text(reply.get("id"), "button id", 256), _text(reply.get("title"), "button title", TITLE_LIMIT))
        for reply in replies
    )
    if len({title for _, title in buttons}) < len(buttons) or len({button for button, _ in buttons}) < len(buttons):
        raise MetaRefusalError(131009, "Button titles and ids must be unique.")
    return buttons


def _rows(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= ROWS_LIMIT:
        raise MetaRefusalError(131009, "A list has 1 to 10 sections.")
    rows = [row for section in value if isinstance(section, dict) for row in section.get("rows") or []]
    if not 1 <= len(rows) <= ROWS_LIMIT or not all(isinstance(row, dict) for row in rows):
        raise MetaRefusalError(131009, "A list has 1 to 10 rows in all.")
    return tuple(
        (_text(row.get("id"), "row id", 200), _text(row.get("title"), "row title", ROW_TITLE_LIMIT)) for row in rows
    )


def _inside(content: Any, name: str) -> dict[str, Any]:
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, dict):
        raise MetaRefusalError(131008, f"The parameter {name} is required.")
    return value


def _optional(content: dict[str, Any], name: str, limit: int) -> str | None:
    part = content.get(name)
    return None if part is None else _text(_inside(content, name).get("text"), name, limit)


def _text(value: Any, name: str, limit: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise MetaRefusalError(131008, f"The parameter {name} is required.")
    if len(value) > limit:
        raise MetaRefusalError(131009, f"Param {name} must be at most {limit} characters long.")
    return value

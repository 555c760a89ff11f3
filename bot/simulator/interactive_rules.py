"""Rules for messages that ask for a press: buttons, lists, links and the rest (WHATSAPP.md 4.2)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bot.simulator.content_rules import attachment
from bot.simulator.customers import Choice
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.send_fields import Send, Shelves, inside, listed, one_of, required_text, web_address

BODY_LIMIT = 1024  # lists may have 4,096 by one page of Meta's and 1,024 by its OpenAPI file: the safe one counts
HEADER_LIMIT = FOOTER_LIMIT = 60
TITLE_LIMIT = 20
ROW_TITLE_LIMIT = 24
ITEMS_LIMIT = 30
CARD_BODY_LIMIT = 160
CALL_MINUTES = 43_200
HEADER_MEDIA = frozenset({"image", "video", "document"})
ANY_HEADER = frozenset({"text"}) | HEADER_MEDIA

Rule = Callable[[Send, dict[str, Any]], Send]


def interactive(send: Send, content: dict[str, Any], shelves: Shelves) -> Send:
    """Check an interactive message of any type."""
    kind = content.get("type")
    if not isinstance(kind, str) or kind not in RULES:
        raise MetaRefusalError(131051, "Unsupported interactive type.")
    body_needed, headers, rule = RULES[kind]
    send = _with_header(send, content, headers, shelves)
    if body_needed or content.get("body") is not None:
        send = replace(
            send, text=required_text(inside(content, "body").get("text"), "interactive.body.text", BODY_LIMIT)
        )
    if content.get("footer") is not None:
        text = inside(content, "footer").get("text")
        send = replace(send, footer=required_text(text, "interactive.footer.text", FOOTER_LIMIT))
    action = inside(content, "action")
    if kind == "carousel":
        return _carousel(send, action, shelves)
    return rule(send, action)


def _with_header(send: Send, content: dict[str, Any], allowed: frozenset[str], shelves: Shelves) -> Send:
    if content.get("header") is None:
        return send
    header = inside(content, "header")
    kind = header.get("type", "text")
    if not isinstance(kind, str) or kind not in allowed:
        raise MetaRefusalError(131009, f"interactive.header.type {kind} is not allowed here.")
    if kind == "text":
        return replace(send, header=required_text(header.get("text"), "interactive.header.text", HEADER_LIMIT))
    return replace(send, attachment=attachment(inside(header, kind), kind, shelves))


def _buttons(send: Send, action: dict[str, Any]) -> Send:
    replies = [inside(button, "reply") for button in listed(action.get("buttons"), "Buttons count", 1, 3)]
    for button in action["buttons"]:
        one_of(button.get("type", "reply"), "button type", {"reply"})
    buttons = tuple(
        Choice(
            required_text(reply.get("id"), "button id", 256),
            required_text(reply.get("title"), "button title", TITLE_LIMIT),
        )
        for reply in replies
    )
    _check_unique([button.id for button in buttons], "Button ids")
    _check_unique([button.title for button in buttons], "Button titles")
    return replace(send, buttons=buttons)


def _list(send: Send, action: dict[str, Any]) -> Send:
    menu = required_text(action.get("button"), "interactive.action.button", TITLE_LIMIT)
    sections = listed(action.get("sections"), "Sections count", 1, 10)
    for section in sections:
        if section.get("title") or len(sections) > 1:
            required_text(section.get("title"), "section title", ROW_TITLE_LIMIT)
    rows = [row for section in sections for row in listed(section.get("rows"), "Rows count", 1, 10)]
    listed(rows, "Total row count", 1, 10)
    choices = tuple(_row(row) for row in rows)
    _check_unique([choice.id for choice in choices], "Row ids")
    return replace(send, buttons=choices, menu=menu)


def _row(row: dict[str, Any]) -> Choice:
    return Choice(
        required_text(row.get("id"), "row id", 200),
        required_text(row.get("title"), "row title", ROW_TITLE_LIMIT),
        required_text(row["description"], "row description", 72) if row.get("description") else "",
    )


def _link(send: Send, action: dict[str, Any]) -> Send:
    _check_name(action, "cta_url")
    parameters = inside(action, "parameters")
    label = required_text(parameters.get("display_text"), "display_text", TITLE_LIMIT)
    return replace(send, text=f"{send.text}\n\n{label}: {web_address(parameters.get('url'), 'url')}")


def _flow(send: Send, action: dict[str, Any]) -> Send:
    _check_name(action, "flow")
    parameters = inside(action, "parameters")
    one_of(parameters.get("flow_message_version"), "flow_message_version", {"3"})
    if (parameters.get("flow_id") is None) == (parameters.get("flow_name") is None):
        raise MetaRefusalError(131009, "A flow is named by one of flow_id and flow_name.")
    return replace(send, menu=required_text(parameters.get("flow_cta"), "flow_cta", 30))


def _named(name: str) -> Rule:
    """Types whose action is but a name."""

    def rule(send: Send, action: dict[str, Any]) -> Send:
        _check_name(action, name)
        return send

    return rule


def _call(send: Send, action: dict[str, Any]) -> Send:
    _check_name(action, "voice_call")
    parameters = inside(action, "parameters") if action.get("parameters") else {}
    minutes = parameters.get("ttl_minutes", 1)
    if type(minutes) is not int or not 1 <= minutes <= CALL_MINUTES:
        raise MetaRefusalError(131009, f"ttl_minutes is 1 to {CALL_MINUTES}.")
    return replace(send, menu=required_text(parameters.get("display_text", "Call"), "display_text", TITLE_LIMIT))


def _product(send: Send, action: dict[str, Any]) -> Send:
    required_text(action.get("catalog_id"), "catalog_id", 256)
    required_text(action.get("product_retailer_id"), "product_retailer_id", 256)
    return send


def _products(send: Send, action: dict[str, Any]) -> Send:
    required_text(action.get("catalog_id"), "catalog_id", 256)
    if send.header is None:
        raise MetaRefusalError(131008, "The parameter interactive.header is required.")
    sections = listed(action.get("sections"), "Sections count", 1, 10)
    items = [
        item for section in sections for item in listed(section.get("product_items"), "Items count", 1, ITEMS_LIMIT)
    ]
    for item in listed(items, "Total items count", 1, ITEMS_LIMIT):
        required_text(item.get("product_retailer_id"), "product_retailer_id", 256)
    return send


def _carousel(send: Send, action: dict[str, Any], shelves: Shelves) -> Send:
    texts = [send.text]
    for place, card in enumerate(listed(action.get("cards"), "Cards count", 2, 10)):
        if card.get("card_index", place) != place:
            raise MetaRefusalError(131009, "card_index counts from 0.")
        _with_header(send, card, HEADER_MEDIA, shelves)
        if card.get("body") is not None:
            texts.append(required_text(inside(card, "body").get("text"), "card body", CARD_BODY_LIMIT))
        inside(card, "action")
    return replace(send, text="\n\n".join(filter(None, texts)))


def _check_name(action: dict[str, Any], name: str) -> None:
    one_of(action.get("name"), "interactive.action.name", {name})


def _check_unique(values: list[str], name: str) -> None:
    if len(set(values)) < len(values):
        raise MetaRefusalError(131009, f"{name} must be unique.")


NO_HEADER: frozenset[str] = frozenset()
TEXT_HEADER = frozenset({"text"})
RULES: dict[str, tuple[bool, frozenset[str], Rule]] = {  # type → body required, headers allowed, rule for the action
    "button": (True, ANY_HEADER, _buttons),
    "list": (True, TEXT_HEADER, _list),
    "cta_url": (True, ANY_HEADER, _link),
    "flow": (True, ANY_HEADER, _flow),
    "location_request_message": (True, NO_HEADER, _named("send_location")),
    "request_contact_info": (True, NO_HEADER, _named("request_contact_info")),
    "call_permission_request": (False, NO_HEADER, _named("call_permission_request")),
    "voice_call": (True, NO_HEADER, _call),
    "catalog_message": (True, NO_HEADER, _named("catalog_message")),
    "product": (False, NO_HEADER, _product),
    "product_list": (True, TEXT_HEADER, _products),
    "carousel": (True, NO_HEADER, _product),
}

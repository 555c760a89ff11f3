"""What a template message must bring: every parameter of its template, counted and in its form (WHATSAPP.md 5.3)."""

import re
from dataclasses import replace
from typing import Any

from bot.simulator.content_rules import attachment
from bot.simulator.customers import Choice
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.send_fields import Send, Shelves, inside, listed, required_text
from bot.simulator.templates import BODY_LIMIT, PART_LIMIT, VARIABLE, Template, variables
from bot.simulator.text_length import units

FORBIDDEN_IN_PARAMETER = re.compile(r"[\n\t]| {5,}")
PAYLOAD_LIMIT = 256  # 512 by a third party: the safe one counts
REFUSED = {"PAUSED": 132015, "DISABLED": 132016}
HEADER_MEDIA = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document"}


def template(send: Send, content: dict[str, Any], shelves: Shelves) -> Send:
    """`{name, language: {code}, components: [...]}`, filled."""
    found = _found(content, shelves)
    if send.by_bsuid and found.category == "AUTHENTICATION":
        raise MetaRefusalError(131062, "Authentication templates need a phone number.")
    parts = _parts(content)
    body = _filled(found, "BODY", parts.get("body", []), BODY_LIMIT)
    footer = found.part("FOOTER").get("text")
    send = replace(send, text=body, footer=footer, category=found.category.lower(), menu=None)
    send = _with_header(send, found, parts.get("header", []), shelves)
    return replace(send, buttons=_buttons(found, content.get("components") or []))


def _found(content: dict[str, Any], shelves: Shelves) -> Template:
    name = required_text(content.get("name"), "template.name", 512)
    language = required_text(inside(content, "language").get("code"), "template.language.code", 20)
    found = shelves.templates.find(name, language)
    if found is not None and found.status in REFUSED:
        raise MetaRefusalError(REFUSED[found.status], f"template name ({name}) is {found.status.lower()}")
    if found is None or found.status != "APPROVED":
        raise MetaRefusalError(132001, f"template name ({name}) does not exist in {language}")
    return found


def _parts(content: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Parameters by header and body."""
    components = listed(content.get("components") or [], "template.components", 0, 20)
    parts = {}
    for component in components:
        kind = str(component.get("type", "")).lower()
        if kind not in {"header", "body", "button", "footer", "carousel", "limited_time_offer"}:
            raise MetaRefusalError(131009, f"template.components type {kind} is unknown.")
        parts[kind] = listed(component.get("parameters") or [], "parameters", 0, 100)
    return parts


def _filled(found: Template, kind: str, parameters: list[dict[str, Any]], limit: int) -> str:
    """The text of header or body with its parameters."""
    text = found.part(kind).get("text")
    if text is None and found.category == "AUTHENTICATION":
        text = "{{1}} is your verification code."
    names, name = variables(text), kind.lower()
    if len(parameters) != len(names):
        raise MetaRefusalError(
            132000,
            f"{name}: number of localizable_params ({len(parameters)}) does not match "
            f"the expected number of params ({len(names)})",
        )
    if found.named:
        given = {str(one.get("parameter_name")) for one in parameters}
        if given != set(names):
            raise MetaRefusalError(132012, f"{name}: parameter names do not match, expected {', '.join(names)}")
        values = {str(one["parameter_name"]): _value(one, name) for one in parameters}
    else:
        values = {str(place + 1): _value(one, name) for place, one in enumerate(parameters)}
    filled = VARIABLE.sub(lambda match: values[match[1]], str(text or ""))
    if units(filled) > limit:
        raise MetaRefusalError(132005, f"{name}: the text would be longer than {limit} characters.")
    return filled


def _value(parameter: dict[str, Any], name: str) -> str:
    kind = parameter.get("type", "text")
    if kind == "text":
        value = parameter.get("text")
    elif kind in ("currency", "date_time"):  # not a set: a kind may be anything
        value = inside(parameter, kind).get("fallback_value")
    else:
        raise MetaRefusalError(132012, f"{name}: Format mismatch, expected TEXT, received {str(kind).upper()}")
    text = required_text(value, f"{name} parameter", BODY_LIMIT * 32)
    if FORBIDDEN_IN_PARAMETER.search(text):
        raise MetaRefusalError(132018, "Param text cannot have new-line/tab characters or more than 4 spaces in a row.")
    return text


def _with_header(send: Send, found: Template, parameters: list[dict[str, Any]], shelves: Shelves) -> Send:
    shape = str(found.part("HEADER").get("format", "")).upper()
    if shape in HEADER_MEDIA or shape == "LOCATION":
        wanted = HEADER_MEDIA.get(shape, "location")
        given = parameters[0].get("type", "text") if len(parameters) == 1 else "nothing"
        if given != wanted:
            raise MetaRefusalError(132012, f"header: Format mismatch, expected {shape}, received {str(given).upper()}")
        if wanted == "location":
            return replace(send, header=str(inside(parameters[0], wanted).get("name", "")) or None)
        return replace(send, attachment=attachment(inside(parameters[0], wanted), wanted, shelves))
    if shape == "TEXT":
        return replace(send, header=_filled(found, "HEADER", parameters, PART_LIMIT))
    if parameters:
        raise MetaRefusalError(132000, "header: the template has no header with parameters.")
    return send


def _buttons(found: Template, components: list[dict[str, Any]]) -> tuple[Choice, ...]:
    """The quick replies, their payload as id; every other button needs what its variable asks for."""
    given = {str(one.get("index")): one for one in components if str(one.get("type", "")).lower() == "button"}
    pressed = []
    for place, button in enumerate(found.part("BUTTONS").get("buttons") or []):
        kind, text = str(button["type"]).upper(), str(button.get("text", ""))
        parameters = (given.pop(str(place), None) or {}).get("parameters") or []
        if kind == "QUICK_REPLY":
            payload = parameters[0].get("payload", text) if parameters else text
            pressed.append(Choice(required_text(payload, "button payload", PAYLOAD_LIMIT), text))
        elif _needs_parameter(kind, button) and not parameters:
            details = f"buttons: Button at index {place} of type {kind.title()} requires a parameter"
            raise MetaRefusalError(131008, details)
    if given:
        raise MetaRefusalError(132000, "buttons: more parameters than the template has buttons.")
    return tuple(pressed)


def _needs_parameter(kind: str, button: dict[str, Any]) -> bool:
    return kind in {"COPY_CODE", "OTP"} or (kind == "URL" and bool(variables(button.get("url"))))

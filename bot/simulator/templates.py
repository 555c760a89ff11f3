"""The business's message templates at the simulated WhatsApp (WHATSAPP.md 5.3)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.simulator.refusals import MetaRefusalError
from bot.simulator.text_length import units

NAME = re.compile(r"[a-z0-9_]{1,512}")
LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2,3})?")
VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
CATEGORIES = frozenset({"AUTHENTICATION", "MARKETING", "UTILITY"})
STATUSES = frozenset({"APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED"})
HEADER_FORMATS = frozenset({"TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION"})
TOO_LONG, VARIABLE_AT_AN_END = 2388040, 2388299  # subcodes, by the names that pywa's error classes give them
BODY_LIMIT = 1024
PART_LIMIT = 60
BUTTONS_LIMIT = 10
CREATIONS_AN_HOUR = 100
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EDITS, EDIT_DAYS = 10, 30
FIRST_ID = 564_750_795_574_598
HELLO = {
    "name": "hello_world",
    "language": "en_US",
    "category": "UTILITY",
    "components": [
        {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
        {"type": "BODY", "text": "This message shows that your number can send WhatsApp messages."},
        {"type": "FOOTER", "text": "WhatsApp Business Platform sample message"},
    ],
}


@dataclass(slots=True)
class Template:
    """A template in one language. `status` is one of STATUSES; `named` tells `{{name}}` from `{{1}}`."""

    id: str
    name: str
    language: str
    category: str
    components: list[dict[str, Any]] = field(repr=False)
    named: bool
    status: str
    created_at: int
    reason: str = "NONE"
    edited_at: list[int] = field(default_factory=list)

    def part(self, kind: str) -> dict[str, Any]:
        """HEADER, BODY, FOOTER or BUTTONS; empty when there is none."""
        return next((part for part in self.components if str(part.get("type", "")).upper() == kind), {})

    def shown(self) -> dict[str, Any]:
        """As the Graph API lists it."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "category": self.category,
            "language": self.language,
            "components": self.components,
            "parameter_format": "NAMED" if self.named else "POSITIONAL",
            "rejected_reason": self.reason,
            "quality_score": {"score": "UNKNOWN", "date": self.created_at // 1000},
        }


class TemplateShelf:
    """All templates, by name and language. One is there from the start, as on Meta's test accounts: hello_world."""

    def __init__(self, *, reviewed_at_once: bool) -> None:
        self._reviewed_at_once = reviewed_at_once
        self._templates: dict[str, Template] = {}
        self._created: list[int] = []
        self._made = 0
        self._keep(HELLO, "APPROVED", 0)

    def __iter__(self) -> Iterator[Template]:
        return iter(list(self._templates.values()))

    def create(self, document: dict[str, Any], now: int) -> Template:
        """Take a new template; approved at once, or PENDING until `decide`. Raises MetaRefusalError."""
        self._created = [at for at in self._created if now - at < HOUR_MS]
        if len(self._created) >= CREATIONS_AN_HOUR:
            raise MetaRefusalError(80007, "At most 100 templates may be created in an hour.")
        check_template(document)
        if self.find(document["name"], document["language"]):
            raise MetaRefusalError(100, "There is already content in this language for this template.")
        self._created.append(now)
        return self._keep(document, "APPROVED" if self._reviewed_at_once else "PENDING", now)

    def edit(self, template: Template, document: dict[str, Any], now: int) -> None:
        """Replace category, components or format; it is reviewed again. Raises MetaRefusalError.

        An approved one takes one edit in 24 hours and ten in 30 days; a rejected or paused one takes any number (Meta's
        page "Template management").
        """
        recent = [at for at in template.edited_at if now - at < EDIT_DAYS * DAY_MS]
        too_soon = bool(recent) and now - recent[-1] < DAY_MS
        if template.status == "APPROVED" and (too_soon or len(recent) >= EDITS):
            raise _wrong(f"An approved template may be edited once in 24 hours, {EDITS} times in {EDIT_DAYS} days.")
        whole = template.shown() | {"parameter_format": "NAMED" if template.named else "POSITIONAL"} | document
        check_template(whole)
        template.category, template.components = whole["category"].upper(), whole["components"]
        template.named, template.edited_at = _is_named(whole), [*recent, now]
        template.status = "APPROVED" if self._reviewed_at_once else "PENDING"

    def find(self, name: Any, language: Any) -> Template | None:
        """The template of that name in exactly that language."""
        return next((one for one in self if (one.name, one.language) == (name, language)), None)

    def by_id(self, template_id: str) -> Template | None:
        """The template, or None."""
        return self._templates.get(template_id)

    def delete(self, name: str, template_id: str | None) -> bool:
        """Delete a template in all languages, or the one with the id; whether there was one."""
        gone = [one for one in self if one.name == name and template_id in {None, one.id}]
        for one in gone:
            del self._templates[one.id]
        return bool(gone)

    def _keep(self, document: dict[str, Any], status: str, now: int) -> Template:
        self._made += 1
        template = Template(
            str(FIRST_ID + self._made),
            document["name"],
            document["language"],
            document["category"].upper(),
            document["components"],
            _is_named(document),
            status,
            now,
        )
        self._templates[template.id] = template
        return template


def variables(text: Any) -> list[str]:
    """The names or numbers within `{{…}}`, each once, in their order."""
    return list(dict.fromkeys(VARIABLE.findall(text))) if isinstance(text, str) else []


def check_template(document: dict[str, Any]) -> None:
    """Refuse what Meta would not even review. Raises MetaRefusalError."""
    if not NAME.fullmatch(str(document.get("name", ""))):
        raise _wrong("name is lower-case letters, digits and underscores, at most 512.")
    if not LANGUAGE.fullmatch(str(document.get("language", ""))):
        raise _wrong("language is a code such as en or en_US.")
    if str(document.get("category", "")).upper() not in CATEGORIES:
        raise _wrong(f"category is one of {', '.join(sorted(CATEGORIES))}.")
    parts = document.get("components")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise _wrong("components is a list of objects.")
    kinds = [str(part.get("type", "")).upper() for part in parts]
    if kinds.count("BODY") != 1 or len(set(kinds)) < len(kinds):
        raise _wrong("components has one body, and no part twice.")
    _check_parts(document, dict(zip(kinds, parts, strict=True)))


def _check_parts(document: dict[str, Any], parts: dict[str, dict[str, Any]]) -> None:
    named = _is_named(document)
    authentication = str(document["category"]).upper() == "AUTHENTICATION"
    for kind, part in parts.items():
        if kind == "BODY" and not authentication:
            _check_text(part, "body", BODY_LIMIT, named=named)
        elif kind == "HEADER":
            _check_header(part, named=named)
        elif kind == "FOOTER" and not authentication:
            _check_text(part, "footer", PART_LIMIT, named=named, most=0)
        elif kind == "BUTTONS":
            _check_buttons(part.get("buttons"))


def _check_header(part: dict[str, Any], *, named: bool) -> None:
    shape = str(part.get("format", "")).upper()
    if shape not in HEADER_FORMATS:
        raise _wrong(f"header.format is one of {', '.join(sorted(HEADER_FORMATS))}.")
    if shape == "TEXT":
        _check_text(part, "header", PART_LIMIT, named=named, most=1)


def _check_text(part: dict[str, Any], name: str, limit: int, *, named: bool, most: int = 100) -> None:
    text = part.get("text")
    if not isinstance(text, str) or not text.strip() or units(text) > limit:
        raise _wrong(f"{name}.text is 1 to {limit} characters.", TOO_LONG)
    found = variables(text)
    if len(found) > most:
        raise _wrong(f"{name} has at most {most} variables.")
    if name == "body" and (VARIABLE.match(text.strip()) or text.strip().endswith("}}")):
        raise _wrong("Variables can't be at the start or end of the body.", VARIABLE_AT_AN_END)
    if named and any(one.isdigit() for one in found):
        raise _wrong("The format is named, so variables have names.")
    if not named and sorted(found) != sorted(str(number + 1) for number in range(len(found))):
        raise _wrong("The format is positional, so variables count from {{1}}.")
    if found and not isinstance(part.get("example"), dict):
        raise _wrong(f"{name}.example is required where there are variables.")


def _check_buttons(buttons: Any) -> None:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= BUTTONS_LIMIT:
        raise _wrong(f"buttons are 1 to {BUTTONS_LIMIT}.")
    for button in buttons:
        if not isinstance(button, dict) or not isinstance(button.get("type"), str):
            raise _wrong("a button is an object with a type.")


def _is_named(document: dict[str, Any]) -> bool:
    return str(document.get("parameter_format", "POSITIONAL")).upper() == "NAMED"


def _wrong(details: str, subcode: int | None = None) -> MetaRefusalError:
    return MetaRefusalError(100, details, subcode)

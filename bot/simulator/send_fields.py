"""What a send is made of once it is checked, and how its fields are read."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bot.simulator.customers import Attachment, Choice
from bot.simulator.media_store import MediaStore
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.templates import TemplateShelf
from bot.simulator.text_length import units


@dataclass(frozen=True, slots=True)
class Shelves:
    """What a send may name: files and templates. `now` is epoch milliseconds."""

    media: MediaStore
    templates: TemplateShelf
    now: int


@dataclass(frozen=True, slots=True)
class Send:
    """A send that is in order. `address` is a phone as it was given, or a BSUID when `by_bsuid`.

    `reacts_to` is the wamid under a reaction, whose emoji (or "") is `text`. `category` is what it is billed as:
    service, or a template's own. `identity` is the hash that the recipient must have.
    """

    address: str
    by_bsuid: bool
    type: str
    text: str
    callback_data: str | None = None
    quoted: str | None = None
    buttons: tuple[Choice, ...] = ()
    menu: str | None = None
    header: str | None = None
    footer: str | None = None
    attachment: Attachment | None = None
    reacts_to: str | None = None
    category: str = "service"
    identity: str | None = None

    @property
    def is_template(self) -> bool:
        """Whether it may go outside of the window."""
        return self.type == "template"


def required_text(value: Any, name: str, limit: int) -> str:
    """A text that is not blank. Raises MetaRefusalError."""
    if not isinstance(value, str) or not value.strip():
        raise MetaRefusalError(131008, f"The parameter {name} is required.")
    if units(value) > limit:
        raise MetaRefusalError(131009, f"Param {name} must be at most {limit} characters long.")
    return value


def optional_text(value: Any, name: str, limit: int) -> str | None:
    """A text, when there is one. Raises MetaRefusalError."""
    return None if value is None else required_text(value, name, limit)


def inside(content: Any, name: str) -> dict[str, Any]:
    """The object of that name. Raises MetaRefusalError."""
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, dict):
        raise MetaRefusalError(131008, f"The parameter {name} is required.")
    return value


def listed(value: Any, name: str, least: int, most: int) -> list[dict[str, Any]]:
    """A list of objects. Raises MetaRefusalError."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise MetaRefusalError(131009, f"{name}: min allowed {least}, max allowed {most}.")
    if not all(isinstance(one, dict) for one in value):
        raise MetaRefusalError(131009, f"{name} must be objects.")
    return value


def one_of(value: Any, name: str, choices: Collection[str]) -> str:
    """One of a few words. Raises MetaRefusalError."""
    if not isinstance(value, str) or value not in choices:
        raise MetaRefusalError(131009, f"{name} must be one of {', '.join(sorted(choices))}.")
    return value


def web_address(value: Any, name: str) -> str:
    """An http address. Raises MetaRefusalError."""
    address = required_text(value, name, 2000)
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise MetaRefusalError(131009, f"Param {name} is not a valid URI.")
    return address

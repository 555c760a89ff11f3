"""Rules for files, places, contact cards and reactions (WHATSAPP.md 4.2)."""

import math
from dataclasses import replace
from typing import Any

from bot.simulator.customers import Attachment
from bot.simulator.media_rules import check_use, find_media
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.send_fields import (
    Send,
    Shelves,
    inside,
    listed,
    optional_text,
    required_text,
    web_address,
)

CAPTION_LIMIT = 1024
CONTACTS_LIMIT = 257
EMOJI_LIMIT = 32  # the longest single emoji, a family joined of people, has a dozen code points
NAME_PARTS = ("first_name", "last_name", "middle_name", "prefix", "suffix")


def media(send: Send, content: dict[str, Any], shelves: Shelves) -> Send:
    """image, video, audio, document, sticker: `{id | link, caption?, filename?, voice?}`."""
    kind = send.type
    if "caption" in content and kind in {"audio", "sticker"}:
        raise MetaRefusalError(131009, f"A message of type {kind} has no caption.")
    caption = optional_text(content.get("caption"), f"{kind}.caption", CAPTION_LIMIT)
    filename = optional_text(content.get("filename"), "document.filename", 240) if kind == "document" else None
    voice = content.get("voice", False)
    if not isinstance(voice, bool):
        raise MetaRefusalError(100, "audio.voice must be true or false.")
    attached = attachment(content, kind, shelves, voice=voice)
    return replace(send, text=caption or "", attachment=replace(attached, filename=filename or attached.filename))


def attachment(content: dict[str, Any], kind: str, shelves: Shelves, *, voice: bool = False) -> Attachment:
    """The file that a message names. A link is not fetched: nothing here calls other hosts."""
    media_id, link = content.get("id"), content.get("link")
    if (media_id is None) == (link is None):
        raise MetaRefusalError(131009, f"{kind} needs one of id and link.")
    shown = "voice" if voice else kind
    if link is not None:
        return Attachment(shown, "", link=web_address(link, f"{kind}.link"))
    stored = find_media(shelves.media, str(media_id), shelves.now)
    if stored is None:
        raise MetaRefusalError(131009, f"{kind}.id is not a media id of this number.")
    check_use(stored, kind, voice=voice)
    return Attachment(shown, stored.mime_type, len(stored.content), stored.filename, stored.id)


def location(send: Send, content: dict[str, Any]) -> Send:
    """`{latitude, longitude, name?, address?}`; the coordinates are numbers, or texts that are numbers."""
    where = [_degrees(content.get("latitude"), "latitude", 90), _degrees(content.get("longitude"), "longitude", 180)]
    name = optional_text(content.get("name"), "location.name", 1000)
    address = optional_text(content.get("address"), "location.address", 1000)
    return replace(send, text=" · ".join(filter(None, [name, address, ", ".join(where)])))


def contacts(send: Send, value: Any) -> Send:
    """Cards: each with `name.formatted_name` and one more part of the name."""
    cards = listed(value, "contacts", 1, CONTACTS_LIMIT)
    return replace(send, text="\n".join(_card(card) for card in cards))


def reaction(send: Send, content: dict[str, Any]) -> Send:
    """`{message_id, emoji}`; an empty emoji takes the reaction back."""
    target, emoji = required_text(content.get("message_id"), "reaction.message_id", 512), content.get("emoji")
    if not isinstance(emoji, str):
        raise MetaRefusalError(131008, "The parameter reaction.emoji is required.")
    if len(emoji) > EMOJI_LIMIT or any(letter.isascii() and letter.isalpha() for letter in emoji):
        raise MetaRefusalError(131009, "Param reaction.emoji must be one emoji.")
    return replace(send, text=emoji, reacts_to=target, quoted=None)


def _degrees(value: Any, name: str, most: float) -> str:
    try:
        degrees = float(value)
    except (TypeError, ValueError):
        raise MetaRefusalError(131008, f"The parameter location.{name} is required.") from None
    except OverflowError:  # a whole number beyond all floats
        degrees = math.inf
    if not -most <= degrees <= most:
        raise MetaRefusalError(131009, f"Param location.{name} must be within ±{most}.")
    return f"{degrees:g}"


def _card(card: dict[str, Any]) -> str:
    name = inside(card, "name")
    formatted = required_text(name.get("formatted_name"), "contacts.name.formatted_name", 1024)
    if not any(name.get(part) for part in NAME_PARTS):
        raise MetaRefusalError(131009, f"contacts.name needs one of {', '.join(NAME_PARTS)}.")
    phones = listed(card.get("phones", []), "contacts.phones", 0, 20)
    return " ".join([formatted, *(str(phone["phone"]) for phone in phones if phone.get("phone"))])

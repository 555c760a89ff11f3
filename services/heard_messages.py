"""Which of a claim's messages the agents hear: texts of everybody, files of those who may change knowledge."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from agents.ports import Attachment
from database.businesses import DEFAULT
from database.claims import Claim, PendingMessage
from database.records import ClosedReason

# What the agents can hear. The caption of a picture alone would be answered as if we had seen the picture.
READ_TYPES = frozenset({"text", "button", "interactive"})
# What the agents also take from an admin: a document to learn, a voice note to write down.
ADMIN_FILES = frozenset({"document", "audio", "voice"})


@dataclass(frozen=True, slots=True)
class Heard:
    """A burst, sorted out once: `said` and `attachments` are heard, by the ids in `ids`; `unread` says why not."""

    said: tuple[PendingMessage, ...]
    attachments: tuple[Attachment, ...]
    from_admin: bool
    ids: tuple[str, ...]
    unread: Mapping[str, ClosedReason]


def heard_in(held: Claim, oldest: int, admins: Collection[str]) -> Heard:
    """What is heard of a claim's messages, in order. Those sent before `oldest` no longer matter.

    `admins` may send files, see `is_admin`.
    """
    from_admin = is_admin(held, admins)
    fresh = [message for message in held.messages if message.sent_at >= oldest]
    said = tuple(message for message in fresh if _speaks(message))
    attachments = _attachments(fresh) if from_admin else ()
    heard = {message.id for message in said} | {file.message_id for file in attachments}
    return Heard(
        said=said,
        attachments=attachments,
        from_admin=from_admin,
        ids=tuple(message.id for message in held.messages if message.id in heard),
        unread={
            message.id: ClosedReason.TOO_OLD if message.sent_at < oldest else ClosedReason.UNSUPPORTED
            for message in held.messages
            if message.id not in heard
        },
    )


def is_admin(held: Claim, admins: Collection[str]) -> bool:
    """Whether the sender may change this business's knowledge.

    `admins` are phones (digits) and BSUIDs, "slug:" before those of another business than the default one.
    """
    names = [name for name in (held.sender.phone, held.sender.bsuid) if name]
    if held.business_slug == DEFAULT and any(name in admins for name in names):
        return True
    return any(f"{held.business_slug}:{name}" in admins for name in names)


def _speaks(message: PendingMessage) -> bool:
    return message.type in READ_TYPES and bool(message.text and message.text.strip())


def _attachments(fresh: Collection[PendingMessage]) -> tuple[Attachment, ...]:
    """The documents and voice notes of a burst, still at Meta (WHATSAPP.md 2.2)."""
    files = (message for message in fresh if message.type in ADMIN_FILES)
    return tuple(found for message in files if (found := _attachment(message)) is not None)


def _attachment(message: PendingMessage) -> Attachment | None:
    file = json.loads(message.payload or "{}").get(message.type)
    media_id = file.get("id") if isinstance(file, dict) else None
    if not isinstance(file, dict) or not isinstance(media_id, str) or not media_id:
        return None
    mime_type, filename = file.get("mime_type"), file.get("filename")
    return Attachment(
        message_id=message.id,
        kind=message.type,
        media_id=media_id,
        mime_type=mime_type if isinstance(mime_type, str) else "",
        filename=filename if isinstance(filename, str) else None,
    )

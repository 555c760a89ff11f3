"""Between a claim and its ending: what the agents are asked, and what becomes of each message that was read."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from agents.ports import Attachment, Burst, Button, Message, Reply, Responder, Utterance
from database.businesses import DEFAULT
from database.claims import Claim, PendingMessage
from database.outbox import Draft
from database.records import ClosedReason, Mode
from database.turns import Ending, NewProposal, Trace
from services.whatsapp.formatting import split_text, to_whatsapp

# What the agents can hear. The caption of a picture alone would be answered as if we had seen the picture.
READ_TYPES = frozenset({"text", "button", "interactive"})
# What the agents also take from an admin: a document to learn, a voice note to write down.
ADMIN_FILES = frozenset({"document", "audio", "voice"})
MOST_ABOVE_BUTTONS = 1024  # WHATSAPP.md 4


def to_burst(held: Claim, oldest: int, admins: Collection[str] = ()) -> Burst:
    """What the agents hear: the texts of the messages that still matter, in order.

    `admins` may change knowledge, see `is_admin`.
    """
    heard = [message for message in held.messages if _speaks(message, oldest)]
    return Burst(
        business_id=held.business_id,
        texts=tuple(message.text or "" for message in heard),
        language=held.language,
        history=tuple(Utterance(past.by_customer, past.text, past.seq) for past in held.history),
        mode=Mode(held.mode),
        opted_out=held.opted_out,
        conversation_id=held.conversation_id,
        contact_name=held.sender.name,
        summary=held.summary,
        facts=held.sender.facts,
        pressed=tuple(message.button_id for message in heard if message.button_id),
        attachments=_attachments(held, oldest) if is_admin(held, admins) else (),
        from_admin=is_admin(held, admins),
    )


def is_admin(held: Claim, admins: Collection[str]) -> bool:
    """Whether the sender may change this business's knowledge.

    `admins` are phones (digits) and BSUIDs, "slug:" before those of another business than the default one.
    """
    names = [name for name in (held.sender.phone, held.sender.bsuid) if name]
    if held.business_slug == DEFAULT and any(name in admins for name in names):
        return True
    return any(f"{held.business_slug}:{name}" in admins for name in names)


def closed_unread(
    held: Claim, responder: Responder, oldest: int, started: int, admins: Collection[str] = ()
) -> Ending | None:
    """The ending of a burst that the agents need not hear: blocked, too old, or nothing that we can read."""
    if held.blocked:
        return _closing(held, ClosedReason.BLOCKED, started)
    if _heard(held, oldest, admins):
        return None
    fresh = [message for message in held.messages if message.sent_at >= oldest]
    if not fresh:
        return _closing(held, ClosedReason.TOO_OLD, started)
    if held.mode == Mode.PERSON:
        return _closing(held, ClosedReason.WITH_PERSON, started)
    if held.opted_out:
        return _closing(held, ClosedReason.OPTED_OUT, started)
    text = responder.unsupported(held.language)
    return Ending(
        drafts=drafts_of(text, "reply"),
        answered=(),
        closed=_unread(held, oldest, admins),
        trace=Trace(outcome="closed", intents=["other"], language=held.language, started_at=started),
    )


def without_agents(held: Claim, responder: Responder, started: int) -> Ending:
    """After too many failed claims: "stop" and "start" are obeyed; else an honest sentence, where we may write."""
    subscription = responder.subscription([message.text or "" for message in held.messages], held.language)
    if subscription is not None and not held.blocked:
        return ending_of(held, subscription, 0, started)
    return _apology(held, responder, started)


def _apology(held: Claim, responder: Responder, started: int) -> Ending:
    if held.blocked or held.opted_out or held.mode == Mode.PERSON:
        reason = ClosedReason.WITH_PERSON if held.mode == Mode.PERSON else ClosedReason.OPTED_OUT
        return _closing(held, ClosedReason.BLOCKED if held.blocked else reason, started)
    return Ending(
        drafts=drafts_of(responder.apology(held.language), "reply"),
        answered=[message.id for message in held.messages],
        closed={},
        trace=Trace(outcome="apology", intents=["other"], language=held.language, started_at=started),
    )


def ending_of(held: Claim, reply: Reply, oldest: int, started: int, admins: Collection[str] = ()) -> Ending:
    """What the agents' reply changes."""
    effects = reply.effects
    heard = _heard(held, oldest, admins)
    closed = _unread(held, oldest, admins)
    if reply.closed is not None:
        closed |= dict.fromkeys(heard, reply.closed)
    return Ending(
        drafts=_drafts(reply),
        answered=heard if reply.closed is None else (),
        closed=closed,
        trace=_trace(reply, started),
        mode=effects.mode,
        opted_out=effects.opted_out,
        language=effects.language or reply.language,
        summary=(effects.summary.text, effects.summary.until_seq) if effects.summary else None,
        new_facts=effects.new_facts,
        proposals=[NewProposal(asked.id, asked.kind, asked.details) for asked in effects.proposals],
        settled=effects.settled,
    )


def _speaks(message: PendingMessage, oldest: int) -> bool:
    return message.type in READ_TYPES and bool(message.text and message.text.strip()) and message.sent_at >= oldest


def _heard(held: Claim, oldest: int, admins: Collection[str]) -> list[str]:
    """The ids of the messages that the agents heard."""
    files = {file.message_id for file in _attachments(held, oldest)} if is_admin(held, admins) else set()
    return [message.id for message in held.messages if _speaks(message, oldest) or message.id in files]


def _unread(held: Claim, oldest: int, admins: Collection[str]) -> dict[str, ClosedReason]:
    heard = set(_heard(held, oldest, admins))
    return {
        message.id: ClosedReason.TOO_OLD if message.sent_at < oldest else ClosedReason.UNSUPPORTED
        for message in held.messages
        if message.id not in heard
    }


def _attachments(held: Claim, oldest: int) -> tuple[Attachment, ...]:
    """The documents and voice notes of a burst, still at Meta (WHATSAPP.md 2.2)."""
    fresh = (message for message in held.messages if message.type in ADMIN_FILES and message.sent_at >= oldest)
    return tuple(found for message in fresh if (found := _attachment(message)) is not None)


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


def _closing(held: Claim, reason: ClosedReason, started: int) -> Ending:
    return Ending(
        drafts=(),
        answered=(),
        closed={message.id: reason for message in held.messages},
        trace=Trace(outcome="closed", intents=["other"], language=held.language, started_at=started),
    )


def _drafts(reply: Reply) -> list[Draft]:
    first = [Message(reply.text, reply.buttons)] if reply.text else []
    return [
        draft
        for message in (*first, *reply.then)
        for draft in drafts_of(message.text, _purpose(reply), message.buttons)
    ]


def drafts_of(markdown: str, purpose: str, buttons: Sequence[Button] = ()) -> list[Draft]:
    """Markdown as messages to queue: one with buttons where it is short enough for them, or as many as it takes."""
    text = to_whatsapp(markdown)
    if buttons and len(split_text(text, MOST_ABOVE_BUTTONS)) == 1:
        return [Draft(type="interactive", text=text, body=_with_buttons(text, buttons), purpose=purpose)]
    return [
        Draft(
            type="text", text=part, body={"type": "text", "text": {"body": part, "preview_url": False}}, purpose=purpose
        )
        for part in split_text(text)
    ]


def _with_buttons(text: str, buttons: Sequence[Button]) -> dict[str, Any]:
    """WHATSAPP.md 4: an interactive message of type button."""
    replies = [{"type": "reply", "reply": {"id": button.id, "title": button.title}} for button in buttons]
    return {
        "type": "interactive",
        "interactive": {"type": "button", "body": {"text": text}, "action": {"buttons": replies}},
    }


def _purpose(reply: Reply) -> str:
    if reply.effects.opted_out is True:
        return "opt_out"
    return "hand_over" if reply.effects.mode is Mode.PERSON else "reply"


def _trace(reply: Reply, started: int) -> Trace:
    spoken = "answered" if reply.answered else "not_known"
    return Trace(
        outcome=spoken if reply.closed is None else "closed",
        intents=[intent.value for intent in reply.intents],
        language=reply.language,
        model=reply.usage.model,
        prompt_hash=reply.usage.prompt_hash,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cost_usd=reply.usage.cost_usd,
        stages=reply.stages,
        sources=[passage.chunk_id for passage in reply.sources],
        error=reply.error,
        knowledge_version=reply.knowledge_version,
        started_at=started,
        topic=reply.topic,
    )

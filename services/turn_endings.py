"""Between a claim and its ending: what the agents are asked, and what becomes of each message that was read."""

from collections.abc import Sequence
from typing import Any

from agents.ports import Burst, Button, Message, Reply, Responder, Utterance
from database.claims import Claim
from database.outbox import Draft
from database.records import ClosedReason, Mode
from database.turns import Ending, NewProposal, Trace
from services.heard_messages import Heard, heard_in
from services.whatsapp.formatting import split_text, to_whatsapp

MOST_ABOVE_BUTTONS = 1024  # WHATSAPP.md 4


def to_burst(held: Claim, heard: Heard) -> Burst:
    """What the agents hear: the texts of the messages that still matter, in order."""
    return Burst(
        business_id=held.business_id,
        texts=tuple(message.text or "" for message in heard.said),
        language=held.language,
        history=tuple(Utterance(past.by_customer, past.text, past.seq) for past in held.history),
        mode=Mode(held.mode),
        opted_out=held.opted_out,
        conversation_id=held.conversation_id,
        contact_name=held.sender.name,
        summary=held.summary,
        facts=held.sender.facts,
        pressed=tuple(message.button_id for message in heard.said if message.button_id),
        attachments=heard.attachments,
        from_admin=heard.from_admin,
    )


def closed_unread(held: Claim, heard: Heard, responder: Responder, started: int) -> Ending | None:
    """The ending of a burst that the agents need not hear: blocked, too old, or nothing that we can read."""
    if held.blocked:
        return _closing(held, ClosedReason.BLOCKED, started)
    if heard.ids:
        return None
    if all(reason is ClosedReason.TOO_OLD for reason in heard.unread.values()):
        return _closing(held, ClosedReason.TOO_OLD, started)
    if held.mode == Mode.PERSON:
        return _closing(held, ClosedReason.WITH_PERSON, started)
    if held.opted_out:
        return _closing(held, ClosedReason.OPTED_OUT, started)
    text = responder.unsupported(held.language)
    return Ending(
        drafts=drafts_of(text, "reply"),
        answered=(),
        closed=dict(heard.unread),
        trace=Trace(outcome="closed", intents=["other"], language=held.language, started_at=started),
    )


def without_agents(held: Claim, responder: Responder, started: int) -> Ending:
    """After too many failed claims: "stop" and "start" are obeyed; else an honest sentence, where we may write."""
    subscription = responder.subscription([message.text or "" for message in held.messages], held.language)
    if subscription is not None and not held.blocked:
        return ending_of(heard_in(held, 0, frozenset()), subscription, started)
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


def ending_of(heard: Heard, reply: Reply, started: int) -> Ending:
    """What the agents' reply changes."""
    effects = reply.effects
    closed = dict(heard.unread)
    if reply.closed is not None:
        closed |= dict.fromkeys(heard.ids, reply.closed)
    return Ending(
        drafts=_drafts(reply),
        answered=heard.ids if reply.closed is None else (),
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

"""Hears admins first: what is about knowledge goes to the embedding agent, the rest is answered as any customer's."""

import time
from collections.abc import Sequence
from dataclasses import replace

from agents.admin_proposals import pressed_button
from agents.embedding_agent import EmbeddingAgent, Taken
from agents.ports import Burst, Effects, Message, Reply, Responder
from database.records import Mode

_BETWEEN = "\n\n"
_MOST_ABOVE_BUTTONS = 1000
"""A little less than WhatsApp takes (WHATSAPP.md 4.2)."""


class AdminResponder:
    """Implements agents.ports.Responder around another one, which answers everybody else."""

    def __init__(self, everyone: Responder, agent: EmbeddingAgent) -> None:
        self._everyone = everyone
        self._agent = agent

    async def respond(self, burst: Burst) -> Reply:
        """As the port says. Who opted out or talks with a person is no admin meanwhile."""
        if not burst.from_admin or burst.opted_out or burst.mode is Mode.PERSON:
            return await self._everyone.respond(burst)
        began = time.perf_counter()
        taken = await self._agent.take(burst)
        seconds = time.perf_counter() - began
        replies = list(taken.said)
        if taken.ordinary:
            pressed = tuple(each for each in burst.pressed if pressed_button(each) is None)
            rest = replace(burst, texts=taken.ordinary, pressed=pressed, attachments=())
            replies.append(await self._everyone.respond(rest))
        reply = _joined(replies, taken)
        return replace(reply, stages={"knowledge": seconds, **reply.stages})

    def apology(self, language: str | None) -> str:
        """Markdown."""
        return self._everyone.apology(language)

    def subscription(self, texts: Sequence[str], language: str | None) -> Reply | None:
        """As the port says."""
        return self._everyone.subscription(texts, language)

    def unsupported(self, language: str | None) -> str:
        """Markdown."""
        return self._everyone.unsupported(language)


def _joined(replies: Sequence[Reply], taken: Taken) -> Reply:
    """One reply that says all of it. What one of them leaves unsaid ("ok" needs no answer) another may say."""
    # a question with its buttons stands last; each has a message of its own
    ordered = sorted(replies, key=lambda reply: bool(reply.buttons))
    speaking = [reply for reply in ordered if reply.text is not None] or ordered
    messages = _messages(speaking)
    errors = [taken.error, *(reply.error for reply in replies)]
    usage = taken.usage
    for reply in replies:
        usage += reply.usage
    return replace(
        speaking[-1],
        intents=tuple(dict.fromkeys(intent for reply in ordered for intent in reply.intents)),
        text=messages[0].text if messages else None,
        buttons=messages[0].buttons if messages else (),
        then=tuple(messages[1:]),
        effects=_effects([reply.effects for reply in replies]),
        answered=any(reply.answered for reply in replies),
        sources=tuple(source for reply in replies for source in reply.sources),
        usage=usage,
        stages={stage: seconds for reply in replies for stage, seconds in reply.stages.items()},
        error="; ".join(filter(None, errors)) or None,
        knowledge_version=next((version for each in replies if (version := each.knowledge_version) is not None), None),
        topic=next((reply.topic for reply in replies if reply.topic), None),
    )


def _messages(replies: Sequence[Reply]) -> list[Message]:
    """What is said, and the first question below it where it is short enough to keep its buttons."""
    said = _BETWEEN.join(reply.text for reply in replies if reply.text and not reply.buttons)
    questions = [Message(reply.text, reply.buttons) for reply in replies if reply.text and reply.buttons]
    if said and questions and len(said) + len(questions[0].text) <= _MOST_ABOVE_BUTTONS:
        questions[0] = replace(questions[0], text=f"{said}{_BETWEEN}{questions[0].text}")
        return questions
    return [*([Message(said)] if said else []), *questions]


def _effects(all_of_them: Sequence[Effects]) -> Effects:
    merged = Effects()
    for each in all_of_them:
        merged = Effects(
            mode=each.mode or merged.mode,
            opted_out=merged.opted_out if each.opted_out is None else each.opted_out,
            language=each.language or merged.language,
            summary=each.summary or merged.summary,
            new_facts=(*merged.new_facts, *each.new_facts),
            proposals=(*merged.proposals, *each.proposals),
            settled=(*merged.settled, *each.settled),
        )
    return merged

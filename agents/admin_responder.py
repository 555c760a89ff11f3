"""Hears admins first: what is about knowledge goes to the embedding agent, the rest is answered as any customer's."""

import time
from collections.abc import Sequence
from dataclasses import replace

from agents.embedding_agent import EmbeddingAgent, Taken
from agents.ports import Burst, Effects, Reply, Responder
from database.records import Mode

_BETWEEN = "\n\n"


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
            pressed = tuple(each for each in burst.pressed if not each.startswith("proposal:"))
            rest = replace(burst, texts=taken.ordinary, pressed=pressed, attachments=())
            answer = await self._everyone.respond(rest)
            # a question with its buttons stands last
            replies.insert(0 if replies and replies[-1].buttons else len(replies), answer)
        reply = _joined(replies, taken)
        return replace(reply, stages={"knowledge": seconds, **reply.stages})

    def apology(self, language: str | None) -> str:
        """Markdown."""
        return self._everyone.apology(language)

    def unsupported(self, language: str | None) -> str:
        """Markdown."""
        return self._everyone.unsupported(language)


def _joined(replies: Sequence[Reply], taken: Taken) -> Reply:
    """One reply that says all of it. What one of them leaves unsaid ("ok" needs no answer) another may say."""
    speaking = [reply for reply in replies if reply.text is not None] or list(replies)
    last = speaking[-1]
    errors = [taken.error, *(reply.error for reply in replies)]
    usage = taken.usage
    for reply in replies:
        usage += reply.usage
    return replace(
        last,
        intents=tuple(dict.fromkeys(intent for reply in replies for intent in reply.intents)),
        text=_BETWEEN.join(reply.text for reply in speaking if reply.text) or None,
        effects=_effects([reply.effects for reply in replies]),
        answered=any(reply.answered for reply in replies),
        sources=tuple(source for reply in replies for source in reply.sources),
        usage=usage,
        stages={stage: seconds for reply in replies for stage, seconds in reply.stages.items()},
        error="; ".join(filter(None, errors)) or None,
        knowledge_version=next((each.knowledge_version for each in replies if each.knowledge_version), None),
        topic=next((reply.topic for reply in replies if reply.topic), None),
    )


def _effects(all_of_them: Sequence[Effects]) -> Effects:
    merged = Effects()
    for each in all_of_them:
        merged = Effects(
            mode=each.mode or merged.mode,
            opted_out=merged.opted_out if each.opted_out is None else each.opted_out,
            language=each.language or merged.language,
            summary=each.summary or merged.summary,
            new_facts=(*merged.new_facts, *each.new_facts),
            proposal=each.proposal or merged.proposal,
            settled_proposal=each.settled_proposal or merged.settled_proposal,
        )
    return merged

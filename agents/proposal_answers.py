"""Carries out what admins answer to proposals: by button, or by a word right after the question.

The answer is chosen on disk before anything is done: a turn that is cut off or fails is repeated, and its repetition
finishes that answer, whatever was said meanwhile.
"""

from collections.abc import Sequence
from dataclasses import replace

from agents.admin_ports import AdminKnowledge, FileFetchError, FileProblem
from agents.admin_proposals import (
    ADD,
    DROP,
    FORGET,
    REPLACE,
    allowed,
    corrections_of,
    document_ids,
    pressed_button,
)
from agents.admin_replies import ENDED, AdminReplies
from agents.admin_words import AdminButton, AdminSentence, AdminWords
from agents.intent_rules import ORDERS, POLITE, IntentRules
from agents.language_packs import plain
from agents.ports import Burst, Proposal, ProposalState, Reply
from database.records import Document, DocumentStatus, Intent

_ACTIONS: dict[AdminButton, str] = {
    "save": ADD,
    "replace": REPLACE,
    "keep_both": ADD,
    "cancel": DROP,
    "forget": FORGET,
}
_COMPARED = 60


class ProposalAnswers:
    """Stateless; one instance serves all."""

    def __init__(self, knowledge: AdminKnowledge, rules: IntentRules, said: AdminWords, replies: AdminReplies) -> None:
        self._knowledge = knowledge
        self._rules = rules
        self._words = said
        self._replies = replies

    async def given(self, burst: Burst) -> tuple[tuple[Reply, ...], tuple[str, ...]]:
        """What is said to the answers in a burst, one reply a proposal, and the texts that are left."""
        # of two answers to one question that nobody has acted on yet, the later one counts
        presses = dict(found for pressed in burst.pressed if (found := pressed_button(pressed)))
        if presses:
            rest = tuple(text for text in burst.texts if self._words.button_of(text) is None)
            return tuple([await self._pressed(burst, *press) for press in presses.items()]), rest
        asked = await self._knowledge.open_proposals(burst.conversation_id) if burst.texts else []
        proposal = next((each for each in asked if _was_asked_last(burst, each)), None)
        typed = self._typed(burst.texts, proposal) if proposal else None
        if proposal is None or typed is None:
            return (), burst.texts
        action, rest = typed
        return (await self._chosen(burst, proposal, action),), rest

    async def concluded(self, business_id: str, proposal: Proposal, documents: Sequence[Document]) -> str:
        """What became of a proposal whose documents have ended, in Markdown; may be repeated.

        What its note contradicts is forgotten only now: a note that cannot be read leaves everything as it was.
        """
        language = proposal.details["language"]
        told = self._replies.told(documents, language)
        if proposal.chosen != REPLACE or not _all_read(documents):
            return told
        return f"{told}\n\n{await self._taken_out(business_id, proposal, 'replaced')}"

    async def _pressed(self, burst: Burst, proposal_id: str, action: str) -> Reply:
        asked = await self._knowledge.proposal(burst.conversation_id, proposal_id)
        if asked is None or asked[1] is not ProposalState.OPEN or action not in allowed(asked[0]):
            return self._settled_before(asked[0].details["language"] if asked else burst.language)
        return await self._chosen(burst, asked[0], action)

    async def _chosen(self, burst: Burst, proposal: Proposal, action: str) -> Reply:
        language = proposal.details["language"]
        chosen = await self._knowledge.choose(burst.conversation_id, proposal.id, action)
        if chosen is None:
            return self._settled_before(language)
        reply = await self._done(burst, replace(proposal, chosen=chosen), chosen)
        if chosen == action:
            return reply
        return replace(reply, text=f"{self._replies.say('settled', language)}\n\n{reply.text}")

    def _settled_before(self, language: str | None) -> Reply:
        return self._replies.reply(self._replies.say("settled", language), language)

    def _typed(self, texts: Sequence[str], proposal: Proposal) -> tuple[str, tuple[str, ...]] | None:
        """The answer that was typed, and the texts that are no answer; None when nothing is to be done.

        Beside thanks, questions and orders a yes is a yes; beside anything else it may be taken back or changed there.
        """
        answers = {action for text in texts if (action := self._action(text, proposal))}
        rest = tuple(text for text in texts if not self._action(text, proposal) and self._intents(text) - POLITE)
        if not answers:
            return None
        if proposal.chosen is not None:
            return proposal.chosen, rest
        if len(answers) > 1 or not all(self._is_beside(text) for text in rest):
            return None
        return answers.pop(), rest

    def _action(self, text: str, proposal: Proposal) -> str | None:
        """What a typed answer says: yes, no, or the title of a button."""
        if self._words.says_no([text]):
            return DROP
        typed = self._words.button_of(text)
        if typed is not None and _ACTIONS[typed] in allowed(proposal):
            return _ACTIONS[typed]
        return proposal.kind if self._rules.says_yes([text]) else None

    def _is_beside(self, text: str) -> bool:
        return self._rules.has_mark([text]) or not ORDERS.isdisjoint(self._intents(text))

    def _intents(self, text: str) -> set[Intent]:
        return set(self._rules.intents([text]))

    async def _done(self, burst: Burst, proposal: Proposal, action: str) -> Reply:
        language = proposal.details["language"]
        if action == DROP:
            text = self._replies.say("dropped", language)
            return self._replies.reply(text, language, settled=(proposal.id, ProposalState.DROPPED))
        if action == FORGET:
            text = await self._taken_out(burst.business_id, proposal, "forgotten")
            return self._replies.reply(text, language, settled=(proposal.id, ProposalState.DONE))
        if "statement" in proposal.details:
            return await self._noted(burst, proposal, language)
        return await self._learned(burst, proposal, language)

    async def _noted(self, burst: Burst, proposal: Proposal, language: str) -> Reply:
        details = proposal.details
        await self._knowledge.add_note(burst.business_id, proposal.id, details["filename"], details["statement"])
        documents = await self._knowledge.outcome(burst.business_id, [proposal.id])
        if not _all_read(documents):
            text = self._replies.told(documents, language) or self._replies.say("settled", language)
        elif proposal.chosen == REPLACE:
            text = await self._taken_out(burst.business_id, proposal, "replaced")
        else:
            text = self._replies.say("stored", language)
        return self._replies.reply(text, language, settled=(proposal.id, _state(documents)))

    async def _taken_out(self, business_id: str, proposal: Proposal, name: AdminSentence) -> str:
        """Forget what the proposal names, and say so; less is said where it has changed since it was shown."""
        language = proposal.details["language"]
        corrections = corrections_of(proposal)
        done = await self._knowledge.forget(business_id, proposal.id, corrections)
        lines = [self._replies.say(name, language)]
        if done < len(corrections):
            forgotten = [lines[0]] if name == "forgotten" and done else []
            lines = [self._replies.say("stored", language)] if name == "replaced" else forgotten
            lines.append(self._replies.say("changed", language).format(done=done, all=len(corrections)))
        if done and proposal.details["in_file"]:
            lines.append(self._replies.say("in_file", language))
        return " ".join(lines)

    async def _learned(self, burst: Burst, proposal: Proposal, language: str) -> Reply:
        problems: list[str] = []
        away = False
        for file in proposal.details["files"]:
            try:
                await self._knowledge.add_file(
                    burst.business_id, file["document_id"], file["filename"], file["media_id"]
                )
            except FileFetchError as error:
                problems.append(self._replies.problem(error.problem, file["filename"], language))
                away = away or error.problem is FileProblem.AWAY
        documents = await self._knowledge.outcome(burst.business_id, document_ids(proposal))
        text = "\n\n".join(filter(None, [self._replies.told(documents, language), *problems]))
        if not away:
            return self._replies.reply(text, language, settled=(proposal.id, _state(documents)))
        # the question stays open; only while nothing is stored may it still be answered otherwise
        if not documents:
            await self._knowledge.choose_again(burst.conversation_id, proposal.id)
        return self._replies.reply(text, language)


def _was_asked_last(burst: Burst, proposal: Proposal) -> bool:
    """Whether the question was the last thing said: a yes to anything else is no yes to it."""
    last = burst.history[-1] if burst.history else None
    if last is None or last.by_customer:
        return False
    # its end: an answer to something else may stand before it
    return plain(last.text)[-_COMPARED:] == plain(proposal.details["asked"])[-_COMPARED:]


def _state(documents: Sequence[Document]) -> ProposalState:
    return ProposalState.DONE if all(each.status in ENDED for each in documents) else ProposalState.READING


def _all_read(documents: Sequence[Document]) -> bool:
    return bool(documents) and all(each.status is DocumentStatus.READY for each in documents)

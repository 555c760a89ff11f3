"""Turns what admins send by WhatsApp into knowledge, after a yes; tells and forgets what is known."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agents.admin_ports import AdminKnowledge, Correction, FileFetchError, FileProblem, Listener
from agents.admin_proposals import (
    ADD,
    DROP,
    FORGET,
    REPLACE,
    AdminProposals,
    Asked,
    ToForget,
    allowed,
    corrections_of,
    document_ids,
    named,
    pressed_button,
    safe_name,
)
from agents.admin_statements import StatementReader, Understood
from agents.admin_words import AdminButton, AdminSentence, AdminWords
from agents.intent_rules import IntentRules
from agents.language_packs import plain
from agents.ports import (
    Attachment,
    Burst,
    Button,
    Effects,
    ModelError,
    Proposal,
    ProposalState,
    Reply,
    Usage,
)
from agents.sentence_cutter import sentences
from agents.statement_check import Finding, StatementCheck
from agents.words import stem, words
from database.clock import Clock
from database.records import Document, DocumentStatus, Intent, Passage

_CANDIDATES = 8
_LONGEST_QUERY = 500
_MOST_KNOWN, _MOST_FORGOTTEN, _FORGET_CANDIDATES = 5, 5, 20
_ABOUT = 0.6
_ENDED = frozenset({DocumentStatus.READY, DocumentStatus.FAILED})
_ACTIONS: dict[AdminButton, str] = {
    "save": ADD,
    "replace": REPLACE,
    "keep_both": ADD,
    "cancel": DROP,
    "forget": FORGET,
}
_PROBLEMS: dict[FileProblem, AdminSentence] = {
    FileProblem.GONE: "file_gone",
    FileProblem.TOO_LARGE: "file_too_large",
    FileProblem.AWAY: "file_away",
}
_MEGABYTE = 1024 * 1024
_COMPARED = 60


@dataclass(frozen=True, slots=True)
class Taken:
    """What the agent says to a burst, and the messages that are for the others; `usage` is what finding out cost."""

    said: tuple[Reply, ...] = ()
    ordinary: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    error: str | None = None


class EmbeddingAgent:
    """For bursts of admins alone. `listener` None means that voice notes cannot be written down."""

    def __init__(
        self,
        knowledge: AdminKnowledge,
        reader: StatementReader,
        check: StatementCheck,
        rules: IntentRules,
        said: AdminWords,
        proposals: AdminProposals,
        listener: Listener | None,
        clock: Clock,
    ) -> None:
        self._knowledge = knowledge
        self._reader = reader
        self._check = check
        self._rules = rules
        self._words = said
        self._proposals = proposals
        self._listener = listener
        self._clock = clock

    async def take(self, burst: Burst) -> Taken:
        """Raises only what the knowledge raises: a model that fails is replaced by rules, see `error`."""
        settled, texts = await self._settled(burst)
        spoken, heard = await self._voices(burst)
        files = [file for file in burst.attachments if file.kind == "document"]
        texts = (*texts, *heard)
        if files:
            # what is written beside a file is about the file, unless it asks
            asking = tuple(text for text in texts if self._rules.has_mark([text]))
            return Taken((*settled, *spoken, await self._files(burst, files)), asking)
        if not texts:
            return Taken((*settled, *spoken))
        wish = await self._reader.read(burst, texts, self._clock.now())
        reply = await self._granted(burst, wish)
        if reply is None:
            return Taken((*settled, *spoken), wish.ordinary or texts, wish.usage, wish.error)
        return Taken((*settled, *spoken, reply), wish.ordinary)

    def told(self, documents: Sequence[Document], language: str | None) -> str:
        """What became of documents, in Markdown: which are read, which could not be, and whether some still are."""
        ready = [each.filename for each in documents if each.status is DocumentStatus.READY]
        lines = [self._about_files("learned", ready, language)] if ready else []
        for each in documents:
            if each.status is DocumentStatus.FAILED:
                sentence = self._words.say("failed", language)
                lines.append(sentence.format(files=named(each.filename), reason=each.error_message or "?"))
        if any(each.status not in _ENDED for each in documents):
            lines.append(self._words.say("reading", language))
        return "\n\n".join(lines)

    async def _settled(self, burst: Burst) -> tuple[tuple[Reply, ...], tuple[str, ...]]:
        """The answer to a yes or no, if the burst holds one, and the texts that are left."""
        presses = [found for pressed in burst.pressed if (found := pressed_button(pressed))]
        if presses:
            proposal_id, action = presses[-1]
            rest = tuple(text for text in burst.texts if self._words.button_of(text) is None)
            asked = await self._knowledge.proposal(burst.conversation_id, proposal_id)
            if asked is None or asked[1] is not ProposalState.OPEN or action not in allowed(asked[0]):
                language = asked[0].details["language"] if asked else burst.language
                return (self._reply(self._words.say("settled", language), language),), rest
            return (await self._done(burst, asked[0], action),), rest
        proposal = await self._knowledge.open_proposal(burst.conversation_id) if burst.texts else None
        if proposal is None or not _was_asked_last(burst, proposal):
            return (), burst.texts
        action_said = self._action(burst.texts, proposal)
        if action_said is None:
            return (), burst.texts
        return (await self._done(burst, proposal, action_said),), ()

    def _action(self, texts: Sequence[str], proposal: Proposal) -> str | None:
        """What a typed answer says: yes, no, or the title of a button."""
        if self._words.says_no(texts):
            return DROP
        typed = self._words.button_of(texts[0]) if len(texts) == 1 else None
        if typed is not None and _ACTIONS[typed] in allowed(proposal):
            return _ACTIONS[typed]
        return proposal.kind if self._rules.says_yes(texts) else None

    async def _done(self, burst: Burst, proposal: Proposal, action: str) -> Reply:
        language = proposal.details["language"]
        if action == DROP:
            text = self._words.say("dropped", language)
            return self._reply(text, language, settled=(proposal.id, ProposalState.DROPPED))
        if action == FORGET:
            await self._knowledge.forget(burst.business_id, corrections_of(proposal))
            text = self._with_file_note("forgotten", proposal, language)
            return self._reply(text, language, settled=(proposal.id, ProposalState.DONE))
        if "statement" in proposal.details:
            return await self._noted(burst, proposal, action, language)
        return await self._learned(burst, proposal, language)

    async def _noted(self, burst: Burst, proposal: Proposal, action: str, language: str) -> Reply:
        details = proposal.details
        await self._knowledge.add_note(burst.business_id, proposal.id, details["filename"], details["statement"])
        if action == REPLACE:
            await self._knowledge.forget(burst.business_id, corrections_of(proposal))
        documents = await self._knowledge.outcome(burst.business_id, [proposal.id])
        if any(each.status is not DocumentStatus.READY for each in documents):
            return self._reply(self.told(documents, language), language, settled=(proposal.id, _state(documents)))
        text = self._words.say("stored", language)
        if action == REPLACE:
            text = self._with_file_note("replaced", proposal, language)
        return self._reply(text, language, settled=(proposal.id, ProposalState.DONE))

    async def _learned(self, burst: Burst, proposal: Proposal, language: str) -> Reply:
        problems: list[str] = []
        for file in proposal.details["files"]:
            try:
                await self._knowledge.add_file(
                    burst.business_id, file["document_id"], file["filename"], file["media_id"]
                )
            except FileFetchError as error:
                problems.append(self._problem(error.problem, file["filename"], language))
                if error.problem is FileProblem.AWAY:
                    return self._reply("\n\n".join(problems), language)  # the question stays open
        documents = await self._knowledge.outcome(burst.business_id, document_ids(proposal))
        text = "\n\n".join(filter(None, [self.told(documents, language), *problems]))
        return self._reply(text, language, settled=(proposal.id, _state(documents)))

    async def _voices(self, burst: Burst) -> tuple[tuple[Reply, ...], tuple[str, ...]]:
        """What voice notes say; a sentence instead where that cannot be found out."""
        notes = [file for file in burst.attachments if file.kind != "document"]
        if not notes:
            return (), ()
        if self._listener is None:
            return (self._reply(self._words.say("voice", burst.language), burst.language),), ()
        heard: list[str] = []
        for note in notes:
            try:
                heard.append((await self._listener.write_down(note.media_id, note.mime_type)).strip())
            except (FileFetchError, ModelError):
                heard.append("")
        if not all(heard):
            failed = self._reply(self._words.say("voice_failed", burst.language), burst.language)
            return (failed,), tuple(filter(None, heard))
        return (), tuple(heard)

    async def _files(self, burst: Burst, files: Sequence[Attachment]) -> Reply:
        """Asks about documents; those that cannot be taken are named at once."""
        problems: list[str] = []
        good: list[tuple[Attachment, int | None]] = []
        for file in files:
            try:
                size = await self._knowledge.file_bytes(file.media_id)
            except FileFetchError as error:
                if error.problem is not FileProblem.AWAY:
                    problems.append(self._problem(error.problem, safe_name(file), burst.language))
                    continue
                good.append((file, None))
                continue
            if size > self._knowledge.most_megabytes * _MEGABYTE:
                problems.append(self._problem(FileProblem.TOO_LARGE, safe_name(file), burst.language))
            else:
                good.append((file, size))
        if not good:
            return self._reply("\n\n".join(problems), burst.language)
        asked = self._proposals.files(good, language=burst.language or "en")
        text = "\n\n".join([*problems, asked.text])
        details = {**asked.proposal.details, "asked": text}
        return self._question(replace(asked, text=text, proposal=replace(asked.proposal, details=details)))

    async def _granted(self, burst: Burst, wish: Understood) -> Reply | None:
        """The answer to a wish about knowledge; None when there is none."""
        if wish.forget:
            reply = await self._forgetting(burst, wish)
        elif wish.know:
            found = await self._about(burst, wish.know, _MOST_KNOWN)
            shown = [Finding(passage, passage.text) for passage, _ in found]
            reply = self._reply(self._proposals.known(shown, wish.language), wish.language)
        elif wish.statement:
            reply = await self._proposing(burst, wish)
        else:
            return None
        error = "; ".join(filter(None, (wish.error, reply.error))) or None
        return replace(reply, usage=wish.usage + reply.usage, error=error)

    async def _proposing(self, burst: Burst, wish: Understood) -> Reply:
        query = wish.statement[:_LONGEST_QUERY]
        passages = await self._knowledge.search(burst.business_id, query, limit=_CANDIDATES)
        known = await self._check.compare(burst.business_id, wish.statement, passages, wish.language)
        asked = self._proposals.note(
            wish.statement,
            known,
            language=wish.language,
            now=self._clock.now(),
            in_file=await self._any_in_file(burst, known.contradicted),
        )
        return replace(self._question(asked), usage=known.usage, error=known.error)

    async def _forgetting(self, burst: Burst, wish: Understood) -> Reply:
        found = [
            _to_forget(passage, subject) for passage, subject in await self._about(burst, wish.forget, _MOST_FORGOTTEN)
        ]
        if not found:
            return self._reply(self._words.say("nothing_known", wish.language), wish.language)
        in_file = await self._any_in_file(burst, [each.finding for each in found])
        return self._question(self._proposals.forgetting(found, language=wish.language, in_file=in_file))

    async def _about(self, burst: Burst, subject: str, most: int) -> list[tuple[Passage, frozenset[str]]]:
        """Passages that speak of a subject, each with the subject's stems."""
        stems = frozenset(stem(word) for word in words(subject))
        passages = await self._knowledge.search(burst.business_id, subject, limit=_FORGET_CANDIDATES)
        # the commonest words are in every passage: what tells is whether the rest of the subject is there, too
        fitting = [each for each in passages if len(stems & _stems_of(each)) >= _ABOUT * len(stems)]
        return [(each, stems) for each in fitting[:most]]

    async def _any_in_file(self, burst: Burst, found: Sequence[Finding]) -> bool:
        """Whether some of it stands in a document that is no note of an admin."""
        documents = {each.passage.document_id for each in found}
        return bool(documents - await self._knowledge.notes_among(burst.business_id, documents))

    def _with_file_note(self, name: AdminSentence, proposal: Proposal, language: str) -> str:
        text = self._words.say(name, language)
        return f"{text} {self._words.say('in_file', language)}" if proposal.details["in_file"] else text

    def _about_files(self, name: AdminSentence, filenames: Sequence[str], language: str | None) -> str:
        return self._words.say(name, language).format(files=", ".join(map(named, filenames)))

    def _problem(self, problem: FileProblem, filename: str, language: str | None) -> str:
        limit = self._knowledge.most_megabytes
        return self._words.say(_PROBLEMS[problem], language).format(files=named(filename), limit=limit)

    def _question(self, asked: Asked) -> Reply:
        language = asked.proposal.details["language"]
        return replace(self._reply(asked.text, language, asked.buttons), effects=Effects(proposal=asked.proposal))

    def _reply(
        self,
        text: str,
        language: str | None,
        buttons: tuple[Button, ...] = (),
        *,
        settled: tuple[str, ProposalState] | None = None,
    ) -> Reply:
        effects = Effects(settled_proposal=settled)
        return Reply((Intent.KNOWLEDGE,), language or "en", text=text, effects=effects, answered=True, buttons=buttons)


def _was_asked_last(burst: Burst, proposal: Proposal) -> bool:
    """Whether the question was the last thing said: a yes to anything else is no yes to it."""
    last = burst.history[-1] if burst.history else None
    if last is None or last.by_customer:
        return False
    # its end: an answer to something else may stand before it
    return plain(last.text)[-_COMPARED:] == plain(proposal.details["asked"])[-_COMPARED:]


def _state(documents: Sequence[Document]) -> ProposalState:
    return ProposalState.DONE if all(each.status in _ENDED for each in documents) else ProposalState.READING


def _stems_of(passage: Passage) -> set[str]:
    return {stem(word) for word in words("\n".join(filter(None, (passage.heading, passage.title, passage.text))))}


def _to_forget(passage: Passage, subject: frozenset[str]) -> ToForget:
    """The sentences about the subject; all of the passage where its heading or most of its sentences are about it."""
    quotes = [each.text for each in sentences(passage.text) if each.text in passage.text]
    about = [quote for quote in quotes if subject & {stem(word) for word in words(quote)}]
    in_heading = bool(subject & {stem(word) for word in words(passage.heading or "")})
    if in_heading or not about or 2 * len(about) > len(quotes):
        return ToForget(Finding(passage, passage.text), Correction(passage.chunk_id, ()))
    return ToForget(Finding(passage, about[0]), Correction(passage.chunk_id, tuple(about)))

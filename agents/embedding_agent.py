"""Turns what admins send by WhatsApp into knowledge, after a yes; tells and forgets what is known."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agents.admin_ports import AdminKnowledge, Correction, FileFetchError, FileProblem, Listener
from agents.admin_proposals import AdminProposals, Asked, ToForget, safe_name
from agents.admin_replies import AdminReplies
from agents.admin_statements import StatementReader, Understood
from agents.admin_words import AdminWords
from agents.intent_rules import IntentRules
from agents.ports import Attachment, Burst, Effects, ModelError, Proposal, Reply, Usage
from agents.proposal_answers import ProposalAnswers
from agents.sentence_cutter import as_it_stands, sentences
from agents.statement_check import Finding, StatementCheck
from agents.words import stem, words
from database.clock import Clock
from database.records import Document, Intent, Passage

_CANDIDATES = 8
_LONGEST_QUERY = 500
_MOST_KNOWN, _MOST_FORGOTTEN, _FORGET_CANDIDATES = 5, 5, 20
_ABOUT = 0.6
_MEGABYTE = 1024 * 1024


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
        self._replies = AdminReplies(said, knowledge.most_megabytes)
        self._answers = ProposalAnswers(knowledge, rules, said, self._replies)
        self._proposals = proposals
        self._listener = listener
        self._clock = clock

    async def take(self, burst: Burst) -> Taken:
        """Raises only what the knowledge raises: a model that fails is replaced by rules, see `error`."""
        answered, texts = await self._answers.given(burst)
        if self._rules.keyword(texts) is Intent.OPT_OUT:
            return Taken(answered, texts)  # who wants no more messages is asked nothing
        spoken, heard = await self._voices(burst)
        files = [file for file in burst.attachments if file.kind == "document"]
        asked = (await self._files(burst, files),) if files else ()
        if files:
            # what is written beside a file is about the file
            texts = tuple(text for text in texts if self._reader.stands_alone(text))
        wanted = await self._wanted(burst, (*texts, *heard))
        said = (*answered, *spoken, *asked, *wanted.said)
        # what else was only polite has its answer
        ordinary = tuple(text for text in wanted.ordinary if not said or self._reader.matters(text))
        return replace(wanted, said=said, ordinary=ordinary)

    async def concluded(self, business_id: str, proposal: Proposal, documents: Sequence[Document]) -> str:
        """What became of a proposal whose documents have ended, in Markdown; may be repeated."""
        return await self._answers.concluded(business_id, proposal, documents)

    async def _wanted(self, burst: Burst, texts: tuple[str, ...]) -> Taken:
        """The answers to every wish about knowledge in these texts, and the texts that are none."""
        said: list[Reply] = []
        ordinary: set[str] = set()
        usage, errors, unread = Usage(), [], texts
        while unread:
            wish = await self._reader.read(burst, unread, self._clock.now())
            granted = await self._granted(burst, wish)
            said += granted
            ordinary.update(wish.ordinary if granted else wish.ordinary or unread)
            usage, unread = usage + wish.usage, wish.unread
            errors.append(wish.error)
        left = tuple(text for text in texts if text in ordinary)
        return Taken(tuple(said), left, usage, "; ".join(filter(None, errors)) or None)

    async def _voices(self, burst: Burst) -> tuple[tuple[Reply, ...], tuple[str, ...]]:
        """What voice notes say; a sentence instead where that cannot be found out."""
        notes = [file for file in burst.attachments if file.kind != "document"]
        if not notes:
            return (), ()
        if self._listener is None:
            return (self._replies.reply(self._replies.say("voice", burst.language), burst.language),), ()
        heard: list[str] = []
        for note in notes:
            try:
                said = await self._listener.write_down(note.media_id, note.mime_type, burst.business_id)
                heard.append(said.strip())
            except (FileFetchError, ModelError):
                heard.append("")
        if not all(heard):
            failed = self._replies.reply(self._replies.say("voice_failed", burst.language), burst.language)
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
                    problems.append(self._replies.problem(error.problem, safe_name(file), burst.language))
                    continue
                good.append((file, None))
                continue
            if size > self._knowledge.most_megabytes * _MEGABYTE:
                problems.append(self._replies.problem(FileProblem.TOO_LARGE, safe_name(file), burst.language))
            else:
                good.append((file, size))
        if not good:
            return self._replies.reply("\n\n".join(problems), burst.language)
        return self._question(self._proposals.files(good, problems, language=burst.language or "en"))

    async def _granted(self, burst: Burst, wish: Understood) -> list[Reply]:
        """The answers to a wish about knowledge."""
        granted: list[Reply] = []
        if wish.know:
            found = await self._about(burst, wish.know, _MOST_KNOWN)
            shown = [Finding(passage, passage.text) for passage, _ in found]
            granted.append(self._replies.reply(self._proposals.known(shown, wish.language), wish.language))
        if wish.statement:
            granted.append(await self._proposing(burst, wish))
        if wish.forget:
            granted.append(await self._forgetting(burst, wish))
        return granted

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
            return self._replies.reply(self._replies.say("nothing_known", wish.language), wish.language)
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

    def _question(self, asked: Asked) -> Reply:
        language = asked.proposal.details["language"]
        return replace(
            self._replies.reply(asked.text, language, asked.buttons), effects=Effects(proposals=(asked.proposal,))
        )


def _stems_of(passage: Passage) -> set[str]:
    return {stem(word) for word in words("\n".join(filter(None, (passage.heading, passage.title, passage.text))))}


def _to_forget(passage: Passage, subject: frozenset[str]) -> ToForget:
    """The sentences about the subject; all of the passage where its heading or most of its sentences are about it."""
    found = (as_it_stands(each.text, passage.text) for each in sentences(passage.text))
    quotes = [quote for quote in found if quote is not None]
    about = [quote for quote in quotes if subject & {stem(word) for word in words(quote)}]
    in_heading = bool(subject & {stem(word) for word in words(passage.heading or "")})
    if in_heading or not about or 2 * len(about) > len(quotes):
        return ToForget(Finding(passage, passage.text), Correction(passage.chunk_id, ()))
    return ToForget(Finding(passage, about[0]), Correction(passage.chunk_id, tuple(about)))

"""How an admin is asked about a change of knowledge: what is shown, which buttons stand below, what is kept of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from agents.admin_ports import Correction
from agents.admin_words import AdminButton, AdminSentence, AdminWords
from agents.ports import Attachment, Button, Proposal
from agents.sentences import Sentences
from agents.statement_check import Comparison, Finding
from database.records import new_id

ADD, REPLACE, FORGET, DROP = "add", "replace", "forget", "drop"
# An interactive message's text has at most 1,024 characters (WHATSAPP.md 4.2); a source takes up to 90 of them.
_SHOWN_STATEMENT, _SHOWN_QUOTE, _SHOWN_FILENAME = 280, 100, 60
_NAME_CHARACTERS = 60
_MARKUP = "\\`*[]<>~_#"
_PREFIX = "proposal"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to an admin: Markdown, its buttons, and the proposal to remember."""

    text: str
    buttons: tuple[Button, ...]
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class ToForget:
    """A part of a passage that would be forgotten: its sentences, or all of it."""

    finding: Finding
    correction: Correction


class AdminProposals:
    """Stateless; one instance serves all."""

    def __init__(self, said: AdminWords, sentences: Sentences) -> None:
        self._words = said
        self._sentences = sentences

    def note(self, statement: str, known: Comparison, *, language: str, now: int, in_file: bool) -> Asked:
        """Asks whether to store a statement, with what is known of it already. `now`: epoch milliseconds."""
        contradicted = known.contradicted[: 2 if known.same else 3]
        blocks = [f"{self._words.say('propose', language)}\n\n{_quoted(statement, _SHOWN_STATEMENT)}"]
        blocks += self._shown("known", known.same[:1], language)
        blocks += self._shown("contradicts", contradicted, language)
        ask: AdminSentence = "ask_replace" if contradicted else "ask_anyway" if known.same else "ask_store"
        corrections = _corrections(contradicted)
        details = {
            "statement": statement,
            "filename": _filename(statement, now),
            "corrections": [asdict(each) for each in corrections],
            "in_file": in_file,
        }
        buttons: list[tuple[AdminButton, str]] = [("save", ADD), ("cancel", DROP)]
        if contradicted:
            buttons = [("replace", REPLACE), ("keep_both", ADD), ("cancel", DROP)]
        blocks.append(self._words.say(ask, language))
        return self._asked(REPLACE if contradicted else ADD, blocks, buttons, details, language)

    def files(
        self, files: Sequence[tuple[Attachment, int | None]], problems: Sequence[str] = (), *, language: str
    ) -> Asked:
        """Asks whether to learn documents; each with its size in bytes, where that is known.

        `problems` is said above it of those that cannot be taken: Markdown.
        """
        named = [(safe_name(file), size) for file, size in files]
        listed = ", ".join(_file(name, size) for name, size in named)
        details = {
            "files": [
                {"document_id": new_id(), "filename": safe_name(file), "media_id": file.media_id} for file, _ in files
            ]
        }
        blocks = [*problems, self._words.say("ask_files", language).format(files=listed)]
        return self._asked(ADD, blocks, [("save", ADD), ("cancel", DROP)], details, language)

    def forgetting(self, found: Sequence[ToForget], *, language: str, in_file: bool) -> Asked:
        """Asks whether to forget these."""
        blocks = self._shown("forget_list", [each.finding for each in found], language)
        blocks.append(self._words.say("ask_forget", language))
        details = {"corrections": [asdict(each.correction) for each in found], "in_file": in_file}
        return self._asked(FORGET, blocks, [("forget", FORGET), ("cancel", DROP)], details, language)

    def known(self, found: Sequence[Finding], language: str) -> str:
        """Tells what is known, with sources."""
        return "\n\n".join(self._shown("knows", found, language)) or self._words.say("nothing_known", language)

    def _asked(
        self,
        kind: str,
        blocks: Sequence[str],
        buttons: Sequence[tuple[AdminButton, str]],
        details: dict[str, Any],
        language: str,
    ) -> Asked:
        proposal_id = new_id()
        text = "\n\n".join(blocks)
        shown = tuple(
            Button(f"{_PREFIX}:{proposal_id}:{action}", self._words.title(title, language)) for title, action in buttons
        )
        details = {**details, "language": language, "asked": text}
        return Asked(text, shown, Proposal(proposal_id, kind, details))

    def _shown(self, head: AdminSentence, found: Sequence[Finding], language: str) -> list[str]:
        if not found:
            return []
        lines = [
            f"- {_quoted(each.quote, _SHOWN_QUOTE)} {self._sentences.sources([each.passage], language)}"
            for each in found
        ]
        return [f"{self._words.say(head, language)}\n\n" + "\n".join(lines)]


def pressed_button(pressed: str) -> tuple[str, str] | None:
    """The proposal's id and the action of a pressed button; None when it is no button of ours."""
    prefix, _, rest = pressed.partition(":")
    proposal_id, _, action = rest.partition(":")
    if prefix != _PREFIX or not proposal_id or action not in {ADD, REPLACE, FORGET, DROP}:
        return None
    return proposal_id, action


def allowed(proposal: Proposal) -> frozenset[str]:
    """The actions that a proposal has buttons for."""
    return {
        ADD: frozenset({ADD, DROP}),
        REPLACE: frozenset({REPLACE, ADD, DROP}),
        FORGET: frozenset({FORGET, DROP}),
    }[proposal.kind]


def corrections_of(proposal: Proposal) -> list[Correction]:
    """What a proposal would take out of the knowledge."""
    return [Correction(each["passage_id"], tuple(each["quotes"])) for each in proposal.details.get("corrections", [])]


def document_ids(proposal: Proposal) -> list[str]:
    """The documents that a proposal makes: a note has the proposal's own id."""
    if "statement" in proposal.details:
        return [proposal.id]
    return [file["document_id"] for file in proposal.details.get("files", [])]


def safe_name(file: Attachment) -> str:
    """How a file is called, also when its sender gave it no name."""
    return (file.filename or "").strip() or "document"


def named(filename: str) -> str:
    """A file's name as Markdown."""
    return f"*{_escaped(_cut(filename, _SHOWN_FILENAME))}*"


def _corrections(found: Sequence[Finding]) -> list[Correction]:
    """One a passage."""
    quotes: dict[str, list[str]] = {}
    for each in found:
        quotes.setdefault(each.passage.chunk_id, []).append(each.quote)
    return [Correction(passage_id, tuple(listed)) for passage_id, listed in quotes.items()]


def _file(name: str, size: int | None) -> str:
    if size is None:
        return named(name)
    megabytes = size / 1024 / 1024
    shown = f"{megabytes:.1f} MB" if megabytes >= 1 else f"{max(1, round(size / 1024))} kB"
    return f"{named(name)} ({shown})"


def _filename(statement: str, now: int) -> str:
    """How the note is called among the documents: "Note 2026-11-22: We are closed on 24 December.md"."""
    day = datetime.fromtimestamp(now / 1000, UTC).date().isoformat()
    first = " ".join(statement.replace("/", " ").replace("\\", " ").split())
    return f"Note {day}: {_cut(first, _NAME_CHARACTERS).rstrip('.。।!?… ')}.md"


def _quoted(text: str, most: int) -> str:
    return f"“{_escaped(_cut(' '.join(text.split()), most))}”"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _escaped(text: str) -> str:
    """A text as Markdown that shows it as it is."""
    return "".join(f"\\{letter}" if letter in _MARKUP else letter for letter in text)

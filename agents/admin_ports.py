"""What the embedding agent needs of others to change the knowledge, in its own words."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from agents.ports import Proposal, ProposalState
from database.records import Document, Passage


class FileProblem(StrEnum):
    """Why a file that somebody sent by WhatsApp could not be had."""

    GONE = "gone"
    """WhatsApp has it no more, or never had it."""
    TOO_LARGE = "too_large"
    AWAY = "away"
    """It may be there in a few minutes."""


class FileFetchError(Exception):
    """A file could not be fetched; `problem` says why."""

    def __init__(self, problem: FileProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Correction:
    """Sentences to take out of a passage: `quotes` stand in its text letter by letter; () means all of it."""

    passage_id: str
    quotes: tuple[str, ...]


class AdminKnowledge(Protocol):
    """Knowledge that can be changed. Every change may be repeated: the second time changes nothing."""

    @property
    def most_megabytes(self) -> int:
        """The largest file that is taken."""
        ...

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        """The best passages, best first."""
        ...

    async def open_proposals(self, conversation_id: str) -> list[Proposal]:
        """What the conversation's admin was asked and has not answered, the newest first."""
        ...

    async def proposal(self, conversation_id: str, proposal_id: str) -> tuple[Proposal, ProposalState] | None:
        """What was asked in this conversation under this id, and what became of it."""
        ...

    async def choose(self, conversation_id: str, proposal_id: str, action: str) -> str | None:
        """The answer to carry out: the first one that was chosen, on disk. None when the proposal is not open."""
        ...

    async def choose_again(self, conversation_id: str, proposal_id: str) -> None:
        """Nothing of the chosen answer could be carried out: the next one counts."""
        ...

    async def notes_among(self, business_id: str, document_ids: Collection[str]) -> set[str]:
        """Those of the documents that are an admin's notes, and nothing else."""
        ...

    async def add_note(self, business_id: str, document_id: str, filename: str, text: str) -> None:
        """Store a note as a document with this id."""
        ...

    async def add_file(self, business_id: str, document_id: str, filename: str, media_id: str) -> None:
        """Fetch a file from WhatsApp and store it as a document with this id. Raises FileFetchError."""
        ...

    async def file_bytes(self, media_id: str) -> int:
        """How large a file at WhatsApp is. Raises FileFetchError."""
        ...

    async def outcome(self, business_id: str, document_ids: Sequence[str]) -> list[Document]:
        """The documents that are still there, after a short wait for them to be read."""
        ...

    async def forget(self, business_id: str, proposal_id: str, corrections: Sequence[Correction]) -> int:
        """No search finds these sentences any more; a document of which nothing is left goes with them.

        Returns from how many of the passages the proposal has taken them, over all calls: others are no longer there
        as they were shown. Once begun it is carried out, also when the caller is cancelled.
        """
        ...


class Listener(Protocol):
    """Writes down what was said."""

    async def write_down(self, media_id: str, mime_type: str, business_id: str) -> str:
        """The text of a voice note at WhatsApp, "" when nothing was said. Raises FileFetchError or ModelError."""
        ...

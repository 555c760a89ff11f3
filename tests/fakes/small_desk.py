"""Knowledge that admins can change, in memory; files and voice notes behave or fail as a test says."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from agents.admin_ports import Correction, FileFetchError, FileProblem
from agents.ports import Proposal, ProposalState
from database.records import Document, DocumentStatus, Passage
from tests.fakes.small_knowledge import SmallKnowledge, passage


class SmallDesk:
    """Implements agents.admin_ports.AdminKnowledge; `ends` is the status that new documents reach.

    `patience` holds up who waits for that; `changed` are ids of passages that are no longer there.
    """

    most_megabytes = 2

    def __init__(self, passages: Sequence[Passage] = ()) -> None:
        self.knowledge = SmallKnowledge(passages)
        self.proposals: dict[str, tuple[str, Proposal, ProposalState]] = {}
        self.documents: dict[str, Document] = {}
        self.texts: dict[str, str] = {}
        self.files: dict[str, int | FileProblem] = {}
        self.ends = DocumentStatus.READY
        self.corrections: list[Correction] = []
        self.changed: set[str] = set()
        self.patience = asyncio.Event()
        self.patience.set()
        self.asked_for = asyncio.Event()

    def remember(self, conversation_id: str, proposal: Proposal) -> None:
        """As the end of a turn does."""
        self.proposals[proposal.id] = (conversation_id, proposal, ProposalState.OPEN)

    def settle(self, proposal_id: str, state: ProposalState) -> None:
        """As the end of a turn does."""
        conversation_id, proposal, _ = self.proposals[proposal_id]
        self.proposals[proposal_id] = (conversation_id, proposal, state)

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        return await self.knowledge.search(business_id, query, limit=limit)

    async def open_proposals(self, conversation_id: str) -> list[Proposal]:
        held = reversed(self.proposals.values())
        return [p for c, p, state in held if c == conversation_id and state is ProposalState.OPEN]

    async def proposal(self, conversation_id: str, proposal_id: str) -> tuple[Proposal, ProposalState] | None:
        found = self.proposals.get(proposal_id)
        return (found[1], found[2]) if found and found[0] == conversation_id else None

    async def choose(self, conversation_id: str, proposal_id: str, action: str) -> str | None:
        found = await self.proposal(conversation_id, proposal_id)
        if found is None or found[1] is not ProposalState.OPEN:
            return None
        chosen = found[0].chosen or action
        self.proposals[proposal_id] = (conversation_id, replace(found[0], chosen=chosen), found[1])
        return chosen

    async def choose_again(self, conversation_id: str, proposal_id: str) -> None:
        _, proposal, state = self.proposals[proposal_id]
        self.proposals[proposal_id] = (conversation_id, replace(proposal, chosen=None), state)

    async def notes_among(self, business_id: str, document_ids: Collection[str]) -> set[str]:
        return set(document_ids) & set(self.texts)

    async def add_note(self, business_id: str, document_id: str, filename: str, text: str) -> None:
        if document_id not in self.documents:
            self.texts[document_id] = text
            self.knowledge.passages.append(replace(passage(text, filename), document_id=document_id))
        self._add(business_id, document_id, filename)

    async def add_file(self, business_id: str, document_id: str, filename: str, media_id: str) -> None:
        await self.file_bytes(media_id)
        self._add(business_id, document_id, filename)

    async def file_bytes(self, media_id: str) -> int:
        found = self.files[media_id]
        if isinstance(found, FileProblem):
            raise FileFetchError(found)
        return found

    async def outcome(self, business_id: str, document_ids: Sequence[str]) -> list[Document]:
        self.asked_for.set()
        await self.patience.wait()
        return [self.documents[document_id] for document_id in document_ids if document_id in self.documents]

    async def forget(self, business_id: str, proposal_id: str, corrections: Sequence[Correction]) -> int:
        there = [each for each in corrections if each.passage_id not in self.changed]
        self.corrections += [each for each in there if each not in self.corrections]
        return len(there)

    def _add(self, business_id: str, document_id: str, filename: str) -> None:
        failed = "The file is damaged." if self.ends is DocumentStatus.FAILED else None
        ready = self.ends is DocumentStatus.READY
        self.documents[document_id] = Document(
            document_id, business_id, filename, self.ends, 1.0, ready, 1, failed, 1, 10, 0, 0
        )

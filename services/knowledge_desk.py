"""Changes the knowledge for the embedding agent: notes and files in, sentences out. Everything may be repeated."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from typing import Protocol

from agents.admin_ports import Correction
from agents.ports import Proposal, ProposalState
from database.chunk_corrections import live_chunk, replace_chunk
from database.chunks import embedded_text
from database.clock import Clock
from database.engine import Database
from database.proposals import (
    StoredProposal,
    choose_action,
    choose_again,
    count_taken_out,
    open_proposals,
    proposal,
    proposals_among,
)
from database.records import Chunk, Document, Passage, new_id
from services.ingestion import Ingestion, to_the_end
from services.knowledge_ports import Embedder, SearchIndex
from services.whatsapp.media import MediaFile
from vectorstore.serving_embedder import current

_MEGABYTE = 1024 * 1024
_MOST_OPEN = 20


class Index(SearchIndex, Protocol):
    """The search index, for who changes it and asks it."""

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        """The best passages, best first."""
        ...


class Media(Protocol):
    """Files at WhatsApp. Both raise FileFetchError."""

    async def look_up(self, media_id: str) -> MediaFile:
        """What is known of a file."""
        ...

    def content(self, media_id: str, most_bytes: int) -> AsyncIterator[bytes]:
        """A file in pieces."""
        ...


class KnowledgeDesk:
    """Implements agents.admin_ports.AdminKnowledge. `patience_seconds`: how long a yes waits for a file to be read."""

    def __init__(
        self,
        chat: Database,
        knowledge: Database,
        index: Index,
        embedder: Embedder,
        ingestion: Ingestion,
        media: Media,
        clock: Clock,
        *,
        most_megabytes: int,
        patience_seconds: float = 12.0,
    ) -> None:
        self._chat = chat
        self._knowledge = knowledge
        self._index = index
        self._embedder = embedder
        self._ingestion = ingestion
        self._media = media
        self._clock = clock
        self._most_megabytes = most_megabytes
        self._patience_seconds = patience_seconds

    @property
    def most_megabytes(self) -> int:
        """As the port says."""
        return self._most_megabytes

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        """As the port says."""
        return await self._index.search(business_id, query, limit=limit)

    async def open_proposals(self, conversation_id: str) -> list[Proposal]:
        """As the port says."""
        return [as_asked(each) for each in await self._chat.read(open_proposals(conversation_id, _MOST_OPEN))]

    async def proposal(self, conversation_id: str, proposal_id: str) -> tuple[Proposal, ProposalState] | None:
        """As the port says."""
        found = await self._chat.read(proposal(conversation_id, proposal_id))
        return (as_asked(found), ProposalState(found.state)) if found else None

    async def choose(self, conversation_id: str, proposal_id: str, action: str) -> str | None:
        """As the port says."""
        return await self._chat.write(choose_action(conversation_id, proposal_id, action))

    async def choose_again(self, conversation_id: str, proposal_id: str) -> None:
        """As the port says."""
        await self._chat.write(choose_again(conversation_id, proposal_id))

    async def notes_among(self, business_id: str, document_ids: Collection[str]) -> set[str]:
        """As the port says."""
        return await self._chat.read(proposals_among(business_id, sorted(document_ids))) if document_ids else set()

    async def add_note(self, business_id: str, document_id: str, filename: str, text: str) -> None:
        """As the port says."""
        await self._ingestion.accept(business_id, filename, _whole(text.encode()), document_id=document_id)

    async def add_file(self, business_id: str, document_id: str, filename: str, media_id: str) -> None:
        """As the port says."""
        content = self._media.content(media_id, self._most_megabytes * _MEGABYTE)
        await self._ingestion.accept(business_id, filename, content, document_id=document_id)

    async def file_bytes(self, media_id: str) -> int:
        """As the port says."""
        return (await self._media.look_up(media_id)).bytes

    async def outcome(self, business_id: str, document_ids: Sequence[str]) -> list[Document]:
        """As the port says."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                await self._ingestion.wait_until_done(document_ids)
        found = [await self._ingestion.get(business_id, document_id) for document_id in document_ids]
        return [document for document in found if document is not None]

    async def forget(self, business_id: str, proposal_id: str, corrections: Sequence[Correction]) -> int:
        """As the port says. A crash leaves a correction done or not begun; the indexes are repaired at the start."""
        return await to_the_end(self._forget(business_id, proposal_id, corrections))

    async def _forget(self, business_id: str, proposal_id: str, corrections: Sequence[Correction]) -> int:
        changed = 0
        for correction in corrections:
            old = await self._knowledge.read(live_chunk(business_id, correction.passage_id))
            if old is None:
                continue
            text = _without(old.text, correction.quotes) if correction.quotes else ""
            changed += await self._correct(old, text)
        return await self._chat.write(count_taken_out(business_id, proposal_id, changed))

    async def _correct(self, old: Chunk, text: str) -> bool:
        """Put a chunk with this text in the place of another, none for ""; False when that one is gone already."""
        new = [replace(old, id=new_id(), text=text)] if text else []
        embedder = current(self._embedder)
        vectors = await embedder.embed([embedded_text(each.heading, each.text) for each in new]) if new else None
        stored = [] if vectors is None else [(new[0], vectors[0].astype("<f4").tobytes())]
        if not await self._knowledge.write(replace_chunk(old, stored, embedder.name, self._clock.now())):
            return False
        if vectors is not None:
            await self._index.add(new, vectors, embedder=embedder.name)
        await self._index.remove(old.business_id, [old.id])
        return True


def as_asked(stored: StoredProposal) -> Proposal:
    """A row as the agents know it."""
    return Proposal(stored.id, stored.kind, stored.details, stored.chosen)


def _without(text: str, quotes: Sequence[str]) -> str:
    """What is left of a passage without these sentences; "" when that says nothing."""
    for quote in quotes:
        text = text.replace(quote, "")
    lines = [" ".join(line.split()) if line.strip() else "" for line in text.splitlines()]
    left = "\n".join(lines).strip()
    return left if any(letter.isalnum() for letter in left) else ""


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content

"""Tells admins what became of their documents, once they are read: one message a yes."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from agents.admin_proposals import document_ids
from agents.ports import Proposal
from database.clock import Clock
from database.engine import Database
from database.proposals import StoredProposal, reading_proposals, tell_and_close
from database.records import Document, DocumentStatus
from services.ingestion import Ingestion
from services.knowledge_desk import as_asked
from services.turn_endings import drafts_of

logger = logging.getLogger(__name__)

_AT_ONCE = 20


class KnowledgeNews:
    """`concluded(business_id, proposal, documents)` does what had to wait for the reading, and says it in Markdown.

    `on_queued()` is called when the outbox has something.
    """

    def __init__(
        self,
        chat: Database,
        ingestion: Ingestion,
        clock: Clock,
        concluded: Callable[[str, Proposal, Sequence[Document]], Awaitable[str]],
        on_queued: Callable[[], None],
    ) -> None:
        self._chat = chat
        self._ingestion = ingestion
        self._clock = clock
        self._concluded = concluded
        self._on_queued = on_queued

    async def sweep(self) -> None:
        """Look at what admins still wait for. A crash in between tells it once, at the next sweep."""
        for waiting in await self._chat.read(reading_proposals(_AT_ONCE)):
            try:
                await self._look_at(waiting)
            except Exception:
                logger.exception("a proposal could not be concluded; the next sweep tries again")

    async def _look_at(self, waiting: StoredProposal) -> None:
        documents = await self._documents(waiting)
        if any(each.status not in {DocumentStatus.READY, DocumentStatus.FAILED} for each in documents):
            return
        text = await self._concluded(waiting.business_id, as_asked(waiting), documents)
        drafts = drafts_of(text, "reply") if text else []
        if await self._chat.write(tell_and_close(waiting, drafts, self._clock.now())):
            logger.info("%d documents of a proposal have ended", len(documents))
            self._on_queued()

    async def _documents(self, waiting: StoredProposal) -> list[Document]:
        """Those that are still there: one may have been deleted meanwhile."""
        ids = document_ids(as_asked(waiting))
        found = [await self._ingestion.get(waiting.business_id, document_id) for document_id in ids]
        return [document for document in found if document is not None]

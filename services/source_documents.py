"""Documents as their sources see them: web pages, answers. `Ingestion` is what stands behind it."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from database.records import Document
from services.document_errors import UnreadableDocumentError


class SourceDocuments(Protocol):
    """What a source does with its documents; the calls are Ingestion's."""

    async def accept(
        self,
        business_id: str,
        filename: str,
        chunks: AsyncIterator[bytes],
        *,
        document_id: str | None = None,
        source: str = "upload",
        tags: Sequence[str] = (),
        hold: bool = False,
    ) -> Document:
        """Make a document of this id, unless there is one."""
        ...

    async def replace(
        self,
        business_id: str,
        document_id: str,
        chunks: AsyncIterator[bytes],
        *,
        filename: str | None = None,
        hold: bool = False,
    ) -> Document | None:
        """Make a new version of it; None when there is no such document."""
        ...

    async def get(self, business_id: str, document_id: str) -> Document | None:
        """The document, when it is there."""
        ...

    async def set_tags(self, business_id: str, document_id: str, tags: Sequence[str]) -> Document | None:
        """Give it these tags; None when there is no such document."""
        ...

    async def delete(self, business_id: str, document_id: str) -> bool:
        """Forget it; False when there is none."""
        ...


async def whole(content: bytes) -> AsyncIterator[bytes]:
    """Content that is in memory already."""
    yield content


async def unread(sentence: str) -> AsyncIterator[bytes]:
    """Content that could not be had: its document fails with this sentence."""
    raise UnreadableDocumentError(sentence)
    yield b""

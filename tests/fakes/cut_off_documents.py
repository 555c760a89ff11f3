"""Documents of a process that ends when one is to be deleted."""

import asyncio

from services.source_documents import SourceDocuments


class CutOffDocuments:
    """Does all that `documents` do, except that a deletion is cut off before anything is deleted."""

    def __init__(self, documents: SourceDocuments) -> None:
        self.accept = documents.accept
        self.replace = documents.replace
        self.get = documents.get
        self.set_tags = documents.set_tags

    async def delete(self, business_id: str, document_id: str) -> bool:
        raise asyncio.CancelledError

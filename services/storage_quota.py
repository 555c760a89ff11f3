"""What a business may keep on disk, asked while a file comes in, not after: many at once share what is left."""

from collections.abc import AsyncIterator

from database.document_arrivals import kept_bytes
from database.engine import Database
from services.document_errors import UnreadableDocumentError
from services.version_errors import too_much_storage


class StorageQuota:
    """Counts the bytes of received files until they are `settled`: taken, and counted by the database, or forgotten."""

    def __init__(self, database: Database, most_bytes: int) -> None:
        self._database = database
        self._most_bytes = most_bytes
        # received file → business and bytes
        self._coming: dict[str, tuple[str, int]] = {}

    async def watched(self, business_id: str, file_id: str, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """`content`; raises UnreadableDocumentError as soon as it is more than the business has left."""
        kept = await self._database.read(kept_bytes(business_id))
        count = 0
        async for piece in content:
            count += len(piece)
            self._coming[file_id] = (business_id, count)
            if kept + self._on_its_way(business_id) > self._most_bytes:
                raise UnreadableDocumentError(too_much_storage(self._most_bytes))
            yield piece

    def settled(self, file_id: str) -> None:
        """The file is counted elsewhere, or gone."""
        self._coming.pop(file_id, None)

    def _on_its_way(self, business_id: str) -> int:
        return sum(count for business, count in self._coming.values() if business == business_id)

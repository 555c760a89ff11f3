"""Files that businesses and customers put into the simulated WhatsApp, in memory (WHATSAPP.md 4.5)."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

DIGITS = 15


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A file. `id` is what messages name it by, `sha256` is hexadecimal, `stored_at` epoch milliseconds.

    `by_customer`: it came by a message of a customer, and stays for a shorter time.
    """

    id: str
    content: bytes = field(repr=False)
    mime_type: str
    filename: str | None
    sha256: str
    stored_at: int
    by_customer: bool = False


class MediaStore:
    """Keeps the newest files up to `keep_bytes` in all; the oldest go first."""

    def __init__(self, keep_bytes: int) -> None:
        self._keep_bytes = keep_bytes
        self._files: OrderedDict[str, StoredMedia] = OrderedDict()
        self._bytes = 0
        self._made = 0

    def keep(
        self, content: bytes, mime_type: str, now: int, filename: str | None = None, *, by_customer: bool = False
    ) -> StoredMedia:
        """Store a file under a new id."""
        self._made += 1
        media_id = str(10**DIGITS + now % 10**10 * 10**5 + self._made)
        digest = hashlib.sha256(content).hexdigest()
        stored = StoredMedia(media_id, content, mime_type, filename, digest, now, by_customer)
        self._files[media_id] = stored
        self._bytes += len(content)
        while self._bytes > self._keep_bytes and len(self._files) > 1:
            self.forget(next(iter(self._files)))
        return stored

    def find(self, media_id: str) -> StoredMedia | None:
        """The file, or None when it never was or is gone."""
        return self._files.get(media_id)

    def forget(self, media_id: str) -> bool:
        """Delete a file; whether there was one."""
        gone = self._files.pop(media_id, None)
        if gone is not None:
            self._bytes -= len(gone.content)
        return gone is not None

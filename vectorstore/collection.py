"""What a collection of vectors is called, by whose vectors it holds and which embedder made them."""

import re
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Collection:
    """The vectors of one business by one embedder; never mixed with another's.

    `stored_as` is for one whose name is known, or that is being made to take another's place.
    """

    business_id: str
    embedder: str
    stored_as: str | None = None

    @property
    def name(self) -> str:
        """The name in Chroma: 3 to 512 characters of letters, digits, `.`, `_`, `-`."""
        if self.stored_as is not None:
            return self.stored_as
        return f"{_safe(self.business_id)}.{_safe(self.embedder)}"

    @classmethod
    def named(cls, name: str, embedder: str) -> "Collection | None":
        """The collection with this name, if it is one of this embedder's."""
        business_id, _, made_by = name.partition(".")
        return cls(business_id, embedder) if made_by == _safe(embedder) else None


def _safe(text: str) -> str:
    """Unchanged when Chroma allows it, otherwise with a hash instead of what was lost."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:100]
    if plain == text:
        return plain
    return f"{plain or 'x'}-{sha256(text.encode()).hexdigest()[:10]}"

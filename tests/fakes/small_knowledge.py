"""Knowledge that fits into a test: passages in memory, found by the words that they share with the query."""

from collections.abc import Sequence

from agents.words import stem, words
from database.records import Passage


class SmallKnowledge:
    """Implements agents.ports.Knowledge; `queries` are all that was searched."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)
        self.queries: list[str] = []

    async def version(self, business_id: str) -> int:
        return len(self.passages)

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        self.queries.append(query)
        wanted = {stem(word) for word in words(query)}
        found = [(len(wanted & {stem(word) for word in words(each.text)}), each) for each in self.passages]
        return [each for count, each in sorted(found, key=lambda pair: -pair[0]) if count][:limit]


def passage(text: str, filename: str = "shop.md", *, page: int | None = None, heading: str | None = None) -> Passage:
    """A passage whose ids follow from its text."""
    return Passage(f"chunk of {text[:40]}", f"document {filename}", filename, text, 1.0, page, heading)

"""Versions whose chunks wait to be embedded and indexed, and whose turn it is: slices, round the businesses.

Small documents of one business share a slice; a huge one of another gives way after each of its own.
"""

from collections import OrderedDict
from dataclasses import dataclass

from database.document_work import DocumentTask

# more documents in a slice would make the unit that completes them long
SLICE_DOCUMENTS = 64


@dataclass(eq=False, slots=True)
class VersionProgress:
    """How far a version is: `after` is the last ordinal that was given out; the rest counts chunks.

    `embedder` is who embeds all of it. `counted` tells that knowledge.db knows of the beginning. `over` ends it: what
    is still in flight of it is not looked at any more.
    """

    task: DocumentTask
    total: int
    began: float
    after: int = -1
    embedded: int = 0
    indexed: int = 0
    missing: int = 0
    embedded_at: float = 0.0
    embedder: str = ""
    counted: bool = False
    over: bool = False

    @property
    def left(self) -> int:
        """How many chunks of it wait."""
        return self.total - self.after - 1

    @property
    def given_out(self) -> bool:
        """Whether no chunk of it waits any more."""
        return self.left <= 0

    @property
    def alone(self) -> bool:
        """Whether it may have killed this process before: nobody else is to be blamed for it."""
        return self.task.attempts > 0


class IndexingQueue:
    """`take` gives the versions of the next slice and forgets them; `put_back` what is left of them, `put` new ones."""

    def __init__(self) -> None:
        self._businesses: OrderedDict[str, OrderedDict[str, VersionProgress]] = OrderedDict()

    def put(self, progress: VersionProgress) -> None:
        """To the end of its business's line."""
        waiting = self._businesses.setdefault(progress.task.business_id, OrderedDict())
        waiting[progress.task.document_id] = progress

    def put_back(self, progress: VersionProgress) -> None:
        """To the head of its business's line: before what has as much left and was not begun."""
        self.put(progress)
        self._businesses[progress.task.business_id].move_to_end(progress.task.document_id, last=False)

    def take(self) -> list[VersionProgress]:
        """Versions of the business whose turn it is, those of which least is left first; `[]` when nothing waits."""
        while self._businesses:
            business_id, waiting = self._businesses.popitem(last=False)
            taken: list[VersionProgress] = []
            for first in sorted(waiting.values(), key=lambda each: each.left):
                if len(taken) == SLICE_DOCUMENTS or (taken and (first.alone or taken[-1].alone)):
                    break
                del waiting[first.task.document_id]
                if not first.over:
                    taken.append(first)
            if waiting:
                self._businesses[business_id] = waiting
            if taken:
                return taken
        return []

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._businesses.values())

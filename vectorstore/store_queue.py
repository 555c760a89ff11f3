"""Who may use the vector store next: queries before writes, writes in turn between businesses."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Job:
    """One request that waits. `business` is whose turn it takes; a `query` takes nobody's."""

    kind: str
    business: str
    header: dict[str, Any]
    body: bytes
    done: asyncio.Future[Any]
    asked_at: float

    def fail(self, error: Exception) -> None:
        """Tell who waits, if somebody still does."""
        if not self.done.done():
            self.done.set_exception(error)


class StoreQueue:
    """Takes jobs in any order, gives them one by one. Withdrawn jobs (their future is done) are left out."""

    def __init__(self) -> None:
        self._queries: deque[Job] = deque()
        self._writes: OrderedDict[str, deque[Job]] = OrderedDict()
        self._filled = asyncio.Event()
        self._resting = False

    def rest(self, seconds: float) -> None:
        """Give out no write for so long: questions find the store idle, and whoever answers them the processor."""
        self._resting = True
        asyncio.get_running_loop().call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._resting = False
        self._filled.set()

    def put(self, job: Job) -> None:
        """Queue a job."""
        if job.kind == "query":
            self._queries.append(job)
        else:
            self._writes.setdefault(job.business, deque()).append(job)
        self._filled.set()

    async def next(self) -> Job:
        """The job whose turn it is; waits for one."""
        while True:
            job = self._take()
            if job is None:
                self._filled.clear()
                await self._filled.wait()
            elif not job.done.done():
                return job

    def _take(self) -> Job | None:
        if self._queries:
            return self._queries.popleft()
        if not self._writes or self._resting:
            return None
        business, jobs = self._writes.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            # To the end of the round: the others have their turn first.
            self._writes[business] = jobs
        return job

    def __len__(self) -> int:
        return len(self._queries) + sum(len(jobs) for jobs in self._writes.values())

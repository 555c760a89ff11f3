"""Keeps what the webhook receives: on disk before anybody is told that it arrived."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from database.clock import Clock
from database.engine import Database
from database.inbox import Post, keep_posts
from database.metrics import Metrics
from services.delivery_grace import OpenDoor
from services.whatsapp.errors import UnsplittableError
from services.whatsapp.splitting import split

logger = logging.getLogger(__name__)

UNIT_POSTS = 128


class InboxFullError(Exception):
    """The POST could not be committed in time; Meta must send it again."""


@dataclass(slots=True, eq=False)
class _Waiting:
    post: Post
    done: asyncio.Future[None]


class Inbox:
    """`keep` is all that happens inside a webhook request. POSTs that wait together become one unit of the database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        timeout_seconds: float,
        door: OpenDoor,
        on_arrival: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._accepted = metrics.events_accepted
        self._duplicate = metrics.events_duplicate
        self._unsplittable = metrics.posts_unsplittable
        self._timeout_seconds = timeout_seconds
        self._door = door
        self._on_arrival = on_arrival
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, app: str, body: bytes) -> None:
        """Store a signed POST and return once it is on disk (fsync). A repeat returns after the first one's commit.

        Raises InboxFullError when there is no room within the timeout; what has not begun by then is withdrawn.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(self._split(app, body), loop.create_future())
        self._waiting.append(waiting)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="inbox")
        timer = loop.call_later(self._timeout_seconds, _give_up, waiting.done)
        try:
            await waiting.done
        except Exception as fault:
            self._door.close()
            logger.error("the inbox cannot commit: %s", type(fault).__name__)  # noqa: TRY400 - no trace a request
            raise InboxFullError("the inbox cannot commit") from fault
        finally:
            timer.cancel()

    def _split(self, app: str, body: bytes) -> Post:
        try:
            return Post(app, body, split(body), self._clock.now())
        except UnsplittableError as reason:
            self._unsplittable.inc()
            logger.warning("a signed POST could not be split and is kept raw: %s", reason)
            return Post(app, body, (), self._clock.now(), str(reason))

    async def _write(self) -> None:
        """Write what waits, unit after unit, until nothing does."""
        try:
            while self._waiting:
                unit = [each for each in self._waiting[:UNIT_POSTS] if not each.done.done()]
                del self._waiting[:UNIT_POSTS]
                if unit and not await self._written(unit) and len(unit) > 1:
                    for each in unit:  # one of them may be at fault
                        if not each.done.done():  # who has its 503 by now is not written again
                            await self._written([each])
        finally:
            self._writing = None

    async def _written(self, unit: list[_Waiting]) -> bool:
        posts = [each.post for each in unit]
        try:
            new = await self._database.write(keep_posts(posts), first=True, timeout_seconds=self._timeout_seconds)
        except Exception as fault:  # noqa: BLE001 - the edge: whoever waits gets it as the answer
            if len(unit) == 1 and not unit[0].done.done():
                unit[0].done.set_exception(fault)
            return False
        for each in unit:
            if not each.done.done():
                each.done.set_result(None)
        self._door.reopen()
        self._count(sum(len(post.events) for post in posts), new)
        return True

    def _count(self, events: int, new: int) -> None:
        if new:
            self._accepted.inc(new)
            self._on_arrival()
        if new < events:
            self._duplicate.inc(events - new)


def _give_up(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_exception(TimeoutError("the database did not answer in time"))

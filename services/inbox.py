"""Keeps what the webhook receives: on disk before anybody is told that it arrived."""

import logging
from collections.abc import Callable

from database.clock import Clock
from database.engine import Database
from database.inbox import keep_post
from database.metrics import Metrics
from services.delivery_grace import OpenDoor
from services.whatsapp.errors import UnsplittableError
from services.whatsapp.splitting import split

logger = logging.getLogger(__name__)


class InboxFullError(Exception):
    """The POST could not be committed in time; Meta must send it again."""


class Inbox:
    """`keep` is all that happens inside a webhook request."""

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
        self._unsplittable = metrics.posts_unsplittable
        self._duplicate = metrics.events_duplicate
        self._timeout_seconds = timeout_seconds
        self._door = door
        self._on_arrival = on_arrival

    async def keep(self, app: str, body: bytes) -> None:
        """Store a signed POST and return once it is on disk (fsync). A repeat returns after the first one's commit.

        Raises InboxFullError when there is no room within the timeout; a unit that has not begun is withdrawn.
        """
        error = None
        try:
            events = split(body)
        except UnsplittableError as reason:
            events, error = [], str(reason)
        unit = keep_post(app, body, events, self._clock.now(), error)
        try:
            new = await self._database.write(unit, first=True, timeout_seconds=self._timeout_seconds)
        except Exception as fault:
            self._door.close()
            logger.error("the inbox cannot commit: %s", type(fault).__name__)  # noqa: TRY400 - no trace a request
            raise InboxFullError("the inbox cannot commit") from fault
        self._door.reopen()
        self._count(len(events), new, error)
        if new:
            self._on_arrival()

    def _count(self, events: int, new: int, error: str | None) -> None:
        if error:
            self._unsplittable.inc()
            logger.warning("a signed POST could not be split and is kept raw: %s", error)
        if new:
            self._accepted.inc(new)
        if new < events:
            self._duplicate.inc(events - new)

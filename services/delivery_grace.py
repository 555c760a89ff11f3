"""How long our door was open: the grace in which a status may tell what became of an unconfirmed send.

The grace counts seconds during which our webhook was reachable. A restart sets it to zero.
"""

from database.clock import Clock

LONGEST_TICK_SECONDS = 2.0


class OpenDoor:
    """Counts the seconds during which the webhook could take statuses in. Closed until it is opened.

    It is counted by ticks, about one a second, none of which counts for more than two seconds: a machine that stood
    still took nothing in.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counted = 0.0
        self._open_since: float | None = None
        self._in_use = False

    def open(self) -> None:
        """The server listens from now on."""
        self._in_use = True
        self.reopen()

    def reopen(self) -> None:
        """Something got through, so statuses can too."""
        if self._in_use and self._open_since is None:
            self._open_since = self._clock.monotonic()

    def close(self) -> None:
        """Statuses cannot reach us now: the inbox does not commit, or the line is down."""
        self.tick()
        self._open_since = None

    def shut(self) -> None:
        """The server listens no longer."""
        self.close()
        self._in_use = False

    def tick(self) -> None:
        """Count the time since the last tick."""
        if self._open_since is not None:
            now = self._clock.monotonic()
            self._counted += min(now - self._open_since, LONGEST_TICK_SECONDS)
            self._open_since = now

    def seconds(self) -> float:
        """Open seconds since the process started."""
        self.tick()
        return self._counted


class Grace:
    """Which messages are unconfirmed, and for which of them the grace is over."""

    def __init__(self, door: OpenDoor, grace_seconds: float) -> None:
        self._door = door
        self._grace_seconds = grace_seconds
        self._since: dict[str, float] = {}

    def begin(self, outbox_id: str) -> None:
        """The fate of a message became open now."""
        self._since[outbox_id] = self._door.seconds()

    def over(self) -> list[str]:
        """Messages whose grace has run out; they stay listed until `forget`."""
        latest = self._door.seconds() - self._grace_seconds
        return [outbox_id for outbox_id, since in self._since.items() if since <= latest]

    def forget(self, outbox_ids: list[str]) -> None:
        """They are settled, one way or the other."""
        for outbox_id in outbox_ids:
            self._since.pop(outbox_id, None)

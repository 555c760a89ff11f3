"""How long our door was open: the grace in which a status may tell what became of an unconfirmed send.

The grace counts seconds during which our webhook was reachable. A restart sets it to zero.
"""

from database.clock import Clock


class OpenDoor:
    """Counts the seconds during which the webhook could take statuses in. Closed until it is opened."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counted = 0.0
        self._open_since: float | None = None

    def open(self) -> None:
        """From now on statuses can reach us."""
        if self._open_since is None:
            self._open_since = self._clock.monotonic()

    def close(self) -> None:
        """From now on they cannot: the server does not listen, or the inbox does not commit."""
        if self._open_since is not None:
            self._counted += self._clock.monotonic() - self._open_since
            self._open_since = None

    def seconds(self) -> float:
        """Open seconds since the process started."""
        if self._open_since is None:
            return self._counted
        return self._counted + self._clock.monotonic() - self._open_since


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

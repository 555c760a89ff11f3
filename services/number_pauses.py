"""Numbers that Meta has stopped: nothing is sent for a while, then one message tries, and success ends it."""

from dataclasses import dataclass

from database.clock import Clock

LONGEST_PAUSE_SECONDS = 3600.0
PROBE_SECONDS = 30.0


@dataclass(slots=True)
class _Pause:
    problem: str
    seconds: float
    until: float
    trying: bool = False


@dataclass(frozen=True, slots=True)
class _Ended:
    seconds: float
    worked_at: float


class NumberPauses:
    """Pauses double from `first_seconds` to an hour, for as long as each try is refused. Times are monotonic.

    Meta may accept a try and refuse it later, by webhook: a stop within the length of the pause that the try ended
    goes on with the doubling.
    """

    def __init__(self, clock: Clock, first_seconds: float) -> None:
        self._clock = clock
        self._first_seconds = first_seconds
        self._pauses: dict[str, _Pause] = {}
        self._ended: dict[str, _Ended] = {}

    def stop(self, number_id: str, problem: str) -> None:
        """Meta refuses this number: wait, longer than the last time."""
        last = self._pauses.get(number_id)
        now = self._clock.monotonic()
        if last is not None and last.until > now and not last.trying:
            return  # several sends were under way when it began
        before = last.seconds if last is not None else self._ended_lately(number_id, now)
        seconds = self._first_seconds if before is None else min(before * 2, LONGEST_PAUSE_SECONDS)
        self._pauses[number_id] = _Pause(problem, seconds, now + seconds)

    def _ended_lately(self, number_id: str, now: float) -> float | None:
        """The length of the pause that ended so short ago that a new stop is the same trouble."""
        ended = self._ended.pop(number_id, None)
        return ended.seconds if ended is not None and now - ended.worked_at <= ended.seconds else None

    def works(self, number_id: str) -> bool:
        """Meta took a message from this number; True when that ended a pause.

        Only the message that tries it out does: one that was under way when the pause began proves nothing.
        """
        pause = self._pauses.get(number_id)
        if pause is None or not pause.trying:
            return False
        del self._pauses[number_id]
        self._ended[number_id] = _Ended(pause.seconds, self._clock.monotonic())
        return True

    def wait_seconds(self, number_id: str) -> float:
        """Seconds until something may be tried from this number; 0 means now. Takes nothing."""
        pause = self._pauses.get(number_id)
        return max(pause.until - self._clock.monotonic(), 0.0) if pause is not None else 0.0

    def try_one(self, number_id: str) -> None:
        """A message goes: while a pause is being tried out, it goes alone."""
        pause = self._pauses.get(number_id)
        if pause is not None:
            pause.trying = True
            pause.until = self._clock.monotonic() + PROBE_SECONDS

    def problems(self) -> dict[str, str]:
        """What is wrong, by number."""
        return {number_id: pause.problem for number_id, pause in self._pauses.items()}

"""May this message go now? Checked at the moment of sending: window, opt-out, mode, age, rates (WHATSAPP.md 5, 6)."""

from dataclasses import dataclass

from database.clock import Clock
from database.outbox import OutboxRow, Verdict
from database.records import Delivery, Mode
from services.number_pauses import NumberPauses
from services.whatsapp.rate_limits import NumberRate, PairRate


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """Limits of delivery. The window is Meta's 24 hours less a margin, for clocks that differ.

    A message that stayed unconfirmed `unconfirmed_attempts` times is held: somebody must find out why no status comes.
    `longest_wait_seconds` is more than any pause or back-off: what is due later was dated by a clock that was wrong.
    """

    grace_seconds: float = 60.0
    number_rate: float = 80.0
    reply_max_age_seconds: float = 21_600.0
    window_seconds: float = 86_400.0
    window_margin_seconds: float = 60.0
    sends_at_once: int = 64
    pause_seconds: float = 60.0
    longest_backoff_seconds: float = 300.0
    longest_wait_seconds: float = 4_200.0
    unconfirmed_attempts: int = 3

    @property
    def send_timeout_seconds(self) -> float:
        """How long Meta's answer is waited for: a quarter of the grace, at most 15 s."""
        return min(self.grace_seconds / 4, 15.0)

    @property
    def lease_seconds(self) -> float:
        """When a send counts as lost: half of the grace."""
        return self.grace_seconds / 2


class Rules:
    """Judges queued rows. Rates are counted when a row may go, so every row that may go must be sent."""

    def __init__(self, options: DeliveryOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self.pairs = PairRate(clock)
        self._numbers: dict[str, NumberRate] = {}
        self.pauses = NumberPauses(clock, options.pause_seconds)

    def number(self, number_id: str) -> NumberRate:
        """The rate of one of our numbers."""
        if number_id not in self._numbers:
            self._numbers[number_id] = NumberRate(self._options.number_rate, self._clock)
        return self._numbers[number_id]

    def judge(self, row: OutboxRow) -> Verdict:
        """Goes, waits or ends."""
        now = self._clock.now()
        forbidden = self._forbidden(row, now)
        if forbidden is not None:
            state, reason = forbidden
            return Verdict(row, state=state, reason=reason)
        wait = self.pauses.wait_seconds(row.number_id) or self.pairs.wait_seconds(row.conversation_id)
        wait = wait or self.number(row.number_id).reserve()
        if wait > 0:
            return Verdict(row, due_at=now + max(int(wait * 1000), 1))
        self.pairs.reserve(row.conversation_id)
        self.pauses.try_one(row.number_id)
        return Verdict(row)

    def _forbidden(self, row: OutboxRow, now: int) -> tuple[Delivery, str] | None:
        unwanted = _unwanted(row)
        if unwanted is not None:
            return Delivery.CANCELLED, unwanted
        if now - row.created_at > self._options.reply_max_age_seconds * 1000:
            return Delivery.HELD, "too_old"
        window_ms = (self._options.window_seconds - self._options.window_margin_seconds) * 1000
        if row.last_inbound_at is None or now - row.last_inbound_at > window_ms:
            return Delivery.HELD, "window_closed"
        if row.phone is None and row.bsuid is None:
            return Delivery.HELD, "no_address"
        return None


def _unwanted(row: OutboxRow) -> str | None:
    if row.blocked:
        return "blocked"
    if row.opted_out and row.purpose != "opt_out":
        return "opted_out"
    if row.mode == Mode.PERSON and row.purpose == "reply":
        return "with_person"
    return None

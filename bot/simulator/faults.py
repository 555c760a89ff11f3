"""Faults on demand: scripted for the next few, or by chance with seeded dice."""

import random
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """What can go wrong between a business and WhatsApp."""

    DOWN = "down"  # the connection ends before anything is taken
    REFUSED = "refused"  # answered with error `code`, nothing is taken
    ANSWER_LOST = "answer_lost"  # taken, then the connection ends without an answer
    ANSWER_500 = "answer_500"  # taken, answered 500 with `code`
    SLOW = "slow"  # taken, answered after `seconds`
    FAILED_LATER = "failed_later"  # accepted, then the status `failed` with `code`
    STATUS_FIRST = "status_first"  # the statuses arrive before the answer
    STATUS_LOST = "status_lost"  # accepted and delivered, but no status ever comes
    WEBHOOK_DELAY = "webhook_delay"  # an update waits `seconds`
    WEBHOOK_DUPLICATE = "webhook_duplicate"  # an update is posted `times` in all
    WEBHOOK_SHUFFLE = "webhook_shuffle"  # updates come in any order, each up to `seconds` late


DEFAULT_CODES = {FaultKind.REFUSED: 131016, FaultKind.ANSWER_500: 131000, FaultKind.FAILED_LATER: 131026}
FRACTIONS = frozenset({"probability", "seconds"})
WHOLES = frozenset({"next", "code", "times"})
MOST = 10_000_000


@dataclass(slots=True)
class Fault:
    """A kind and how often it strikes: the `next` few times for certain, each time with `probability` beyond."""

    kind: FaultKind
    probability: float = 0.0
    next: int = 0
    code: int = 0
    seconds: float = 0.0
    times: int = 2

    def __post_init__(self) -> None:
        self.code = self.code or DEFAULT_CODES.get(self.kind, 0)


class Faults:
    """At most one fault of each kind. Without faults no dice are rolled."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._faults: dict[FaultKind, Fault] = {}

    def set(self, kind: FaultKind, **how: Any) -> None:
        """Ask for a fault, in place of what was asked of this kind before; the keywords are Fault's."""
        self.put(Fault(kind, **how))

    def put(self, fault: Fault) -> None:
        """The same with a fault that is made already."""
        self._faults[fault.kind] = fault

    def clear(self) -> None:
        """Behave from now on."""
        self._faults.clear()

    def strikes(self, kind: FaultKind) -> Fault | None:
        """The fault, when it happens this time."""
        fault = self._faults.get(kind)
        if fault is None:
            return None
        if fault.next > 0:
            fault.next -= 1
            return fault
        return fault if fault.probability and self._dice.random() < fault.probability else None

    def listed(self) -> list[dict[str, Any]]:
        """As JSON, also accepted by `read_fault`."""
        return [asdict(fault) for fault in self._faults.values()]


def read_fault(value: Any) -> Fault:
    """A fault from JSON. Raises ValueError with a sentence."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in set(FaultKind):
        raise ValueError(f"a fault is an object whose kind is one of {', '.join(FaultKind)}")
    numbers = {name: number for name, number in value.items() if name != "kind"}
    for name, number in numbers.items():
        allowed = (int, float) if name in FRACTIONS else (int,)
        if name not in FRACTIONS | WHOLES or type(number) not in allowed or not 0 <= number <= MOST:
            raise ValueError(f"{name} is not a number that a fault takes")
    if numbers.get("probability", 0) > 1:
        raise ValueError("probability is 0 to 1")
    return Fault(FaultKind(kind), **numbers)

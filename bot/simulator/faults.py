"""Faults on demand: scripted for the next few, by rule for one customer or call, or by chance with seeded dice."""

import random
from collections import Counter
from collections.abc import Callable, Collection
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
    HELD = "held"  # taken, and `message_status` says held_for_quality_assessment
    FAILED_LATER = "failed_later"  # accepted, then the status `failed` with `code`
    STATUS_FIRST = "status_first"  # the statuses arrive before the answer
    STATUS_LATE = "status_late"  # every status waits `seconds` more
    STATUS_DOUBLE = "status_double"  # every status comes `times` in all
    STATUS_SHUFFLE = "status_shuffle"  # read may come before delivered, delivered before sent
    STATUS_SKIP = "status_skip"  # `delivered` is left out, `read` follows at once
    STATUS_LOST = "status_lost"  # accepted and delivered, but no status ever comes
    WEBHOOK_DELAY = "webhook_delay"  # an update waits `seconds`
    WEBHOOK_DUPLICATE = "webhook_duplicate"  # an update is posted `times` in all
    WEBHOOK_SHUFFLE = "webhook_shuffle"  # updates come in any order, each up to `seconds` late
    WEBHOOK_UNHEARD = "webhook_unheard"  # the business's 200 is lost on its way, so the update comes again
    WEBHOOK_FORGED = "webhook_forged"  # before an update, a stranger posts it with a wrong signature


DEFAULT_CODES = {FaultKind.REFUSED: 131016, FaultKind.ANSWER_500: 131000, FaultKind.FAILED_LATER: 131026}
CALLS = frozenset(
    {
        *("any", "messages", "read_marks", "media", "message_templates", "phone_numbers"),
        *("subscribed_apps", "subscriptions", "debug_token", "node"),
    }
)
PERSONAL_CALLS = frozenset({"any", "messages", "read_marks"})  # that concern one customer
FRACTIONS = frozenset({"probability", "seconds"})
WHOLES = frozenset({"next", "code", "times"})
TEXTS = frozenset({"customer", "call"})
MOST = 10_000_000


@dataclass(slots=True)
class Fault:
    """A kind and how often it strikes: the `next` few times for certain, each time with `probability` beyond.

    With `customer` (phone or BSUID) it strikes only what concerns that person; UNHEARD and FORGED, which are about a
    whole POST, strike one that brings something of that person. `call` is which calls of the Graph API DOWN and
    REFUSED strike: one of CALLS ("messages" are sends, "node" is `GET` and `DELETE /{id}`).
    """

    kind: FaultKind
    probability: float = 0.0
    next: int = 0
    code: int = 0
    seconds: float = 0.0
    times: int = 2
    customer: str | None = None
    call: str = "messages"

    def __post_init__(self) -> None:
        self.code = self.code or DEFAULT_CODES.get(self.kind, 0)
        if self.customer is not None:
            self.customer = self.customer.removeprefix("+")

    def concerns(self, names: Collection[str], call: str) -> bool:
        """Whether it may strike here; `names` are all phones and BSUIDs of those concerned."""
        return self.call in {call, "any"} and (self.customer is None or self.customer in names)


class Faults:
    """At most one fault of each kind, customer and call. Without faults no dice are rolled.

    `names_of` gives the phone and the BSUID of whoever has one of them. `struck` counts what happened so far.
    """

    def __init__(self, dice: random.Random, names_of: Callable[[str], Collection[str]]) -> None:
        self._dice = dice
        self._names_of = names_of
        self._faults: dict[FaultKind, list[Fault]] = {}
        self.struck: Counter[FaultKind] = Counter()

    def set(self, kind: FaultKind, **how: Any) -> None:
        """Ask for a fault, in place of what was asked of its kind, customer and call; the keywords are Fault's."""
        self.put(Fault(kind, **how))

    def put(self, fault: Fault) -> None:
        """The same with a fault that is made already."""
        place = (fault.customer, fault.call)
        others = [one for one in self._faults.get(fault.kind, []) if (one.customer, one.call) != place]
        # What is for one customer goes before what is for all.
        self._faults[fault.kind] = sorted([*others, fault], key=lambda one: one.customer is None)

    def clear(self, kind: FaultKind | None = None) -> None:
        """Behave from now on, in all or in one kind."""
        if kind is None:
            self._faults.clear()
        else:
            self._faults.pop(kind, None)

    def strikes(self, kind: FaultKind, *customers: str, call: str = "messages") -> Fault | None:
        """The fault, when it happens this time. `customers` are whom it would concern, by phone or BSUID."""
        faults = self._faults.get(kind)
        if not faults:
            return None
        names = {name for customer in customers for name in self._names_of(customer)}
        for fault in faults:
            if fault.concerns(names, call) and self._strikes_now(fault):
                self.struck[kind] += 1
                return fault
        return None

    def listed(self) -> list[dict[str, Any]]:
        """As JSON, also accepted by `read_fault`."""
        return [asdict(fault) for faults in self._faults.values() for fault in faults]

    def _strikes_now(self, fault: Fault) -> bool:
        if fault.next > 0:
            fault.next -= 1
            return True
        return bool(fault.probability) and self._dice.random() < fault.probability


def read_fault(value: Any) -> Fault:
    """A fault from JSON. Raises ValueError with a sentence."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in set(FaultKind):
        raise ValueError(f"a fault is an object whose kind is one of {', '.join(FaultKind)}")
    how = {name: wanted for name, wanted in value.items() if name != "kind"}
    for name, wanted in how.items():
        _check(name, wanted)
    fault = Fault(FaultKind(kind), **how)
    if fault.customer is not None and fault.call not in PERSONAL_CALLS:
        raise ValueError(f"only {', '.join(sorted(PERSONAL_CALLS))} concern one customer")
    return fault


def _check(name: str, wanted: Any) -> None:
    if name in TEXTS:
        if wanted is None and name == "customer":
            return
        if not isinstance(wanted, str) or (name == "call" and wanted not in CALLS):
            raise ValueError(f"customer is a phone or BSUID, call one of {', '.join(sorted(CALLS))}")
        return
    allowed = (int, float) if name in FRACTIONS else (int,)
    if name not in FRACTIONS | WHOLES or type(wanted) not in allowed or not 0 <= wanted <= MOST:
        raise ValueError(f"{name} is not a number that a fault takes")
    if name == "probability" and wanted > 1:
        raise ValueError("probability is 0 to 1")

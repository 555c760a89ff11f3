"""A line to Meta that keeps what it is given and answers as a test says."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Sent:
    """One message that reached Meta."""

    text: str
    phone: str | None
    bsuid: str | None
    attempt_id: str
    wamid: str


@dataclass
class FakeLine:
    """`faults` are raised by the next sends, in order; None lets one through. `taken` says whether Meta got it."""

    sent: list[Sent] = field(default_factory=list)
    reads: list[tuple[str, bool]] = field(default_factory=list)
    faults: list[Exception | None] = field(default_factory=list)
    taken_although_failed: bool = False
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def send(
        self,
        number_id: str,
        message: Mapping[str, Any],
        *,
        phone: str | None,
        bsuid: str | None,
        attempt_id: str,
        timeout_seconds: float,
    ) -> str:
        fault = self.faults.pop(0) if self.faults else None
        if fault is None or self.taken_although_failed:
            wamid = f"wamid.out{next(self.numbers)}"
            self.sent.append(Sent(message["text"]["body"], phone, bsuid, attempt_id, wamid))
        if fault is not None:
            raise fault
        return wamid

    async def mark_read(self, number_id: str, wamid: str, *, typing: bool, timeout_seconds: float) -> None:
        self.reads.append((wamid, typing))

    @property
    def texts(self) -> list[str]:
        return [sent.text for sent in self.sent]

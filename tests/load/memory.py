"""The memory of a server and all its children, over time."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import psutil

from database.clock import Clock

LOOK_SECONDS = 0.5
MEGABYTE = 1024 * 1024


@dataclass(slots=True)
class Memory:
    """(seconds, MB) of resident memory, pages that processes share counted in each."""

    looks: list[tuple[float, float]] = field(default_factory=list)

    @property
    def last_mb(self) -> float:
        return self.looks[-1][1]

    @property
    def slope(self) -> float:
        """MB an hour, by a straight line through the second half: the first is warming up."""
        half = np.array(self.looks[len(self.looks) // 2 :])
        return float(np.polyfit(half[:, 0], half[:, 1], 1)[0] * 3600)

    async def watch(self, pid: int, clock: Clock) -> None:
        """Look until cancelled."""
        began = clock.monotonic()
        while True:
            self.looks.append((clock.monotonic() - began, await asyncio.to_thread(_resident_mb, pid)))
            await clock.sleep(LOOK_SECONDS)


def _resident_mb(pid: int) -> float:
    total = 0.0
    server = psutil.Process(pid)
    for process in (server, *server.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss / MEGABYTE
    return total

"""Where chaos happens: a server of its own in a temporary directory, a simulated WhatsApp, and who did what."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bot.chaos.server_process import ServerProcess, running_server
from bot.sample_business.upload import add_sample
from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import Clock

GRACE_SECONDS = 5.0
# Short waits, so that minutes show what takes hours otherwise; every rule is the one that customers live by.
SETTINGS = {
    "CONCIERGE_DELIVERY_GRACE_SECONDS": f"{GRACE_SECONDS:g}",
    "CONCIERGE_BATCH_QUIET_SECONDS": "0.3",
    "CONCIERGE_BATCH_MAX_SECONDS": "1.5",
    "CONCIERGE_API_RATE": "1000",
    "CONCIERGE_STOP_GRACE_SECONDS": "5",
}


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """How long, how many customers, how many kills; `seed` repeats the choices (not the instants) of a run."""

    minutes: float = 2.0
    customers: int = 12
    kills: int = 20
    seed: int = 0

    def dice(self, whose: str) -> random.Random:
        """Everybody rolls their own, so that one more roll of one changes nothing for the others."""
        return random.Random(f"{self.seed}/{whose}")  # noqa: S311 - it plays, it guards nothing


@dataclass(frozen=True, slots=True)
class Written:
    """A message that a customer wrote. `at` is its timestamp (epoch milliseconds), `late` when that is long ago."""

    customer: str
    text: str
    at: int
    late: bool = False


@dataclass(slots=True)
class Stop:
    """A customer's "stop": `wamid`, and when they wrote "start" again (epoch milliseconds; None: not yet)."""

    wamid: str
    customer: str
    until: int | None = None


class Expected(StrEnum):
    """What a document must be in the end, by the last answer that came."""

    THERE = "there"
    GONE = "gone"
    EITHER = "either"  # the server was killed before it answered


@dataclass(frozen=True, slots=True)
class Upload:
    """A document that was handed in. `facts` are questions that only it answers.

    `kills` is how often the server was killed until the document was read.
    """

    filename: str
    expected: Expected
    facts: tuple[str, ...]
    kills: int = 0


@dataclass(slots=True)
class Diary:
    """What everybody did, for the day of reckoning.

    `pieces` is what an undisturbed document has; `waits` are seconds until the server said that it lives;
    `deaths` are exit codes of servers that nobody had killed, `unwell` what others than 200 a living one answered when
    asked whether it lives; `refused` tells of documents that a living server refused; `bursts` are the wamids of what
    was written at one go, several messages without a kill between them.
    """

    written: dict[str, Written] = field(default_factory=dict)
    bursts: list[tuple[str, ...]] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    pieces: int = 0
    waits: list[float] = field(default_factory=list)
    strangers: Counter[str] = field(default_factory=Counter)
    let_in: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    deaths: list[int] = field(default_factory=list)
    unwell: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stage:
    """All that the actors share; `over` ends their play."""

    options: ChaosOptions
    clock: Clock
    server: ServerProcess
    simulator: Simulator
    diary: Diary = field(default_factory=Diary)
    over: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def open_stage(options: ChaosOptions, clock: Clock, folder: Path) -> AsyncIterator[Stage]:
    """Server, simulator and the sample business, ready. Nothing lies outside `folder`, nothing listens to others."""
    server = ServerProcess(folder / "data", "", settings=SETTINGS, clock=clock)
    settings = SimulatorSettings(
        server.secrets.app_secret,
        server.secrets.access_token,
        server.secrets.phone_number_id,
        server.webhook_url,
        check_window=False,  # it takes everything: that nothing forbidden comes is for us to see
        retry_max_seconds=0.5,
        webhook_timeout_seconds=5.0,
    )
    async with Simulator.running(clock, options.dice("simulator"), settings) as simulator:
        server.api_url = simulator.url
        async with running_server(server):
            await add_sample(server.url, server.secrets.admin_token, clock)
            yield Stage(options, clock, server, simulator)

"""The batch window replayed on real support chats: gaps joined against delay added, beside every fixed window.

A gap is the time between two messages of one customer's burst; it is joined when the second message comes before the
reply to the first. The delay is what passes between a reply's last message and its turn. Timestamps are whole seconds.
Superseding, where it is shown, is granted to the fixed windows as well.
The window's rules were chosen on these very chats (there are no others with seconds): look at both of them apart.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import mean, median

from bot.settings import Settings
from database.records import InboundMessage
from services.message_batcher import BatchWindow
from tests.bench.figures import Figure
from tests.shared import SHARED

CHATS = {"#stripe": "stripe.0", "#rust": "rust.0"}
FIXED_SECONDS = [step / 2 for step in range(1, 41)]
THINKING_SECONDS = 1.0  # a model's answer; a message that comes meanwhile supersedes the turn, and so is joined
MOST_SUPERSEDED = 2
DueAt = Callable[[int, int, InboundMessage, int | None], int]


@dataclass(frozen=True, slots=True)
class Joined:
    """What a window does to a chat: the share of gaps that it joins, and the delays of its replies in seconds."""

    share: float
    median_delay: float
    mean_delay: float


async def run() -> list[Figure]:
    """Both chats apart and together, without and with superseding."""
    settings = Settings.model_construct()
    window = BatchWindow(settings.concierge_batch_quiet_seconds, settings.concierge_batch_max_seconds)
    chats = {name: _bursts(file) for name, file in CHATS.items()}
    figures: list[Figure] = []
    for name, bursts in (*chats.items(), ("both", [burst for each in chats.values() for burst in each])):
        for thinking in (0.0, THINKING_SECONDS):
            figures += _figures(name, bursts, window, thinking)
    return figures


def _figures(name: str, bursts: list[list[InboundMessage]], window: BatchWindow, thinking: float) -> list[Figure]:
    ours = replay(bursts, window.due_at, thinking)
    fixed = {seconds: replay(bursts, _fixed(seconds), thinking) for seconds in FIXED_SECONDS}
    what = f"{name}, superseding in {thinking:g} s" if thinking else f"{name}, window alone"
    as_quick = max((each.share for each in fixed.values() if each.median_delay <= ours.median_delay), default=0.0)
    as_quick_on_average = max(
        (each.share for each in fixed.values() if each.mean_delay <= ours.mean_delay), default=0.0
    )
    as_good = min((s for s, each in fixed.items() if each.share >= ours.share), default=FIXED_SECONDS[-1])
    # On the frontier: no fixed window that is as quick joins more. Dominating: nor one that is on average.
    dominates = ours.share > max(as_quick, as_quick_on_average)
    return [
        Figure(
            f"{what}: gaps joined",
            100 * ours.share,
            "%",
            baseline=100 * as_quick,
            baseline_name="best fixed window with no longer a median delay",
            floor=100 * as_quick,
        ),
        Figure(
            f"{what}: median delay",
            ours.median_delay,
            "s",
            baseline=as_good,
            baseline_name="the shortest fixed window that joins as many",
            higher_is_better=False,
        ),
        Figure(
            f"{what}: mean delay",
            ours.mean_delay,
            "s",
            baseline=as_good,
            baseline_name="the shortest fixed window that joins as many",
            higher_is_better=False,
        ),
        Figure(f"{what}: dominates the fixed windows", float(dominates), "(1 is yes)", goal=1.0),
    ]


def replay(bursts: Iterable[list[InboundMessage]], due_at: DueAt, thinking: float) -> Joined:
    """Every burst through a window; a turn that thinks is superseded at most twice."""
    joined, gaps = 0, 0
    delays: list[float] = []
    for messages in bursts:
        began = due = before = superseded = 0
        for n, message in enumerate(messages):
            now = message.sent_at
            late = n > 0 and now > due
            waits = n > 0 and (not late or (superseded < MOST_SUPERSEDED and now <= due + thinking * 1000))
            superseded = superseded + late if waits else 0
            gaps += n > 0
            joined += waits
            if n and not waits:
                delays.append((due - before) / 1000)
            began = began if waits else now
            asked = due_at(now, began, message, now - before if waits else None)
            due, before = max(due, asked), now
        delays.append((due - before) / 1000)
    return Joined(joined / gaps, median(delays), mean(delays))


def _fixed(seconds: float) -> DueAt:
    return lambda now, _began, _message, _pause: now + int(seconds * 1000)


def _bursts(file: str) -> list[list[InboundMessage]]:
    lines = (SHARED / f"evaldata/irc_support_chat/visible/{file}.bursts.jsonl").read_text("utf-8").splitlines()
    return [
        [
            InboundMessage(
                wamid="",
                phone_number_id="",
                type="text",
                sent_at=1000 * (burst["start"] + each["dt"]),
                text=each["text"],
            )
            for each in burst["messages"]
        ]
        for burst in map(json.loads, lines)
    ]

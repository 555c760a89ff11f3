"""Wires the conversation: inbox → intake → batcher → turns → delivery. Opened by bot/app.py, bottom first."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from agents.ports import Responder
from database.businesses import all_numbers
from database.clock import Clock
from database.engine import Database
from database.inbox import forget
from database.metrics import Metrics
from services.delivery import Delivery, SendLine
from services.delivery_grace import OpenDoor
from services.delivery_rules import DeliveryOptions
from services.inbox import Inbox
from services.intake import Intake
from services.message_batcher import BatchWindow, MessageBatcher
from services.scheduler import Sweep
from services.turns import TurnOptions, Turns
from services.typing_line import ReadLine, TypingLine

DAY_MS = 86_400_000
FORGET_ROWS = 500
FORGET_PAUSE_SECONDS = 0.02


class Line(SendLine, ReadLine, Protocol):
    """The line to Meta: sends, and marks as read."""


@dataclass(frozen=True, slots=True)
class ConversationOptions:
    """Limits of the conversation, each from its setting."""

    window: BatchWindow = field(default_factory=BatchWindow)
    turns: TurnOptions = field(default_factory=TurnOptions)
    delivery: DeliveryOptions = field(default_factory=DeliveryOptions)
    inbox_timeout_seconds: float = 3.0
    stop_grace_seconds: float = 20.0
    keep_bodies_days: int = 7
    keep_keys_days: int = 30


@dataclass(slots=True)
class Conversation:
    """The running parts, for the doors and the sweeps."""

    inbox: Inbox
    intake: Intake
    batcher: MessageBatcher
    turns: Turns
    delivery: Delivery
    door: OpenDoor
    sweeps: dict[str, tuple[Sweep, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every part stands on."""

    database: Database
    line: Line
    clock: Clock
    dice: random.Random
    metrics: Metrics
    options: ConversationOptions
    door: OpenDoor


@asynccontextmanager
async def running_conversation(
    database: Database,
    responder: Responder,
    line: Line,
    clock: Clock,
    dice: random.Random,
    metrics: Metrics,
    options: ConversationOptions,
) -> AsyncIterator[Conversation]:
    """Take over what an earlier process left, and run until the end of the block; then stop gracefully.

    Stopping: no new work, turns in flight finish within the grace time, the rest is taken up at the next start.
    """
    ground = _Ground(database, line, clock, dice, metrics, options, OpenDoor(clock))
    async with AsyncExitStack() as stack:
        parts = await _wired(ground, responder, stack)
        await parts.turns.take_over()
        await parts.delivery.take_over()
        parts.delivery.start()
        stack.push_async_callback(parts.delivery.drain, options.delivery.send_timeout_seconds)
        stack.push_async_callback(parts.turns.drain, options.stop_grace_seconds)
        parts.intake.start()
        stack.push_async_callback(parts.intake.drain)
        await parts.turns.sweep()
        parts.sweeps = _sweeps(parts, ground)
        yield parts


def _sweeps(parts: Conversation, ground: _Ground) -> dict[str, tuple[Sweep, float]]:
    return {
        "turns": (parts.turns.sweep, 1.0),
        "delivery": (parts.delivery.sweep, 1.0),
        "intake": (parts.intake.sweep, 2.0),
        "inbox": (lambda: _forget(ground.database, ground.clock, ground.options), 3600.0),
    }


async def _wired(ground: _Ground, responder: Responder, stack: AsyncExitStack) -> Conversation:
    """Every part, knowing the others that it speaks to; those in a circle find each other when they first speak."""
    typing = TypingLine(ground.line, ground.clock)
    stack.push_async_callback(typing.drain)
    batcher = MessageBatcher(ground.clock, lambda conversation_id: turns.begin(conversation_id))  # noqa: PLW0108 - later
    stack.push_async_callback(batcher.close)
    delivery = _delivery(ground, caught_up=lambda: intake.caught_up())  # noqa: PLW0108 - made below
    turns = Turns(
        ground.database,
        responder,
        typing,
        ground.clock,
        ground.metrics,
        ground.options.turns,
        before_claim=lambda: intake.settled(),  # noqa: PLW0108 - made below
        on_queued=delivery.wake,
        on_due=batcher.add,
    )
    intake = await _intake(ground, batcher, turns, delivery)
    inbox = Inbox(
        ground.database,
        ground.clock,
        ground.metrics,
        timeout_seconds=ground.options.inbox_timeout_seconds,
        door=ground.door,
        on_arrival=intake.wake,
    )
    return Conversation(inbox, intake, batcher, turns, delivery, ground.door)


def _delivery(ground: _Ground, caught_up: Callable[[], Awaitable[bool]]) -> Delivery:
    return Delivery(
        ground.database,
        ground.line,
        ground.clock,
        ground.dice,
        ground.metrics,
        ground.options.delivery,
        ground.door,
        caught_up=caught_up,
    )


async def _intake(ground: _Ground, batcher: MessageBatcher, turns: Turns, delivery: Delivery) -> Intake:
    def on_due(conversation_id: str, due_at: int) -> None:
        batcher.add(conversation_id, due_at)
        turns.message_arrived(conversation_id)

    return Intake(
        ground.database,
        ground.clock,
        ground.metrics,
        window=ground.options.window,
        numbers={number.id: number.business_id for number in await ground.database.read(all_numbers())},
        on_due=on_due,
        on_status=delivery.wake,
        on_inbound=lambda number_id: delivery.rules.number(number_id).count_inbound(1),
        on_failure=delivery.failed_later,
    )


async def _forget(database: Database, clock: Clock, options: ConversationOptions) -> None:
    now = clock.now()
    bodies_before, keys_before = now - options.keep_bodies_days * DAY_MS, now - options.keep_keys_days * DAY_MS
    # events before the POSTs that they point into
    for what, before in (("bodies", bodies_before), ("events", keys_before), ("posts", keys_before)):
        after: int | None = 0
        while after is not None:
            after = await database.write(forget(what, before, after, FORGET_ROWS))
            await clock.sleep(FORGET_PAUSE_SECONDS)  # a stretch at a time: chat goes first

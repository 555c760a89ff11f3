"""A turn: claim a conversation, read what waits, think, finish in one unit. One reply a burst, whatever happens."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agents.ports import Reply, Responder
from database.claims import (
    Claim,
    claim,
    correct_turn_times,
    due_conversations,
    extend,
    fail,
    release,
    void_dead_claims,
)
from database.clock import Clock
from database.engine import Database
from database.metrics import Metrics
from database.turns import Ending, Finished, finish
from services.heard_messages import heard_in
from services.turn_endings import closed_unread, ending_of, to_burst, without_agents
from services.typing_line import TypingLine

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """Limits of turns. A message older than `reply_max_age_seconds` gets no answer.

    `admins` as services.heard_messages.is_admin says. `history_lines` is more than the memory keeps without summing
    them up. `longest_wait_seconds` is more than the batcher's cap and any pause after a failed turn: what is due later
    was dated by a clock that was wrong.
    """

    max_turns: int = 100
    lease_seconds: float = 60.0
    max_superseded: int = 2
    max_failed_claims: int = 3
    history_lines: int = 60
    reply_max_age_seconds: float = 21_600.0
    look_ahead_seconds: float = 30.0
    longest_wait_seconds: float = 60.0
    sweep_limit: int = 500
    admins: frozenset[str] = frozenset()


class Turns:
    """Runs at most `max_turns` turns at once, at most one a conversation.

    `before_claim()` ends when what has arrived is in its conversation. `on_queued()` says that the outbox has
    something; `on_due(conversation_id, due_at)` arms the batcher.
    """

    def __init__(
        self,
        database: Database,
        responder: Responder,
        typing: TypingLine,
        clock: Clock,
        metrics: Metrics,
        options: TurnOptions,
        *,
        before_claim: Callable[[], Awaitable[None]],
        on_queued: Callable[[], None],
        on_due: Callable[[str, int], None],
    ) -> None:
        self._database = database
        self._responder = responder
        self._typing = typing
        self._clock = clock
        self._metrics = metrics
        self._options = options
        self._before_claim = before_claim
        self._on_queued = on_queued
        self._on_due = on_due
        self._places = asyncio.Semaphore(options.max_turns)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._thinking: dict[str, asyncio.Task[Ending]] = {}
        self._superseding: set[str] = set()
        self._again: set[str] = set()
        self._closing = False
        self._lease_ms = int(options.lease_seconds * 1000)

    async def take_over(self) -> int:
        """At start, as the owner of the data: the claims of an earlier process are dead. How many there were."""
        voided = await self._database.write(void_dead_claims(self._lease_ms, self._clock.now(), all_of_them=True))
        self._metrics.claims_swept.inc(voided)
        return voided

    def begin(self, conversation_id: str) -> None:
        """The conversation's wait is over. On the loop."""
        if self._closing:
            return
        if conversation_id in self._running:
            self._again.add(conversation_id)
            return
        task = asyncio.create_task(self._serve(conversation_id), name=f"turn of {conversation_id}")
        self._running[conversation_id] = task
        task.add_done_callback(lambda _: self._ended(conversation_id))

    def _ended(self, conversation_id: str) -> None:
        del self._running[conversation_id]
        if conversation_id in self._again:
            self._again.discard(conversation_id)
            self.begin(conversation_id)

    def message_arrived(self, conversation_id: str) -> None:
        """A newer message supersedes the turn that thinks about the older ones."""
        thinking = self._thinking.get(conversation_id)
        if thinking is not None and not thinking.done():
            self._superseding.add(conversation_id)
            thinking.cancel()

    async def sweep(self) -> None:
        """Void claims past their lease, and arm every conversation that is due soon."""
        now = self._clock.now()
        voided = await self._database.write(void_dead_claims(self._lease_ms, now, all_of_them=False))
        if voided:
            self._metrics.claims_swept.inc(voided)
            logger.warning("%d claims were past their lease", voided)
        before = now + int(self._options.look_ahead_seconds * 1000)
        await self._database.write(correct_turn_times(now + int(self._options.longest_wait_seconds * 1000)))
        for conversation_id, due_at in await self._database.read(due_conversations(before, self._options.sweep_limit)):
            if conversation_id not in self._running:
                self._on_due(conversation_id, due_at)

    async def drain(self, grace_seconds: float) -> None:
        """No new turns; those in flight finish within the grace, the others give their claims back."""
        self._closing = True
        tasks = list(self._running.values())
        if tasks:
            patience = asyncio.ensure_future(self._clock.sleep(grace_seconds))
            everyone = asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.wait((patience, everyone), return_when=asyncio.FIRST_COMPLETED)
            patience.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.wait((everyone,))

    async def _serve(self, conversation_id: str) -> None:
        held: Claim | None = None
        try:
            async with self._places:
                held = None if self._closing else await self._claim(conversation_id)
                if held is not None:
                    await self._turn(held)
        except asyncio.CancelledError:
            if held is not None:
                await self._database.write(release(held, superseded=False))
            raise
        except Exception as error:
            logger.exception("a turn failed")
            self._metrics.turns.labels("failed", type(error).__name__).inc()
            if held is not None:
                await self._fail(held)

    async def _claim(self, conversation_id: str) -> Claim | None:
        await self._before_claim()
        now = self._clock.now()
        return await self._database.write(claim(conversation_id, self._lease_ms, self._options.history_lines, now))

    async def _turn(self, held: Claim) -> None:
        started = self._clock.now()
        thinking = asyncio.create_task(self._think(held, started), name="thinking")
        may_be_superseded = held.superseded < self._options.max_superseded
        if may_be_superseded:
            self._thinking[held.conversation_id] = thinking
        heartbeat = asyncio.create_task(self._heartbeat(held, thinking), name="heartbeat")
        self._typing.begin(held)
        try:
            ending = await thinking
        except asyncio.CancelledError:
            if held.conversation_id not in self._superseding:
                thinking.cancel()
                raise
            await self._superseded(held)
            return
        finally:
            self._superseding.discard(held.conversation_id)
            self._thinking.pop(held.conversation_id, None)
            heartbeat.cancel()
            self._typing.end(held)
        await self._finish(held, ending)

    async def _think(self, held: Claim, started: int) -> Ending:
        if held.failed_claims >= self._options.max_failed_claims:
            logger.error("conversation %s failed %d times: no more agents", held.conversation_id, held.failed_claims)
            return without_agents(held, self._responder, started)
        oldest = started - int(self._options.reply_max_age_seconds * 1000)
        heard = heard_in(held, oldest, self._options.admins)
        unread = closed_unread(held, heard, self._responder, started)
        if unread is not None:
            return unread
        reply: Reply = await self._responder.respond(to_burst(held, heard))
        return ending_of(heard, reply, started)

    async def _heartbeat(self, held: Claim, thinking: asyncio.Task[Ending]) -> None:
        while True:
            await self._clock.sleep(self._options.lease_seconds / 3)
            try:
                alive = await self._database.write(extend(held, self._lease_ms, self._clock.now()))
            except (sqlite3.Error, TimeoutError) as fault:
                logger.warning("a lease could not be extended yet: %s", fault)
                continue
            if not alive:
                logger.warning("conversation %s was lost to another turn", held.conversation_id)
                thinking.cancel()
                return

    async def _superseded(self, held: Claim) -> None:
        self._metrics.turns.labels("superseded", "").inc()
        due_at = await self._database.write(release(held, superseded=True))
        if due_at is not None:
            self._on_due(held.conversation_id, due_at)

    async def _finish(self, held: Claim, ending: Ending) -> None:
        finished: Finished | None = await self._database.write(finish(held, ending, self._clock.now()))
        if finished is None:
            logger.warning("conversation %s was lost before its turn could finish", held.conversation_id)
            return
        self._count(held, ending)
        if ending.drafts:
            self._on_queued()
        if finished.due_at is not None:
            self._on_due(held.conversation_id, finished.due_at)

    def _count(self, held: Claim, ending: Ending) -> None:
        intent = ending.trace.intents[0] if ending.trace.intents else ""
        self._metrics.turns.labels(ending.trace.outcome, intent).inc()
        self._metrics.batch_size.observe(len(held.messages))
        for stage, seconds in ending.trace.stages.items():
            self._metrics.stage_seconds.labels(stage).observe(seconds)
        first = min(message.received_at for message in held.messages)
        self._metrics.reply_seconds.observe(max(self._clock.now() - first, 0) / 1000)

    async def _fail(self, held: Claim) -> None:
        due_at = self._clock.now() + 1000 * 2**held.failed_claims
        try:
            due_at_now = await self._database.write(fail(held, due_at))
        except Exception:
            logger.exception("a failed turn could not give its claim back; the sweep will")
            return
        if due_at_now is not None:
            self._on_due(held.conversation_id, due_at_now)

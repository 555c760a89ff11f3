"""Whatever the order of events: the inbox keeps each once, a conversation has one holder, a message goes once."""

import asyncio
import itertools
import json
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from database.businesses import ensure_default
from database.claims import Claim, claim, extend, fail, release, void_dead_claims
from database.engine import Database, DatabaseOptions
from database.inbox import Post, forget, keep_posts, settle_events, waiting_events
from database.messages import Arrival, take_in
from database.metrics import Metrics
from database.outbox import Attempt, Draft, Verdict, begin, due_rows, expire_attempts, take_over
from database.records import ClosedReason, InboundMessage, InboxEvent, StatusUpdate
from database.send_results import Refusal, StatusEvent, accepted, apply_statuses, refused, send_again, unsure
from database.transaction import Transaction
from database.turns import Ending, Trace, finish

pytestmark = pytest.mark.blocking_allowed  # a state machine runs its own loop, step by step

NUMBER = "1"
LEASE_MS = 1000
EFFORT = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


class OnDatabase(RuleBasedStateMachine):
    """A fresh concierge.db a run, and a clock that rules move."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_760_000_000_000
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        path = Path(self.folder.name) / "concierge.db"
        opened = Database.open(path, DatabaseOptions("chat", readers=1), Metrics())
        self.database = self.runner.run(self.stack.enter_async_context(opened))
        self.write(ensure_default(NUMBER, self.now))

    def write(self, unit: Any) -> Any:
        return self.runner.run(self.database.write(unit))

    def rows(self, sql: str) -> list[dict[str, Any]]:
        async def unit(transaction: Transaction) -> list[dict[str, Any]]:
            return [dict(row) for row in await transaction.all(sql)]

        found: list[dict[str, Any]] = self.runner.run(self.database.read(unit))
        return found

    def arrive(self, number: int, sender: str = "4915100000000") -> None:
        message = InboundMessage(f"in{number}", NUMBER, "text", self.now, phone=sender, text=f"text {number}")
        business = self.rows("SELECT id FROM businesses")[0]["id"]
        arrival = Arrival(number, business, message, self.now)

        async def unit(transaction: Transaction) -> None:
            await take_in(transaction, [arrival], self.now, lambda now, *_: now + 100)

        self.write(unit)

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()


class InboxMachine(OnDatabase):
    """Posts with any mix of new and repeated events, handled and forgotten at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: set[str] = set()
        self.handled: list[str] = []

    @rule(keys=st.lists(st.integers(0, 12).map(str), min_size=1, max_size=5))
    def post(self, keys: list[str]) -> None:
        events = [InboxEvent("message", key, f"/{n}", NUMBER, key) for n, key in enumerate(keys)]
        new = self.write(keep_posts([Post("default", json.dumps(keys).encode(), events, self.now)]))
        assert new == len(set(keys) - self.posted)
        self.posted |= set(keys)

    @rule(body=st.binary(max_size=20))
    def post_nonsense(self, body: bytes) -> None:
        assert self.write(keep_posts([Post("default", body, [], self.now, "not JSON")])) == 0

    @rule(limit=st.integers(1, 4))
    def handle(self, limit: int) -> None:
        events, bodies = self.runner.run(self.database.read(waiting_events(limit)))
        for event in events:
            assert json.loads(bodies[event.post_id])[int(event.pointer[1:])] == event.subject
        self.handled += [str(event.subject) for event in events]

        async def unit(transaction: Transaction) -> None:
            await settle_events(transaction, "handled", [event.id for event in events])

        self.write(unit)

    @rule()
    def forget_bodies(self) -> None:
        after: int | None = 0
        while after is not None:
            after = self.write(forget("bodies", self.now + 1, after, 3))

    @invariant()
    def every_event_is_waiting_or_was_handled_once(self) -> None:
        waiting = [
            row["dedupe_key"] for row in self.rows("SELECT dedupe_key FROM inbox_events WHERE state = 'waiting'")
        ]
        assert sorted([*waiting, *self.handled]) == sorted(self.posted)


class ClaimMachine(OnDatabase):
    """Several workers fight for a conversation while messages come, time passes and holders die."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.holders: list[Claim] = []
        self.current: str | None = None
        self.fence = 0
        self.until = 0

    @initialize()
    def first(self) -> None:
        self.message()

    @rule()
    def message(self) -> None:
        self.count += 1
        self.arrive(self.count)

    @rule()
    def take(self) -> None:
        conversation = self.rows("SELECT id FROM conversations")[0]["id"]
        held = self.write(claim(conversation, LEASE_MS, 5, self.now))
        if held is None:
            return
        assert self.current is None, "two holders at once"
        assert held.fence > self.fence
        self.fence, self.current, self.until = held.fence, held.turn_id, self.now + LEASE_MS
        self.holders.append(held)

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.5]))
    def time_passes(self, seconds: float) -> None:
        self.now += int(seconds * 1000)

    @rule(at_start=st.booleans())
    def sweep(self, at_start: bool) -> None:  # noqa: FBT001 - hypothesis passes arguments by name
        self.write(void_dead_claims(LEASE_MS, self.now, all_of_them=at_start))
        if at_start or self.until < self.now:
            self.current = None

    def _pick(self, data: st.DataObject) -> Claim:
        return data.draw(st.sampled_from(self.holders))

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        held = self._pick(data)
        alive = self.write(extend(held, LEASE_MS, self.now))
        assert alive == (held.turn_id == self.current)
        if alive:
            self.until = self.now + LEASE_MS

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), how=st.sampled_from(["superseded", "stopped", "failed"]))
    def give_back(self, data: st.DataObject, how: str) -> None:
        held = self._pick(data)
        before = self.rows("SELECT failed_claims FROM conversations")[0]["failed_claims"]
        unit = fail(held, self.now) if how == "failed" else release(held, superseded=how == "superseded")
        self.write(unit)
        after = self.rows("SELECT failed_claims FROM conversations")[0]["failed_claims"]
        mine = held.turn_id == self.current
        assert after - before == int(mine and how == "failed")
        if mine:
            self.current = None

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), closes=st.booleans())
    def finish(self, data: st.DataObject, closes: bool) -> None:  # noqa: FBT001 - hypothesis passes arguments by name
        held = self._pick(data)
        ids = [message.id for message in held.messages]
        ending = Ending(
            drafts=[] if closes else [Draft("text", "reply", {"type": "text", "text": {"body": "reply"}})],
            answered=[] if closes else ids,
            closed=dict.fromkeys(ids, ClosedReason.NO_REPLY_NEEDED) if closes else {},
            trace=Trace("closed" if closes else "answered", ["other"]),
        )
        done = self.write(finish(held, ending, self.now))
        assert (done is not None) == (held.turn_id == self.current)
        if done is not None:
            self.current = None

    @invariant()
    def every_message_has_one_disposition(self) -> None:
        rows = self.rows("SELECT seq, status, reason, turn_id FROM messages ORDER BY seq")
        assert len(rows) == self.count
        turns = {row["id"]: row["outcome"] for row in self.rows("SELECT id, outcome FROM turns")}
        for row in rows:
            assert (row["status"] == "answered") == (row["turn_id"] is not None)
            assert row["turn_id"] is None or turns[row["turn_id"]] == "answered"
        replies = self.rows("SELECT turn_id, count(*) AS n FROM outbox GROUP BY turn_id")
        assert all(reply["n"] == 1 for reply in replies)

    @invariant()
    def what_waits_is_due(self) -> None:
        assert (
            self.rows(
                "SELECT v.id FROM conversations v WHERE v.due_at IS NULL AND EXISTS"
                " (SELECT 1 FROM messages m WHERE m.conversation_id = v.id AND m.status = 'received')"
            )
            == []
        )


class OutboxMachine(OnDatabase):
    """Sends that are answered, refused, lost, confirmed late and taken over, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.queued = 0
        self.fence = self.write(take_over(self.now))
        self.open: list[Attempt] = []
        self.known: list[Attempt] = []

    @rule()
    def reply(self) -> None:
        self.queued += 1
        self.arrive(self.queued)
        self.now += 200
        conversation = self.rows("SELECT id FROM conversations")[0]["id"]
        held = self.write(claim(conversation, LEASE_MS, 5, self.now))
        draft = Draft("text", str(self.queued), {"type": "text", "text": {"body": "x"}})
        ids = [message.id for message in held.messages]
        assert self.write(finish(held, Ending([draft], ids, {}, Trace("answered", ["other"])), self.now))

    @rule()
    def start(self) -> None:
        rows = self.runner.run(self.database.read(due_rows(self.now, 10)))
        started = self.write(begin([Verdict(row) for row in rows], self.fence, self.now))
        self.open += started
        self.known += started

    @rule(seconds=st.sampled_from([0.1, 5.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += int(seconds * 1000)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), how=st.sampled_from(["accepted", "failed", "queued", "unsure"]))
    def answer(self, data: st.DataObject, how: str) -> None:
        attempt = data.draw(st.sampled_from(self.open))
        self.open.remove(attempt)
        if how == "accepted":
            self.write(accepted(attempt.id, f"wamid.{attempt.id}", self.now))
        elif how == "unsure":
            self.write(unsure(attempt.id, "no answer", self.now))
        else:
            self.write(refused(attempt.id, Refusal(how, "no", 1, self.now), self.now))

    @precondition(lambda self: self.known)
    @rule(data=st.data(), status=st.sampled_from(["sent", "delivered", "read", "played", "failed", "strange"]))
    def status(self, data: st.DataObject, status: str) -> None:
        attempt = data.draw(st.sampled_from(self.known))
        before = {row["id"]: row["state"] for row in self.rows("SELECT id, state FROM outbox")}
        update = StatusUpdate(f"wamid.{attempt.id}", status, NUMBER, self.now, attempt_id=attempt.id)

        async def unit(transaction: Transaction) -> list[int]:
            return await apply_statuses(transaction, [StatusEvent(1, update)], self.now)

        assert self.write(unit) == []
        rank = ["accepted", "sent", "delivered", "read", "played"]
        for row in self.rows("SELECT id, state FROM outbox"):
            was = before[row["id"]]
            if was in rank and row["state"] in rank:
                assert rank.index(row["state"]) >= rank.index(was)
            if was in {"delivered", "read", "played"}:
                assert row["state"] != "failed"

    @rule()
    def lose(self) -> None:
        lost = self.write(expire_attempts(self.now - 30_000, self.now))
        gone = {row["id"] for row in self.rows("SELECT id FROM send_attempts WHERE state = 'unconfirmed'")}
        self.open = [attempt for attempt in self.open if attempt.id not in gone]
        assert len(set(lost)) == len(lost)

    @rule()
    def grace_is_over(self) -> None:
        ids = [row["id"] for row in self.rows("SELECT id FROM outbox WHERE state = 'unconfirmed'")]
        assert self.write(send_again(ids, 10_000, self.now)) == len(ids)

    @rule()
    def restart(self) -> None:
        self.fence = self.write(take_over(self.now))
        self.open = []
        assert self.rows("SELECT id FROM outbox WHERE state = 'sending'") == []

    @invariant()
    def one_message_is_in_flight(self) -> None:
        flying = self.rows("SELECT id FROM outbox WHERE state IN ('sending', 'unconfirmed')")
        assert len(flying) <= 1

    @invariant()
    def nothing_goes_before_an_earlier_one_is_settled(self) -> None:
        rows = self.rows("SELECT state, attempts FROM outbox ORDER BY seq")
        for earlier, later in itertools.pairwise(rows):
            if earlier["state"] == "queued" and earlier["attempts"] == 0:
                assert later["attempts"] == 0


TestInbox = InboxMachine.TestCase
TestClaims = ClaimMachine.TestCase
TestOutbox = OutboxMachine.TestCase
TestInbox.settings = TestClaims.settings = TestOutbox.settings = EFFORT

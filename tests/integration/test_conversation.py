"""From a webhook to the customer's phone: one burst, one reply, one disposition a message."""

import asyncio
import itertools

import pytest

from agents.ports import Effects
from database.records import Mode
from services.message_batcher import BatchWindow
from services.turns import TurnOptions
from tests.fakes import webhook_posts
from tests.integration.conftest import Stage

ANA = "4915112345678"


async def test_a_burst_gets_one_reply(stage: Stage) -> None:
    """Three quick messages are answered once, together and in order, each with the turn that answered it."""
    async with stage.running():
        await stage.say(ANA, "Hello there.", "Do you deliver?", "To Porto?")
        await stage.wait(2)
        assert stage.line.texts == ["You said: Hello there. / Do you deliver? / To Porto?"]
        assert stage.line.sent[0].phone == ANA
    messages = await stage.rows("SELECT status, turn_id, seq FROM messages ORDER BY seq")
    assert [(m["status"], m["seq"]) for m in messages] == [("answered", 1), ("answered", 2), ("answered", 3)]
    assert len({m["turn_id"] for m in messages}) == 1
    outbox = await stage.rows("SELECT state, turn_id, seq FROM outbox")
    assert outbox == [{"state": "accepted", "turn_id": messages[0]["turn_id"], "seq": 4}]
    traces = await stage.rows("SELECT id, outcome, knowledge_version FROM turns")
    assert traces == [{"id": messages[0]["turn_id"], "outcome": "answered", "knowledge_version": 7}]


async def test_the_window_is_never_shorter_than_the_quiet_time(stage: Stage) -> None:
    """No answer comes while the customer may still be typing; the hard cap ends even an endless burst."""
    async with stage.running():
        await stage.say(ANA, "Do you deliver?")
        await stage.wait(0.9)
        assert stage.line.texts == []
        for _ in range(7):
            await stage.say(ANA, "and.")
            await stage.wait(0.8)
        assert len(stage.line.texts) == 1


async def test_a_button_is_answered_at_once(stage: Stage) -> None:
    """A pressed button says all there is to say."""
    async with stage.running():
        await stage.post(webhook_posts.button(ANA, "Yes", stage.clock.now()))
        await stage.wait(0.1)
        assert stage.line.texts == ["You said: Yes"]


@pytest.mark.parametrize("times", [40])
async def test_the_same_event_many_times_is_one_message(stage: Stage, times: int) -> None:
    """However often Meta repeats an event, the customer is answered once and nothing is kept twice."""
    body = webhook_posts.text(ANA, "Hello.", stage.clock.now())
    async with stage.running() as parts:
        await asyncio.gather(*(parts.inbox.keep("default", body) for _ in range(times)))
        await stage.wait(2)
        await stage.post(body)
        await stage.wait(2)
        assert stage.line.texts == ["You said: Hello."]
    assert len(await stage.rows("SELECT id FROM messages")) == 1
    assert len(await stage.rows("SELECT id FROM inbox_posts")) == 1


async def test_customers_do_not_wait_for_each_other(stage: Stage) -> None:
    """A turn that thinks long holds up nobody else."""
    gate = asyncio.Event()
    stage.responder.gates.append(gate)
    async with stage.running():
        await stage.say(ANA, "A hard one.")
        await stage.wait(1.5)
        await stage.say("4915100000000", "An easy one.")
        await stage.wait(1.5)
        assert stage.line.texts == ["You said: An easy one."]
        gate.set()
        await stage.wait(0.2)
        assert len(stage.line.texts) == 2


async def test_a_newer_message_supersedes_the_turn_that_thinks(stage: Stage) -> None:
    """A message that comes while we think is answered together with the older ones, by one reply."""
    stage.responder.gates.append(asyncio.Event())
    async with stage.running():
        await stage.say(ANA, "Do you deliver?")
        await stage.wait(1.2)
        assert len(stage.responder.heard) == 1
        await stage.say(ANA, "To Porto.")
        await stage.wait(3)
        assert stage.line.texts == ["You said: Do you deliver? / To Porto."]
    assert (await stage.rows("SELECT failed_claims, superseded FROM conversations")) == [
        {"failed_claims": 0, "superseded": 0}
    ]


async def test_a_turn_is_superseded_at_most_twice(stage: Stage) -> None:
    """Somebody who never stops writing gets an answer all the same."""
    gates = [asyncio.Event() for _ in range(3)]
    stage.responder.gates.extend(gates)
    async with stage.running():
        for n in range(4):
            await stage.say(ANA, f"Message {n}.")
            await stage.wait(11)
        assert len(stage.responder.heard) == 3
        gates[2].set()
        await stage.wait(3)
        assert stage.line.texts == ["You said: Message 0. / Message 1. / Message 2.", "You said: Message 3."]


async def test_three_failures_end_in_an_apology(stage: Stage) -> None:
    """A message that our own code cannot bear is answered by the fourth claim, without the agents."""
    stage.responder.faults.extend(ValueError("boom") for _ in range(9))
    async with stage.running():
        await stage.say(ANA, "Poison.")
        await stage.wait(12)
        assert stage.line.texts == ["Sorry"]
        assert len(stage.responder.heard) == 3
    assert (await stage.rows("SELECT outcome FROM turns")) == [{"outcome": "apology"}]


async def test_stop_is_obeyed_when_the_agents_fail(stage: Stage) -> None:
    """Also the fourth claim, which does without the agents, opts a customer out who said stop."""
    stage.responder.faults.extend(ValueError("boom") for _ in range(9))
    async with stage.running():
        await stage.say(ANA, "STOP")
        await stage.wait(12)
        assert stage.line.texts == ["Stopped"]
    assert (await stage.rows("SELECT opted_out_at IS NOT NULL AS out FROM contacts")) == [{"out": 1}]


async def test_claims_of_a_dead_process_count_and_are_taken_over(stage: Stage) -> None:
    """What a killed process was thinking about is answered by the next one; the claim counts as failed."""
    stage.responder.gates.append(asyncio.Event())
    stage.options = type(stage.options)(stop_grace_seconds=0.0)
    async with stage.running():
        await stage.say(ANA, "Hello.")
        await stage.wait(1.2)
        claimed = await stage.rows("SELECT claim, claim_until, fence, due_at FROM conversations")
        assert claimed[0]["claim"]
    # what SIGKILL would have left: the claim is still there
    await stage.run("UPDATE conversations SET claim = :claim, claim_until = :until", claim="dead", until=2**50)
    async with stage.running():
        assert (await stage.rows("SELECT failed_claims FROM conversations"))[0]["failed_claims"] == 1
        await stage.wait(1)
        assert stage.line.texts == ["You said: Hello."]


async def test_a_graceful_stop_gives_the_claim_back_uncounted(stage: Stage) -> None:
    """Stopping in the middle of a thought costs no attempt; the next start answers."""
    stage.responder.gates.append(asyncio.Event())
    stage.options = type(stage.options)(stop_grace_seconds=0.0)
    async with stage.running():
        await stage.say(ANA, "Hello.")
        await stage.wait(1.2)
    assert (await stage.rows("SELECT claim, failed_claims FROM conversations")) == [{"claim": None, "failed_claims": 0}]
    async with stage.running():
        await stage.wait(1)
        assert stage.line.texts == ["You said: Hello."]


async def test_a_lease_that_the_clock_put_far_ahead_is_cut(stage: Stage) -> None:
    """A clock that went back does not keep a dead claim alive for years."""
    async with stage.running():
        await stage.say(ANA, "Hello.")
        await stage.run(
            "UPDATE conversations SET claim = :claim, claim_until = :until", claim="ghost", until=stage.clock.now() * 2
        )
        await stage.wait(62)
        assert stage.line.texts == ["You said: Hello."]


async def test_a_finish_whose_fence_moved_changes_nothing(stage: Stage) -> None:
    """A turn that lost its conversation says nothing, whatever it thought."""
    gate = asyncio.Event()
    stage.responder.gates.append(gate)
    async with stage.running():
        await stage.say(ANA, "Hello.")
        await stage.wait(1.2)
        await stage.run("UPDATE conversations SET fence = fence + 1, claim = :claim", claim="another")
        gate.set()
        await stage.wait(0.3)
        assert stage.line.texts == []
        assert await stage.rows("SELECT id FROM turns") == []
    assert (await stage.rows("SELECT status FROM messages")) == [{"status": "received"}]


async def test_with_a_person_the_bot_is_silent_after_telling_so(stage: Stage) -> None:
    """The hand-over sentence goes out; from then on the responder decides what is closed."""
    stage.responder.effects.append(Effects(mode=Mode.PERSON))
    async with stage.running():
        await stage.say(ANA, "A person, please.")
        await stage.wait(2)
        assert len(stage.line.texts) == 1
        assert (await stage.rows("SELECT mode FROM conversations")) == [{"mode": "person"}]
        await stage.say(ANA, "Anybody there?")
        await stage.wait(2)
        assert stage.responder.heard[1].mode is Mode.PERSON


async def test_a_reply_to_somebody_who_opted_out_meanwhile_is_cancelled(stage: Stage) -> None:
    """Opt-out is checked at the moment of sending, and the confirmation alone goes through."""
    stage.responder.effects.append(Effects(opted_out=True))
    async with stage.running():
        await stage.say(ANA, "stop")
        await stage.wait(3)
        assert len(stage.line.texts) == 1
        await stage.say(ANA, "Hello again.")
        await stage.wait(2)
        assert len(stage.line.texts) == 1
    states = await stage.rows("SELECT state, reason FROM outbox ORDER BY seq")
    assert states[1] == {"state": "cancelled", "reason": "opted_out"}


async def test_an_album_without_words_gets_one_sentence(stage: Stage) -> None:
    """Pictures alone are closed as unsupported, and the customer is told once."""
    async with stage.running():
        for _ in range(5):
            await stage.post(webhook_posts.image(ANA, stage.clock.now()))
        await stage.wait(4)
        assert stage.line.texts == ["Text only"]
    assert {m["reason"] for m in await stage.rows("SELECT reason FROM messages")} == {"unsupported"}


async def test_a_picture_with_a_question_gets_the_answer_only(stage: Stage) -> None:
    """One reply a burst: the question is answered, the picture closed."""
    async with stage.running():
        await stage.post(webhook_posts.image(ANA, stage.clock.now()))
        await stage.say(ANA, "Do you sell these?")
        await stage.wait(4)
        assert stage.line.texts == ["You said: Do you sell these?"]
    assert await stage.rows("SELECT type, status, reason FROM messages ORDER BY seq") == [
        {"type": "image", "status": "closed", "reason": "unsupported"},
        {"type": "text", "status": "answered", "reason": None},
    ]


async def test_a_message_that_waited_too_long_is_closed_without_a_reply(stage: Stage) -> None:
    """What comes days late is kept and closed as too old; nobody is surprised by an answer."""
    async with stage.running():
        await stage.post(webhook_posts.text(ANA, "Are you open?", stage.clock.now() - 30 * 3_600_000))
        await stage.wait(3)
        assert stage.line.texts == []
    assert (await stage.rows("SELECT status, reason FROM messages")) == [{"status": "closed", "reason": "too_old"}]


async def test_at_most_so_many_turns_think_at_once(stage: Stage) -> None:
    """The limit of turns holds, and those beyond it wait instead of failing."""
    stage.options = type(stage.options)(
        turns=TurnOptions(max_turns=2), window=BatchWindow(quiet_seconds=0.1, max_seconds=1)
    )
    gates = [asyncio.Event() for _ in range(5)]
    stage.responder.gates.extend(gates)
    async with stage.running():
        for n in range(5):
            await stage.say(f"49151{n:06d}", "Hello.")
        await stage.wait(1)
        assert len(stage.responder.heard) == 2
        for gate in gates:
            gate.set()
        await stage.wait(1)
        assert len(stage.line.texts) == 5


async def test_reading_is_shown_and_typing_only_when_it_takes_long(stage: Stage) -> None:
    """A quick turn marks its messages read; a slow one shows that somebody types."""
    gate = asyncio.Event()
    async with stage.running():
        await stage.say(ANA, "Quick.")
        await stage.wait(1.5)
        stage.responder.gates.append(gate)
        await stage.say(ANA, "Slow.")
        await stage.wait(2)
        gate.set()
        await stage.wait(0.5)
    assert [typing for _, typing in stage.line.reads] == [False, True]


async def test_history_is_told_in_order(stage: Stage) -> None:
    """The agents hear what was said before, by whom, oldest first."""
    async with stage.running():
        for words in ("First.", "Second.", "Third."):
            await stage.say(ANA, words)
            await stage.wait(2)
    heard = stage.responder.heard[2].history
    assert [(line.by_customer, line.text) for line in heard] == list(
        itertools.chain.from_iterable([(True, w), (False, f"You said: {w}")] for w in ("First.", "Second."))
    )

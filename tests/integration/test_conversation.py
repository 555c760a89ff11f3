"""From a webhook to the customer's phone: one burst, one reply, one disposition a message."""

import asyncio
import itertools
import random
from typing import Any

import pytest

from agents.ports import Effects
from database.inbox import WaitingEvent
from database.records import Mode
from database.transaction import Transaction, Unit
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


async def test_a_burst_in_random_order_ends_each_message_once(stage: Stage) -> None:
    """Whatever the order of arrival, every message of a burst has one disposition and the burst one reply."""
    bodies = [webhook_posts.text(ANA, f"Part {n}.", stage.clock.now()) for n in range(8)]
    random.Random(3).shuffle(bodies)
    async with stage.running() as parts:
        await asyncio.gather(*(parts.inbox.keep("default", body) for body in bodies))
        await stage.wait(3)
        assert len(stage.line.texts) == 1
    assert await stage.rows("SELECT count(*) AS n FROM messages WHERE status = 'answered'") == [{"n": 8}]


async def test_broken_text_is_stored_and_answered(stage: Stage) -> None:
    """A lone surrogate, a NUL and a huge number are made storable, not refused."""
    for words in ("half \ud83d pair.", "nul \x00 inside."):
        async with stage.running():
            await stage.say(ANA, words)
            await stage.wait(2)
    assert len(stage.line.texts) == 2
    assert await stage.rows("SELECT count(*) AS n FROM inbox_events WHERE state = 'dead'") == [{"n": 0}]


@pytest.mark.parametrize("body", [b'{"entry": 5}', b"not json", b"[" * 1_000_000])
async def test_a_signed_post_that_cannot_be_split_is_kept_raw(stage: Stage, body: bytes) -> None:
    """Nonsense with a good signature is on disk and counted, and disturbs nothing."""
    async with stage.running():
        await stage.post(body)
        await stage.say(ANA, "Hello.")
        await stage.wait(2)
        assert stage.line.texts == ["You said: Hello."]
    kept = await stage.rows("SELECT body FROM inbox_posts ORDER BY id")
    assert kept[0]["body"] == body


@pytest.mark.parametrize("broken", [b"9" * 5000, b'"\xff"'])
async def test_a_broken_piece_disturbs_no_message(stage: Stage, broken: bytes) -> None:
    """What stands beside an endless integer or a broken byte is answered all the same."""
    body = webhook_posts.text(ANA, "Hello.", stage.clock.now())
    async with stage.running():
        await stage.post(body.replace(b'"entry"', b'"odd": ' + broken + b', "entry"', 1))
        await stage.wait(2)
        assert stage.line.texts == ["You said: Hello."]


async def test_a_meaningless_event_is_a_dead_letter_and_its_neighbours_live(stage: Stage) -> None:
    """An event without an id is put aside with its reason; the others of its POST are handled."""
    good = webhook_posts.message(ANA, stage.clock.now(), {"type": "text", "text": {"body": "Hello."}})
    bad = {"type": "text", "text": {"body": "who?"}, "timestamp": "1", "id": "wamid.nobody"}
    async with stage.running():
        await stage.post(webhook_posts.envelope(webhook_posts.value(messages=[bad, good])))
        await stage.wait(2)
        assert stage.line.texts == ["You said: Hello."]
    dead = await stage.rows("SELECT error FROM inbox_events WHERE state = 'dead'")
    assert len(dead) == 1
    assert dead[0]["error"]


async def test_events_for_a_strange_number_are_kept_and_ignored(stage: Stage) -> None:
    """What is meant for another number is answered 200, kept, counted and left alone."""
    said = webhook_posts.message(ANA, stage.clock.now(), {"type": "text", "text": {"body": "Hello."}})
    async with stage.running():
        await stage.post(webhook_posts.envelope(webhook_posts.value(number="999", messages=[said])))
        await stage.wait(2)
        assert stage.line.texts == []
    assert await stage.rows("SELECT state FROM inbox_events") == [{"state": "ignored"}]


async def test_two_people_behind_one_phone_number_are_two_contacts(stage: Stage) -> None:
    """A phone that comes with another BSUID has a new owner, who inherits no history."""
    async with stage.running():
        for bsuid in ("DE.1", "DE.2", "DE.2"):
            said = webhook_posts.message(ANA, stage.clock.now(), {"type": "text", "text": {"body": f"I am {bsuid}."}})
            said["from_user_id"] = bsuid
            await stage.post(webhook_posts.envelope(webhook_posts.value(messages=[said])))
        await stage.wait(3)
    contacts = await stage.rows("SELECT bsuid, phone FROM contacts ORDER BY bsuid")
    assert contacts == [{"bsuid": "DE.1", "phone": None}, {"bsuid": "DE.2", "phone": ANA}]


@pytest.mark.parametrize("senders", [("DE.2", None), (None, "DE.2", None), ("DE.2", None, "DE.1", None)])
async def test_a_phone_moves_within_one_batch(stage: Stage, senders: tuple[str | None, ...]) -> None:
    """Who writes by phone alone after the phone moved is its new owner, also when all of it comes at once."""
    now = stage.clock.now()

    def said(bsuid: str | None, words: str) -> dict[str, Any]:
        sender = {"from_user_id": bsuid} if bsuid else {}
        return webhook_posts.message(ANA, now, {"type": "text", "text": {"body": words}}) | sender

    async with stage.running():
        await stage.post(webhook_posts.envelope(webhook_posts.value(messages=[said("DE.1", "first")])))
        await stage.wait(2)
        messages = [said(bsuid, f"{number}") for number, bsuid in enumerate(senders)]
        await stage.post(webhook_posts.envelope(webhook_posts.value(messages=messages)))
        await stage.wait(2)
    rows = await stage.rows(
        "SELECT c.bsuid FROM messages m JOIN contacts c ON c.id = m.contact_id ORDER BY m.event_id LIMIT -1 OFFSET 1"
    )
    owners = [bsuid or "DE.1" if place == 0 else bsuid or senders[place - 1] for place, bsuid in enumerate(senders)]
    assert [row["bsuid"] for row in rows] == owners
    assert await stage.rows("SELECT bsuid FROM contacts WHERE phone IS NOT NULL") == [{"bsuid": owners[-1]}]


async def test_a_customer_without_a_phone_is_answered_by_bsuid(stage: Stage) -> None:
    """Somebody who hides the phone is a contact like any other (WHATSAPP.md 3)."""
    said = webhook_posts.message(ANA, stage.clock.now(), {"type": "text", "text": {"body": "Hello."}})
    del said["from"]
    said["from_user_id"] = "US.13491208655302741918"
    async with stage.running():
        await stage.post(webhook_posts.envelope(webhook_posts.value(messages=[said])))
        await stage.wait(2)
        assert (stage.line.sent[0].phone, stage.line.sent[0].bsuid) == (None, "US.13491208655302741918")


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


async def test_old_bodies_and_keys_are_forgotten_and_dead_letters_are_not(stage: Stage) -> None:
    """Raw bodies go after seven days and dedupe keys after thirty, around whatever still waits or is dead."""
    day = 86_400_000
    async with stage.running():
        bad = {"type": "text", "text": {"body": "who?"}, "timestamp": "1", "id": "wamid.nobody"}
        await stage.post(webhook_posts.envelope(webhook_posts.value(messages=[bad])))
        for n in range(6):
            await stage.post(webhook_posts.status(f"wamid.{n}", "sent", None, stage.clock.now()))
        await stage.run("UPDATE inbox_posts SET received_at = received_at - :age", age=10 * day)
        await stage.run("UPDATE inbox_events SET received_at = received_at - :age", age=10 * day)
        assert stage.parts
        await run_sweep(stage, "inbox")
        bodies = await stage.rows("SELECT body IS NULL AS gone FROM inbox_posts ORDER BY id")
        assert [row["gone"] for row in bodies] == [0, 1, 1, 1, 1, 1, 1]
        assert len(await stage.rows("SELECT id FROM inbox_events")) == 7
        await stage.run("UPDATE inbox_posts SET received_at = received_at - :age", age=30 * day)
        await stage.run("UPDATE inbox_events SET received_at = received_at - :age", age=30 * day)
        await run_sweep(stage, "inbox")
        assert await stage.rows("SELECT state FROM inbox_events") == [{"state": "dead"}]
        assert len(await stage.rows("SELECT id FROM inbox_posts")) == 1


async def run_sweep(stage: Stage, name: str) -> None:
    """A sweep that pauses on the clock, while time passes."""
    assert stage.parts
    sweep = asyncio.ensure_future(stage.parts.sweeps[name][0]())
    while not sweep.done():
        await stage.quiet()
        await stage.clock.advance(0.1)
    await sweep


async def test_an_event_that_was_handled_is_never_a_second_message(stage: Stage) -> None:
    """A unit whose answer was lost may be tried again: the message is there once."""
    async with stage.running() as parts:
        await stage.say(ANA, "Hello.")
        found = await stage.database.read(_all_events())
        await parts.intake._write(parts.intake._sort(*found).batch)
        await stage.wait(2)
    assert await stage.rows("SELECT count(*) AS n FROM messages") == [{"n": 1}]


def _all_events() -> Unit[tuple[list[WaitingEvent], dict[int, bytes]]]:
    async def unit(transaction: Transaction) -> tuple[list[WaitingEvent], dict[int, bytes]]:
        rows = await transaction.all(
            "SELECT id, post_id, kind, pointer, phone_number_id, subject, received_at FROM inbox_events"
        )
        bodies = await transaction.all("SELECT id, body FROM inbox_posts")
        return [WaitingEvent(*row) for row in rows], {row["id"]: row["body"] for row in bodies}

    return unit

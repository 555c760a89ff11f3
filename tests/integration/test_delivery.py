"""Sent once, in order, and again only when nothing tells that it arrived."""

import asyncio
import sqlite3

import pytest

from services.delivery_rules import DeliveryOptions
from services.whatsapp.error_codes import RetryClass, classify
from services.whatsapp.errors import NotSentError, RefusedError, UnsureError
from tests.fakes import webhook_posts
from tests.integration.conftest import Stage, _nothing

ANA = "4915112345678"


def refused(code: int, http_status: int = 400) -> RefusedError:
    return RefusedError("no", code, http_status, classify(code, http_status))


async def states(stage: Stage) -> list[tuple[str, str | None]]:
    return [(row["state"], row["reason"]) for row in await stage.rows("SELECT state, reason FROM outbox ORDER BY seq")]


async def ask(stage: Stage, words: str = "Hello.") -> None:
    await stage.say(ANA, words)
    await stage.wait(1.5)


async def test_statuses_move_a_message_forward_only(stage: Stage) -> None:
    """Statuses in any order, late and twice, never take a message back."""
    async with stage.running():
        await ask(stage)
        sent = stage.line.sent[0]
        for state, expected in [
            ("delivered", "delivered"), ("sent", "delivered"), ("read", "read"), ("read", "read"), ("failed", "read"),
        ]:  # fmt: skip
            await stage.post(webhook_posts.status(sent.wamid, state, sent.attempt_id, stage.clock.now()))
            assert (await states(stage))[0][0] == expected


async def test_a_failed_status_ends_a_message_with_its_reason(stage: Stage) -> None:
    """Meta's word that it could not be delivered is kept with its code."""
    async with stage.running():
        await ask(stage)
        sent = stage.line.sent[0]
        await stage.post(webhook_posts.status(sent.wamid, "failed", sent.attempt_id, stage.clock.now(), error=131026))
        assert (await states(stage))[0][0] == "failed"
        assert "131026" in ((await states(stage))[0][1] or "")


async def test_a_status_settles_a_send_whose_answer_was_lost(stage: Stage) -> None:
    """Taken by Meta but never answered: the status tells, and nothing is sent again."""
    stage.line.faults.append(UnsureError("no answer"))
    stage.line.taken_although_failed = True
    async with stage.running():
        await ask(stage)
        assert (await states(stage))[0][0] == "unconfirmed"
        sent = stage.line.sent[0]
        await stage.post(webhook_posts.status(sent.wamid, "sent", sent.attempt_id, stage.clock.now()))
        await stage.wait(70)
        assert len(stage.line.sent) == 1
        assert (await states(stage))[0][0] == "sent"


async def test_without_a_status_it_is_sent_again_after_the_grace(stage: Stage) -> None:
    """Never taken and never answered: once the grace is over the message goes again, once."""
    stage.line.faults.append(UnsureError("no answer"))
    async with stage.running():
        await ask(stage)
        await stage.wait(57)
        assert stage.line.sent == []
        await stage.wait(5)
        assert len(stage.line.sent) == 1
        await stage.wait(70)
        assert len(stage.line.sent) == 1
    attempts = await stage.rows("SELECT n, state FROM send_attempts ORDER BY n")
    assert attempts == [{"n": 1, "state": "resent"}, {"n": 2, "state": "accepted"}]


async def test_the_grace_counts_only_while_the_door_is_open(stage: Stage) -> None:
    """While Meta cannot reach us no status can come, so that time does not count."""
    stage.line.faults.append(UnsureError("no answer"))
    async with stage.running() as parts:
        await ask(stage)
        await stage.wait(30)
        parts.door.close()
        await stage.wait(120)
        assert stage.line.sent == []
        parts.door.open()
        await stage.wait(32)
        assert len(stage.line.sent) == 1


async def test_a_restart_sets_the_grace_to_zero(stage: Stage) -> None:
    """A send that a killed process had begun waits for the whole grace after the start."""
    stage.line.faults.append(UnsureError("no answer"))
    async with stage.running():
        await ask(stage)
        await stage.wait(50)
    await stage.run("UPDATE outbox SET state = 'sending'")
    await stage.run("UPDATE send_attempts SET state = 'started'")
    async with stage.running():
        assert (await states(stage))[0][0] == "unconfirmed"
        await stage.wait(58)
        assert stage.line.sent == []
        await stage.wait(4)
        assert len(stage.line.sent) == 1


async def test_one_message_is_in_flight_per_conversation(stage: Stage) -> None:
    """While the fate of one is open, the next one waits: order is kept."""
    stage.line.faults.append(UnsureError("no answer"))
    async with stage.running():
        await ask(stage, "One.")
        await ask(stage, "Two.")
        assert [state for state, _ in await states(stage)] == ["unconfirmed", "queued"]
        await stage.wait(62)
        assert stage.line.texts == ["You said: One.", "You said: Two."]


async def test_a_definite_no_is_tried_again_or_ends_by_its_class(stage: Stage) -> None:
    """Each error class of Meta's table ends in its own defined way."""
    async with stage.running():
        for number, (code, state) in enumerate([(131026, "failed"), (131047, "held"), (131049, "held")]):
            stage.line.faults.append(refused(code))
            await stage.say(f"49150000000{number}", "Hello.")
            await stage.wait(1.5)
            assert (await states(stage))[number][0] == state
        assert stage.line.sent == []


async def test_a_busy_meta_is_asked_again_with_a_growing_pause(stage: Stage) -> None:
    """Back-off errors and a line that is down cost time, not messages, and nothing goes twice."""
    stage.line.faults.extend([refused(130429), NotSentError("no connection"), NotSentError("no connection")])
    async with stage.running():
        await ask(stage)
        await stage.wait(20)
        assert stage.line.texts == ["You said: Hello."]
    assert len(await stage.rows("SELECT id FROM send_attempts")) == 4


async def test_meta_away_for_an_hour_loses_and_doubles_nothing(stage: Stage) -> None:
    """After an hour without a line every customer gets each reply once."""
    stage.line.faults.extend(NotSentError("no connection") for _ in range(24))
    async with stage.running():
        await ask(stage)
        await stage.clock.advance(3600)
        while stage.line.faults:
            await stage.clock.advance(301)
            await stage.wait(1)
        await stage.clock.advance(301)
        await stage.wait(2)
        assert stage.line.texts == ["You said: Hello."]


async def test_a_stale_reply_is_held_not_fired(stage: Stage) -> None:
    """A reply that could not go for hours is held with its reason instead of surprising somebody at night."""
    stage.line.faults.append(NotSentError("no connection"))
    async with stage.running() as parts:
        await stage.say(ANA, "Hello.")
        await stage.wait(1.2)
        assert (await states(stage))[0][0] == "queued"
        stage.clock._seconds += 7 * 3600
        await parts.delivery.sweep()
        await stage.quiet()
        assert (await states(stage)) == [("held", "too_old")]


async def test_nothing_goes_outside_the_24_hour_window(stage: Stage) -> None:
    """The window counts from the message's own timestamp, not from its arrival."""
    options = DeliveryOptions(reply_max_age_seconds=90_000)
    stage.options = type(stage.options)(delivery=options, turns=type(stage.options.turns)(reply_max_age_seconds=90_000))
    async with stage.running():
        await stage.post(webhook_posts.text(ANA, "Late.", stage.clock.now() - 86_395_000))
        await stage.wait(3)
        assert stage.line.sent == []
        assert (await states(stage)) == [("held", "window_closed")]


async def test_an_account_problem_stops_sending_and_is_told(stage: Stage) -> None:
    """A revoked token pauses the number, tells the operator, and loses nothing; one message at a time tries again."""
    stage.line.faults.extend([refused(190, 401), refused(190, 401), refused(190, 401)])
    async with stage.running() as parts:
        await ask(stage)
        await stage.say("4915999999999", "Hi.")
        await stage.wait(2)
        assert len(stage.line.faults) == 2
        assert "190" in str(parts.delivery.problems())
        await stage.wait(62)
        assert len(stage.line.faults) == 1, "one message tries whether it works again, the other waits with it"
        await stage.wait(122)
        assert (len(stage.line.faults), stage.line.sent) == (0, []), "the pause doubles, and again one message tries"
        await stage.clock.advance(240)
        await stage.wait(32)
        assert sorted(stage.line.texts) == ["You said: Hello.", "You said: Hi."]
        assert parts.delivery.problems() == {}


async def test_the_pair_limit_slows_one_customer_only(stage: Stage) -> None:
    """131056 again and again makes one customer wait 4^X seconds; the others go on."""
    stage.line.faults.extend([refused(131056), refused(131056)])
    async with stage.running():
        await ask(stage)
        await stage.wait(1)
        await stage.say("4915999999999", "Hi.")
        await stage.wait(1.5)
        assert stage.line.texts == ["You said: Hi."]
        await stage.wait(7)
        assert stage.line.texts == ["You said: Hi.", "You said: Hello."]


async def test_a_restart_does_not_forget_what_a_customer_got(stage: Stage) -> None:
    """Forty-five messages before a restart leave none for the moment after it: the pair rate is Meta's, not ours."""
    async with stage.running():
        for n in range(45):
            await stage.say(ANA, f"Question {n}?")
            await stage.wait(1.1)
    assert len(stage.line.sent) == 45
    async with stage.running():
        for n in range(12):
            await stage.say(ANA, f"And {n}?")
            await stage.wait(1.1)
        # a minute has paid back ten of them
        assert 53 <= len(stage.line.sent) <= 56


async def test_a_status_before_the_answer_and_without_our_id_is_not_lost(stage: Stage) -> None:
    """A status that outruns the send's answer is applied as soon as the answer names its message."""
    async with stage.running():
        await stage.post(webhook_posts.status("wamid.out1", "delivered", None, stage.clock.now()))
        assert await stage.rows("SELECT state FROM inbox_events") == [{"state": "ignored"}]
        await ask(stage)
        await stage.wait(3)
        assert (await states(stage))[0][0] == "delivered"


@pytest.mark.parametrize("kind", list(RetryClass))
async def test_no_class_of_error_leaves_a_message_without_an_end(stage: Stage, kind: RetryClass) -> None:
    """Whatever Meta says, the message is in a defined state, and at most one attempt is open."""
    fault = UnsureError("5xx") if kind is RetryClass.UNSURE else RefusedError("no", None, 400, kind)
    stage.line.faults.append(fault)
    async with stage.running():
        await ask(stage)
        assert (await states(stage))[0][0] in {"queued", "unconfirmed", "held", "failed", "accepted"}
        attempts = await stage.rows("SELECT state FROM send_attempts WHERE state = 'started'")
        assert attempts == []


async def test_a_number_that_stays_refused_is_tried_ever_less_often(stage: Stage) -> None:
    """While the account is locked the pauses double, one message tries each time, and nothing is lost."""
    stage.line.faults.extend(refused(131031, 403) for _ in range(4))
    async with stage.running():
        await ask(stage)
        for minutes in (1, 2, 4):
            tries = len(stage.line.faults)
            await stage.clock.advance(60 * minutes - 20)
            await stage.quiet()
            assert len(stage.line.faults) == tries
            await stage.wait(25)
            assert len(stage.line.faults) == tries - 1
        await stage.clock.advance(480)
        await stage.wait(3)
        assert stage.line.texts == ["You said: Hello."]


async def test_a_taken_reply_is_known_to_be_taken_although_we_stop(stage: Stage) -> None:
    """Meta's 200 that comes while the process stops is on disk before it ends, also when the disk was full."""

    async def broken(_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with stage.running() as parts:
        real, stage.database.write = stage.database.write, broken  # type: ignore[method-assign, assignment]
        parts.delivery._store(_nothing)  # a result that cannot be stored now
        await stage.clock.advance(0.5)
        stage.database.write = real  # type: ignore[method-assign]
        await stage.clock.advance(2)
        await stage.quiet()
        assert not parts.delivery._results


async def test_a_machine_that_stood_still_took_nothing_in(stage: Stage) -> None:
    """A frozen minute is no minute of grace: the first sweep after it sends nothing again."""
    stage.line.faults.append(UnsureError("no answer"))
    async with stage.running() as parts:
        await ask(stage)
        stage.clock._seconds += 600
        await parts.delivery.sweep()
        await stage.quiet()
        assert stage.line.sent == []
        await stage.wait(62)
        assert len(stage.line.sent) == 1


async def test_while_the_line_is_down_the_grace_stands_still(stage: Stage) -> None:
    """Where we cannot reach Meta, Meta's statuses do not reach us: nothing is sent twice when the line is back."""
    stage.line.faults.extend([UnsureError("no answer"), *(NotSentError("no connection") for _ in range(12))])
    async with stage.running():
        await ask(stage)
        await stage.say("4915999999999", "Hi.")
        await stage.wait(100)
        assert stage.line.texts == []
        await stage.post(webhook_posts.text("4915888888888", "Hello?", stage.clock.now()))
        assert stage.parts
        before = stage.parts.door.seconds()
        await stage.wait(1)
        assert stage.parts.door.seconds() >= before


async def test_what_is_never_confirmed_is_held_in_the_end(stage: Stage) -> None:
    """A message whose fate stays open three times is held: it may have arrived three times already."""
    stage.line.faults.extend(UnsureError("no answer") for _ in range(9))
    async with stage.running():
        await ask(stage)
        for _ in range(4):
            await stage.wait(63)
        assert await states(stage) == [("held", "unconfirmed")]
        assert len(await stage.rows("SELECT id FROM send_attempts")) == 3


async def test_a_late_failure_of_an_older_attempt_changes_nothing(stage: Stage) -> None:
    """What was sent again is judged by its newest attempt."""
    stage.line.faults.append(UnsureError("no answer"))
    async with stage.running():
        await ask(stage)
        await stage.wait(63)
        old, new = [row["id"] for row in await stage.rows("SELECT id FROM send_attempts ORDER BY n")]
        await stage.post(webhook_posts.status("wamid.old", "failed", old, stage.clock.now(), error=131026))
        assert (await states(stage))[0][0] == "accepted"
        await stage.post(webhook_posts.status("wamid.out1", "delivered", new, stage.clock.now()))
        assert (await states(stage))[0][0] == "delivered"


async def test_rows_that_end_without_a_send_do_not_delay_the_others(stage: Stage) -> None:
    """A thousand stale replies are put aside at once; a fresh one behind them goes without a wait."""
    async with stage.running():
        await ask(stage)
        await stage.run(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
            " INSERT INTO contacts (id, business_id, phone, created_at)"
            " SELECT 'c' || i, (SELECT id FROM businesses), 'p' || i, 0 FROM n"
        )
        await stage.run(
            "INSERT INTO conversations (id, business_id, number_id, contact_id, last_message_at, created_at)"
            " SELECT 'v' || id, business_id, (SELECT id FROM numbers), id, 0, 0 FROM contacts WHERE id LIKE 'c%'"
        )
        await stage.run(
            "INSERT INTO outbox (id, business_id, number_id, conversation_id, contact_id, seq, type, body, due_at,"
            " created_at, updated_at) SELECT 'o' || id, business_id, (SELECT id FROM numbers), 'v' || id, id, 1,"
            " 'text', '{}', 0, 0, 0 FROM contacts WHERE id LIKE 'c%'"
        )
        await stage.say(ANA, "Fresh.")
        await stage.wait(1.5)
        assert stage.line.texts[-1] == "You said: Fresh."
    assert await stage.rows("SELECT count(*) AS n FROM outbox WHERE state = 'held'") == [{"n": 300}]


async def test_times_from_a_clock_that_was_wrong_are_corrected(stage: Stage) -> None:
    """After the clock went back a day, what was dated tomorrow is answered and sent today."""
    async with stage.running():
        await stage.say(ANA, "Hello.")
        await stage.run("UPDATE conversations SET due_at = due_at + 86400000")
        stage.parts.batcher._due.clear()  # type: ignore[union-attr]
        await stage.wait(65)
        assert stage.line.texts == ["You said: Hello."]


async def test_on_a_full_disk_a_sweep_gives_up_instead_of_spinning(stage: Stage) -> None:
    """Events that cannot be handled now do not keep a sweep for ever."""
    async with stage.running() as parts:
        await parts.inbox.keep("default", webhook_posts.text(ANA, "Hello.", stage.clock.now()))
        await stage.quiet()
        await stage.run("UPDATE inbox_events SET state = 'waiting'")

        async def broken(_: object, **__: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        real, stage.database.write = stage.database.write, broken  # type: ignore[method-assign, assignment]
        try:
            assert await asyncio.wait_for(parts.intake.caught_up(), 10) is False
        finally:
            stage.database.write = real  # type: ignore[method-assign]
        assert await asyncio.wait_for(parts.intake.caught_up(), 10) is True

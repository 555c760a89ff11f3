"""From the inbox into conversations: what is broken, strange, doubled or old, and whose message it is."""

import asyncio
import random
from typing import Any

import pytest

from database.inbox import WaitingEvent
from database.transaction import Transaction, Unit
from tests.fakes import webhook_posts
from tests.integration.conftest import Stage

ANA = "4915112345678"


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

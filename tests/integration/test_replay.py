"""A replay of customers' questions: what a held version would change, before anybody hears it."""

import asyncio
import json

import pytest

from agents.language_packs import load_language_packs
from agents.query_agent import QueryAgent
from agents.unanswered import QuestionReader
from bot.commands.own_knowledge import own_knowledge
from bot.settings import Settings
from database.businesses import ensure_default
from database.clock import SystemClock
from database.records import new_id
from services.ingestion import IngestionOptions
from services.replay import ReplayOptions, Replays
from services.version_errors import NothingHeldError
from tests.fakes.document_desk import document_desk

OLD = b"# Opening hours\n\nThe shop opens at nine in the morning.\n\n# Parking\n\nParking is free behind the house.\n"
NEW = OLD.replace(b"nine", b"eleven")
ASKED = ("When does the shop open?", "Is parking free?", "when does the shop open?")


def turn(business, *texts, intents=("question",)):
    """A turn in concierge.db that answered these messages."""

    async def unit(transaction):
        await transaction.run(
            "INSERT INTO contacts (id, business_id, phone, created_at) VALUES ('c', :business, '49', 1)"
            " ON CONFLICT DO NOTHING",
            {"business": business},
        )
        await transaction.run(
            "INSERT INTO conversations (id, business_id, number_id, contact_id, last_message_at, created_at)"
            " VALUES ('v', :business, '10001', 'c', 1, 1) ON CONFLICT DO NOTHING",
            {"business": business},
        )
        turn_id = new_id()
        await transaction.run(
            "INSERT INTO turns (id, business_id, conversation_id, contact_id, outcome, intents, language, stages,"
            " sources, started_at, finished_at) VALUES (:id, :business, 'v', 'c', 'answered', :intents, 'en', '{}',"
            " '[]', 1, 1)",
            {"id": turn_id, "business": business, "intents": json.dumps(intents)},
        )
        for text in texts:
            await transaction.run(
                "INSERT INTO messages (id, business_id, conversation_id, contact_id, seq, event_id, wamid, type, text,"
                " status, turn_id, sent_at, received_at) VALUES (:id, :business, 'v', 'c',"
                " (SELECT count(*) FROM messages), 1, :id, 'text', :text, 'answered', :turn, 1, 1)",
                {"id": new_id(), "business": business, "text": text, "turn": turn_id},
            )

    return unit


async def content(written):
    yield written


@pytest.mark.blocking_allowed
async def test_a_replay_shows_which_answers_would_change(tmp_path, chat):
    """Against the real index: the held version answers in the preview, and nobody else hears it."""
    settings = Settings.model_validate(
        {"_env_file": None, "concierge_data_dir": tmp_path / "data", "concierge_lock_wait_seconds": 0}
    )
    await chat.write(ensure_default("10001", 1))
    packs = await asyncio.to_thread(load_language_packs)
    async with own_knowledge(settings, "default", SystemClock()) as door:
        parts, business = door._knowledge, door._business_id
        await chat.write(rename(business))
        for text in ASKED:
            await chat.write(turn(business, text))
        await chat.write(turn(business, "hello", intents=("greeting",)))
        replays = Replays(
            *(chat, parts.database, parts.ingestion, parts.index),
            lambda searched: QueryAgent(searched, None, packs),
            *(QuestionReader(packs), SystemClock(), ReplayOptions()),
        )
        first = await parts.ingestion.accept(business, "shop.md", content(OLD))
        await parts.ingestion.wait_until_done([first.id])
        with pytest.raises(NothingHeldError):
            await replays.of(business, first.id, 50)
        await parts.ingestion.accept(business, "shop.md", content(NEW), hold=True)
        await parts.ingestion.wait_until_done([first.id])
        report = await replays.of(business, first.id, 50)
        now = await door.ask(ASKED[0])
        assert await replays.of(business, new_id(), 50) is None
        shorter = await replays.of(business, first.id, 1)
    assert report is not None
    assert shorter is not None
    assert len(shorter.questions) == 1
    assert (report.version, report.complete) == (2, True)
    assert [(each.question, each.changed) for each in report.questions] == [(ASKED[2], True), (ASKED[1], False)]
    opening = report.questions[0]
    assert ("nine" in opening.before.text, "eleven" in opening.after.text) == (True, True)
    assert "nine" in now["answer"]


def rename(business):
    """The business of the data directory in another concierge.db."""

    async def unit(transaction):
        await transaction.run(
            "INSERT INTO businesses (id, slug, name, created_at) VALUES (:id, 'owned', 'Owned', 1)", {"id": business}
        )

    return unit


@pytest.fixture
async def desk(chat, knowledge, clock, metrics, tmp_path):
    options = IngestionOptions(hold_share=0.5)
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "uploads", options=options) as desk:
        yield desk


def chapters(*numbers):
    """A document of as many chunks as chapters."""
    return "".join(
        f"# Chapter {number}\n\n{f'The figure of chapter {number} is {number}. ' * 25}\n\n" for number in numbers
    ).encode()


async def test_a_large_change_waits_to_be_published(desk):
    """More than the share of the setting: the old version answers until somebody has looked."""
    (first,) = await desk.ended(*await desk.upload(("book.md", chapters(*range(10)))))
    assert (first["held_version"], first["live_version"]) == (None, 1)
    (small,) = await desk.ended(*await desk.upload(("book.md", chapters(*range(9), 77))))
    assert (small["held_version"], small["live_version"]) == (None, 2)
    (large,) = await desk.ended(*await desk.upload(("book.md", chapters(*range(20, 30)))))
    assert (large["status"], large["held_version"], large["live_version"]) == ("ready", 3, 2)
    published = await desk.call("POST", f"/{first['id']}/publish")
    assert (published["held_version"], published["live_version"]) == (None, 3)


async def test_going_back_is_not_held(desk):
    """Who rolls back knows what they do."""
    (first,) = await desk.ended(*await desk.upload(("book.md", chapters(*range(10)))))
    await desk.ended(*await desk.upload(("book.md", chapters(*range(20, 30)))))
    await desk.call("POST", f"/{first['id']}/publish")
    (back,) = await desk.ended(await desk.call("POST", f"/{first['id']}/rollback", 202, json={"version": 1}))
    assert (back["held_version"], back["live_version"]) == (None, 3)


async def test_a_replay_is_asked_for_by_address(desk, chat):
    """200 with counts, 409 when nothing is held, 404 for no document, 422 for a limit that cannot be."""
    business = desk.business.id
    await chat.write(turn(business, "Which figure has chapter 25?"))
    (first,) = await desk.ended(*await desk.upload(("book.md", chapters(*range(10)))))
    assert (await desk.call("GET", f"/{first['id']}/replay", 409))["detail"].startswith("No version")
    await desk.ended(*await desk.upload(("book.md", chapters(*range(20, 30)))))
    report = await desk.call("GET", f"/{first['id']}/replay", params={"limit": "5"})
    assert {name: report[name] for name in ("version", "asked", "changed", "complete")} == {
        "version": 2,
        "asked": 1,
        "changed": 0,
        "complete": True,
    }
    assert set(report["questions"][0]) == {"question", "before", "after", "changed"}
    assert set(report["questions"][0]["before"]) == {"answered", "answer", "sources"}
    for limit in ("0", "61", "many"):
        await desk.call("GET", f"/{first['id']}/replay", 422, params={"limit": limit})
    await desk.call("GET", f"/{new_id()}/replay", 404)

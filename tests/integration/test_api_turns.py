"""Turns through the API, from real databases."""

import json
from typing import Any

import pytest

from database.records import new_id
from database.transaction import Transaction
from tests.fakes.api_desk import api_desk
from tests.integration.test_api_conversations import conversation, pages

TEXT = "Opening hours: the shop opens at 9:00 🚲 and closes at 18:00. Sundays are closed."


@pytest.fixture
async def desk(chat, knowledge, clock, metrics):
    async with api_desk(chat, clock, metrics, knowledge_database=knowledge) as desk:
        yield desk


def turn(conversation_id: str, number: int, sources: list[str]):
    """A unit that stores a turn which answered line `number` with the next one."""

    async def unit(transaction: Transaction) -> str:
        values: dict[str, Any] = {"id": new_id(), "conversation": conversation_id, "sources": json.dumps(sources)}
        await transaction.run(
            "INSERT INTO turns (id, business_id, conversation_id, contact_id, outcome, intents, topic, language, model,"
            " input_tokens, output_tokens, cost_usd, stages, sources, started_at, finished_at)"
            " SELECT :id, business_id, id, contact_id, 'answered', '[\"question\"]', 'Hours', 'en', 'gpt', 12, 3, 0.5,"
            " '{\"classify\": 0.25}', :sources, 1000, 2000 FROM conversations WHERE id = :conversation",
            values,
        )
        change = "SET status = 'answered', turn_id = :id, text = 'When do you open?'"
        lines = "WHERE conversation_id = :conversation AND seq = "
        await transaction.run(f"UPDATE messages {change} {lines}{number}", values)
        await transaction.run(f"UPDATE outbox SET turn_id = :id {lines}{number + 1}", values)
        return str(values["id"])

    return unit


def passage(business_id: str):
    """A unit that stores a document of one passage; the chunk's id."""

    async def unit(transaction: Transaction) -> str:
        row = {"document": new_id(), "version": new_id(), "chunk": new_id(), "business": business_id, "text": TEXT}
        await transaction.run(
            "INSERT INTO documents (id, business_id, filename, live_version_id, created_at, updated_at)"
            " VALUES (:document, :business, 'hours.md', :version, 1, 1)",
            row,
        )
        await transaction.run(
            "INSERT INTO versions (id, document_id, business_id, number, sha256, bytes, created_at)"
            " VALUES (:version, :document, :business, 1, '', 1, 1)",
            row,
        )
        await transaction.run(
            "INSERT INTO chunks (id, business_id, document_id, version_id, ordinal, page, text)"
            " VALUES (:chunk, :business, :document, :version, 0, 2, :text)",
            row,
        )
        return row["chunk"]

    return unit


async def test_turns_come_in_pages_newest_first(desk, chat):
    """Each once, with its messages of both sides."""
    made = await chat.write(conversation(desk.business.id, "10001", lines=6))
    stored = [await chat.write(turn(made, number, [])) for number in (1, 3, 5)]
    found = await pages(desk, f"/api/v1/conversations/{made}/turns", "turns", 2)
    turns = [each for page in found for each in page]
    assert [each["id"] for each in turns] == stored[::-1]
    newest = turns[0]
    assert [(line["direction"], line["wamid"]) for line in newest["messages"]] == [
        ("inbound", "wamid.in5"),
        ("outbound", None),
    ]
    assert (newest["outcome"], newest["intents"], newest["topic"]) == ("answered", ["question"], "Hours")
    assert (newest["model"], newest["input_tokens"], newest["cost_usd"]) == ("gpt", 12, 0.5)
    assert newest["stages"] == {"classify": 0.25}
    assert newest["started_at"] == "1970-01-01T00:00:01.000Z"


async def test_a_turn_shows_its_passages_with_the_words_of_the_question(desk, chat, knowledge):
    """Marks count code points, so an emoji before them moves nothing; what was deleted since is counted."""
    made = await chat.write(conversation(desk.business.id, "10001", lines=2))
    chunk = await knowledge.write(passage(desk.business.id))
    stored = await chat.write(turn(made, 1, [chunk, new_id()]))
    shown = await (await desk.client.get(f"/api/v1/turns/{stored}")).json()
    assert shown["passages_gone"] == 1
    (only,) = shown["passages"]
    assert (only["chunk_id"], only["filename"], only["page"], only["text"]) == (chunk, "hours.md", 2, TEXT)
    assert [TEXT[start:end] for start, end in only["marks"]] == ["Opening", "opens"]


async def test_another_businesss_passage_is_not_shown(desk, chat, knowledge):
    """A chunk's id alone opens nothing."""
    made = await chat.write(conversation(desk.business.id, "10001", lines=2))
    stored = await chat.write(turn(made, 1, [await knowledge.write(passage("another"))]))
    shown = await (await desk.client.get(f"/api/v1/turns/{stored}")).json()
    assert (shown["passages"], shown["passages_gone"]) == ([], 1)


async def test_a_turn_that_is_not_there_is_404(desk):
    """Whatever the id looks like; and so are the turns of a conversation that is not there."""
    for unknown in (new_id(), "1", "%00"):
        assert (await desk.client.get(f"/api/v1/turns/{unknown}")).status == 404
        assert (await desk.client.get(f"/api/v1/conversations/{unknown}/turns")).status == 404


async def test_a_cursor_that_is_not_ours_is_refused(desk, chat):
    """422, with the parameter named."""
    made = await chat.write(conversation(desk.business.id, "10001"))
    answer = await desk.client.get(f"/api/v1/conversations/{made}/turns", params={"cursor": "bad"})
    assert answer.status == 422


async def test_a_conversation_is_found_by_its_customer(desk, chat):
    """By phone, with or without "+"; nobody else's comes along."""
    made = [await chat.write(conversation(desk.business.id, "10001")) for _ in range(2)]
    everybody = (await pages(desk, f"{desk.path}/conversations", "conversations", 10))[0]
    phone = next(each["contact"]["phone"] for each in everybody if each["id"] == made[0])
    for contact in (phone, f"+{phone}"):
        answer = await desk.client.get(f"{desk.path}/conversations", params={"contact": contact})
        assert [each["id"] for each in (await answer.json())["conversations"]] == [made[0]]

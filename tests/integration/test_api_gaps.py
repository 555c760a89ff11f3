"""Knowledge gaps through the API: shapes, pages, answers, limits, isolation."""

import numpy as np
import pytest

from database.gaps import GapQuestion, join_gap, new_gap
from database.records import new_id
from tests.fakes.api_desk import api_desk

SHAPE = {
    "id", "question", "language", "state", "count", "with_person", "first_at", "last_at", "examples", "turn_ids",
    "document_id",
}  # fmt: skip


@pytest.fixture
async def desk(chat, clock, metrics):
    async with api_desk(chat, clock, metrics) as desk:
        await chat.write(customer(desk.business.id))
        yield desk


def customer(business):
    async def unit(transaction):
        await transaction.run(
            "INSERT INTO contacts (id, business_id, phone, created_at) VALUES ('c', :business, '49', 1)",
            {"business": business},
        )
        await transaction.run(
            "INSERT INTO conversations (id, business_id, number_id, contact_id, last_message_at, created_at)"
            " VALUES ('v', :business, '10001', 'c', 1, 1)",
            {"business": business},
        )

    return unit


def message(business, text):
    async def unit(transaction):
        message_id = new_id()
        await transaction.run(
            "INSERT INTO messages (id, business_id, conversation_id, contact_id, seq, event_id, wamid, type, text,"
            " sent_at, received_at) VALUES (:id, :business, 'v', 'c', (SELECT count(*) FROM messages), 1, :id, 'text',"
            " :text, 1, 1)",
            {"id": message_id, "business": business, "text": text},
        )
        return message_id

    return unit


async def asked(chat, business, text):
    vector = np.ones(4, "<f4").tobytes()
    message_id = await chat.write(message(business, text))
    return GapQuestion(business, "c", message_id, 0, None, "not_known", text, vector, 1000)


async def gap(desk, chat, *texts):
    first = await asked(chat, desk.business.id, texts[0])
    gap_id = await chat.write(new_gap(first, "en", "test", 1))
    for text in texts[1:]:
        more = await asked(chat, desk.business.id, text)
        await chat.write(join_gap(gap_id, more, first.vector, reopen=False))
    return gap_id


async def test_a_gap_is_shown_with_what_was_asked(desk, chat):
    """Its wordings, each once, and the time in RFC 3339."""
    gap_id = await gap(desk, chat, "Do dogs come in?", "do  dogs come in?", "Are dogs allowed?")
    shown = await (await desk.client.get(f"{desk.path}/gaps/{gap_id}")).json()
    assert set(shown) == SHAPE
    assert (shown["count"], shown["state"], shown["first_at"]) == (3, "open", "1970-01-01T00:00:01.000Z")
    assert shown["examples"] == ["Are dogs allowed?", "do  dogs come in?"]


async def test_gaps_are_listed_in_pages_by_how_often_they_were_asked(desk, chat):
    """The most asked first, each once; a state leaves the others out."""
    ids = [await gap(desk, chat, *["Again?"] * count) for count in (1, 3, 2, 2)]
    seen, cursor = [], ""
    while cursor is not None:
        page = await (await desk.client.get(f"{desk.path}/gaps", params={"limit": 2, "cursor": cursor})).json()
        seen += [(each["count"], each["id"]) for each in page["gaps"]]
        cursor = page["next_cursor"]
    assert seen == sorted(seen, reverse=True)
    assert {gap_id for _, gap_id in seen} == set(ids)
    answered = await (await desk.client.get(f"{desk.path}/gaps", params={"state": "answered"})).json()
    assert answered == {"gaps": [], "next_cursor": None}


async def test_one_call_turns_a_gap_into_knowledge(desk, chat):
    """202 with the gap and its document; the second time 409."""
    gap_id = await gap(desk, chat, "Do dogs come in?")
    address = f"{desk.path}/gaps/{gap_id}/answer"
    response = await desk.client.post(address, json={"answer": "Yes, on a lead.", "question": "May dogs come in?"})
    done = await response.json()
    assert response.status == 202
    assert (done["gap"]["state"], done["gap"]["question"]) == ("answered", "May dogs come in?")
    assert done["gap"]["document_id"] == done["document"]["id"]
    assert desk.knowledge.contents[done["document"]["id"]] == b"# May dogs come in?\n\nYes, on a lead."
    assert (await desk.client.post(address, json={"answer": "No."})).status == 409
    assert (await desk.client.delete(f"{desk.path}/gaps/{gap_id}")).status == 409
    assert len(desk.knowledge.documents) == 1


async def test_an_ignored_gap_is_among_the_ignored(desk, chat):
    """204, also the second time; an answer may still be given."""
    gap_id = await gap(desk, chat, "Do dogs come in?")
    assert [(await desk.client.delete(f"{desk.path}/gaps/{gap_id}")).status for _ in range(2)] == [204, 204]
    page = await (await desk.client.get(f"{desk.path}/gaps", params={"state": "ignored"})).json()
    assert [each["id"] for each in page["gaps"]] == [gap_id]
    assert (await desk.client.post(f"{desk.path}/gaps/{gap_id}/answer", json={"answer": "Yes."})).status == 202


async def test_no_business_sees_the_gaps_of_another(desk, chat):
    """404 for another's gap, whatever one tries with it."""

    async def other(transaction):
        await transaction.run("INSERT INTO businesses (id, slug, name, created_at) VALUES ('b2', 'other', 'Other', 1)")

    await chat.write(other)
    gap_id = await gap(desk, chat, "Do dogs come in?")
    elsewhere = "/api/v1/businesses/other/gaps"
    assert (await (await desk.client.get(elsewhere)).json())["gaps"] == []
    assert (await desk.client.get(f"{elsewhere}/{gap_id}")).status == 404
    assert (await desk.client.delete(f"{elsewhere}/{gap_id}")).status == 404
    assert (await desk.client.post(f"{elsewhere}/{gap_id}/answer", json={"answer": "Yes."})).status == 404
    assert desk.knowledge.documents == {}


@pytest.mark.parametrize(
    "body", [{}, {"answer": " "}, {"answer": "x" * 20_001}, {"answer": "a", "question": ""}, {"a": 1}]
)
async def test_an_answer_that_says_nothing_is_refused(desk, chat, body):
    """422, and the gap stays open."""
    gap_id = await gap(desk, chat, "Do dogs come in?")
    assert (await desk.client.post(f"{desk.path}/gaps/{gap_id}/answer", json=body)).status == 422
    assert (await (await desk.client.get(f"{desk.path}/gaps/{gap_id}")).json())["state"] == "open"


@pytest.mark.parametrize("query", [{"state": "lost"}, {"limit": "0"}, {"cursor": "nonsense"}])
async def test_a_list_that_cannot_be_made_is_refused(desk, query):
    """422 that names the value."""
    assert (await desk.client.get(f"{desk.path}/gaps", params=query)).status == 422

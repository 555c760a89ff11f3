"""Conversations, messages and dead letters through the API, from a real database."""

from typing import Any

import pytest

from database.contact_facts import remember_facts
from database.conversation_views import switch_mode
from database.records import Mode, new_id
from database.transaction import Transaction
from tests.fakes.api_desk import api_desk

ADDED = 1_760_000_000_000


@pytest.fixture
async def desk(chat, clock, metrics):
    async with api_desk(chat, clock, metrics) as desk:
        yield desk


def conversation(business_id: str, number: str, began: int = ADDED, lines: int = 0):
    """A unit that stores a conversation whose lines come in turn from the customer and from us."""
    ids: dict[str, Any] = {
        "id": new_id(),
        "contact": new_id(),
        "business": business_id,
        "number": number,
        "began": began,
    }

    async def unit(transaction: Transaction) -> str:
        await transaction.run(
            "INSERT INTO contacts (id, business_id, phone, name, created_at)"
            " VALUES (:contact, :business, :contact, 'Ana', :began)",
            ids,
        )
        await transaction.run(
            "INSERT INTO conversations (id, business_id, number_id, contact_id, last_message_at, created_at)"
            " VALUES (:id, :business, :number, :contact, :began, :began)",
            ids,
        )
        for seq in range(1, lines + 1):
            line: dict[str, Any] = {**ids, "line": new_id(), "seq": seq, "at": began + seq, "text": f"line {seq}"}
            await transaction.run(_INBOUND if seq % 2 else _OUTBOUND, line)
        return str(ids["id"])

    return unit


_INBOUND = (
    "INSERT INTO messages (id, business_id, conversation_id, contact_id, seq, event_id, wamid, type, text, sent_at,"
    " received_at) VALUES (:line, :business, :id, :contact, :seq, :seq, 'wamid.in' || :seq, 'text', :text, :at, :at)"
)
_OUTBOUND = (
    "INSERT INTO outbox (id, business_id, number_id, conversation_id, contact_id, seq, type, text, body, due_at,"
    " created_at, updated_at) VALUES (:line, :business, :number, :id, :contact, :seq, 'text', :text, '{}', :at, :at,"
    " :at)"
)


async def pages(desk, path: str, plural: str, limit: int) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    cursor: str | None = ""
    while cursor is not None:
        response = await desk.client.get(path, params={"limit": str(limit), "cursor": cursor})
        page = await response.json()
        found.append(page[plural])
        cursor = page["next_cursor"]
    return found


async def test_conversations_come_in_pages_newest_first(desk, chat):
    """Each once, in an order that new messages do not change; equal times are no trouble."""
    made = [await chat.write(conversation(desk.business.id, "10001", ADDED + index // 2)) for index in range(5)]
    found = await pages(desk, f"{desk.path}/conversations", "conversations", 2)
    assert [len(page) for page in found] == [2, 2, 1]
    assert [each["id"] for page in found for each in page] == made[::-1]
    assert found[0][0]["contact"]["name"] == "Ana"
    assert (found[0][0]["mode"], found[0][0]["last_message_at"]) == ("bot", "2025-10-09T08:53:20.002Z")


async def test_messages_of_both_sides_come_in_their_order(desk, chat):
    """Newest last, over all pages, with the fields that programs rely on."""
    made = await chat.write(conversation(desk.business.id, "10001", lines=5))
    found = await pages(desk, f"/api/v1/conversations/{made}/messages", "messages", 2)
    lines = [each for page in found for each in page]
    assert [len(page) for page in found] == [2, 2, 1]
    assert [(each["text"], each["direction"]) for each in lines] == [
        ("line 1", "inbound"),
        ("line 2", "outbound"),
        ("line 3", "inbound"),
        ("line 4", "outbound"),
        ("line 5", "inbound"),
    ]
    assert [each["status"] for each in lines[:2]] == ["received", "queued"]
    assert set(lines[0]) == {
        *("id", "wamid", "direction", "type", "text", "status", "reason", "sent_at", "turn_id"),
    }
    assert lines[0]["sent_at"] == "2025-10-09T08:53:20.001Z"


async def test_a_chat_is_taken_over_and_given_back(desk, chat):
    """The mode changes, with one line in the audit log for each change, none for a repeat."""
    made = await chat.write(conversation(desk.business.id, "10001"))
    modes = []
    for mode in ("person", "person", "bot"):
        response = await desk.client.patch(f"/api/v1/conversations/{made}", json={"mode": mode})
        modes.append((await response.json())["mode"])
    assert modes == ["person", "person", "bot"]
    audit = await chat.read(_audit)
    assert audit == [("api:admin", "mode_person", made), ("api:admin", "mode_bot", made)]


async def _audit(transaction: Transaction) -> list[tuple[str, ...]]:
    return [tuple(row) for row in await transaction.all("SELECT actor, action, object FROM audit_log ORDER BY id")]


@pytest.mark.parametrize("body", [{"mode": "robot"}, {"mode": None}, {}, {"mode": "bot", "x": 1}])
async def test_only_the_two_modes_are_taken(desk, chat, body):
    """422 for every other value."""
    made = await chat.write(conversation(desk.business.id, "10001"))
    assert (await desk.client.patch(f"/api/v1/conversations/{made}", json=body)).status == 422


async def test_a_conversation_that_is_not_there_is_404(desk):
    """For its messages and for its mode, whatever the id looks like."""
    for unknown in (new_id(), "1", "%00", "x" * 200):
        assert (await desk.client.get(f"/api/v1/conversations/{unknown}/messages")).status == 404
        assert (await desk.client.patch(f"/api/v1/conversations/{unknown}", json={"mode": "bot"})).status == 404


async def test_switching_a_conversation_that_is_not_there_changes_nothing(chat):
    """The unit answers None."""
    assert await chat.write(switch_mode(new_id(), Mode.PERSON, "api:admin", 1)) is None


async def test_dead_letters_are_listed_and_retried(desk, chat):
    """Pages in the order in which they came; a retry lets intake try them again, and wakes it."""
    await chat.write(_bury(5))
    found = await pages(desk, "/api/v1/dead-letters", "dead_letters", 2)
    letters = [each for page in found for each in page]
    assert [each["error"] for each in letters] == [f"reason {index}" for index in range(5)]
    some = [letters[0]["id"], letters[1]["id"], 999]
    response = await desk.client.post("/api/v1/dead-letters/retry", json={"ids": some})
    assert await response.json() == {"retried": 2}
    assert await (await desk.client.post("/api/v1/dead-letters/retry", json={})).json() == {"retried": 3}
    assert await pages(desk, "/api/v1/dead-letters", "dead_letters", 2) == [[]]
    assert desk.wakes == [True, True]


def _bury(count: int):
    async def unit(transaction: Transaction) -> None:
        for index in range(count):
            await transaction.run(
                "INSERT INTO inbox_events (post_id, kind, dedupe_key, pointer, state, error, received_at)"
                " VALUES (1, 'message', :key, '', 'dead', :error, 1)",
                {"key": f"key {index}", "error": f"reason {index}"},
            )

    return unit


@pytest.mark.parametrize("one_by_one", [True, False])
async def test_facts_are_shown_and_erased(desk, chat, *, one_by_one):
    """A business sees what a customer said of themselves, and can forget it; the erasure leaves a trace."""
    id_ = await chat.write(conversation(desk.business.id, "10001"))
    await chat.write(_facts(id_, ["I'm vegetarian", "my order number is 12"]))
    await chat.write(_summed_up(id_, "Order 12, no meat."))
    where = f"/api/v1/conversations/{id_}/facts"
    shown = await (await desk.client.get(where)).json()
    assert [each["fact"] for each in shown["facts"]] == ["I'm vegetarian", "my order number is 12"]
    assert (shown["summary"], shown["next_cursor"]) == ("Order 12, no meat.", None)
    gone = [f"{where}/{each['id']}" for each in shown["facts"]] if one_by_one else [where]
    assert [(await desk.client.delete(each)).status for each in gone] == [204] * len(gone)
    shown = await (await desk.client.get(where)).json()
    assert (shown["facts"], shown["summary"]) == ([], None)
    assert (await desk.client.delete(gone[0])).status == (404 if one_by_one else 204)


async def test_only_twenty_facts_are_kept(desk, chat):
    """The oldest are forgotten: memory of a person does not grow without end."""
    id_ = await chat.write(conversation(desk.business.id, "10001"))
    await chat.write(_facts(id_, [f"fact {number}" for number in range(25)]))
    first = await (await desk.client.get(f"/api/v1/conversations/{id_}/facts?limit=15")).json()
    second = await (await desk.client.get(f"/api/v1/conversations/{id_}/facts?cursor={first['next_cursor']}")).json()
    facts = [each["fact"] for page in (first, second) for each in page["facts"]]
    assert facts == [f"fact {number}" for number in range(5, 25)]


async def test_facts_of_nobody_are_not_found(desk):
    """An id that is not there is a 404, whatever is asked of it."""
    where = f"/api/v1/conversations/{new_id()}/facts"
    assert (await desk.client.get(where)).status == 404
    assert (await desk.client.delete(where)).status == 404
    assert (await desk.client.delete(f"{where}/{new_id()}")).status == 404


async def test_a_summary_is_forgotten_where_there_are_no_facts(desk, chat):
    """Who wants to be forgotten is, in every conversation; what was summed up is not read again."""
    id_ = await chat.write(conversation(desk.business.id, "10001"))
    await chat.write(_summed_up(id_, "They asked for lamps."))
    where = f"/api/v1/conversations/{id_}/facts"
    assert (await desk.client.delete(f"{where}/{new_id()}")).status == 404
    assert (await (await desk.client.get(where)).json())["summary"] == "They asked for lamps."
    assert (await desk.client.delete(where)).status == 204
    assert (await (await desk.client.get(where)).json())["summary"] is None
    assert await chat.read(_summary_seq(id_)) == 7


def _summed_up(conversation_id: str, summary: str):
    async def unit(transaction: Transaction) -> None:
        await transaction.run(
            "UPDATE conversations SET summary = :summary, summary_seq = 7 WHERE id = :id",
            {"summary": summary, "id": conversation_id},
        )

    return unit


def _summary_seq(conversation_id: str):
    async def unit(transaction: Transaction) -> int:
        rows = await transaction.all("SELECT summary_seq FROM conversations WHERE id = :id", {"id": conversation_id})
        return int(rows[0]["summary_seq"])

    return unit


def _facts(conversation_id: str, facts: list[str]):
    async def unit(transaction: Transaction) -> None:
        rows = await transaction.all(
            "SELECT contact_id, business_id FROM conversations WHERE id = :id", {"id": conversation_id}
        )
        contact, business = rows[0]
        turn = new_id()
        await transaction.run(
            "INSERT INTO turns (id, business_id, conversation_id, contact_id, outcome, intents, stages, sources,"
            " started_at, finished_at) VALUES (:id, :business, :conversation, :contact, 'answered', '[]', '{}', '[]',"
            " 1, 1)",
            {"id": turn, "business": business, "conversation": conversation_id, "contact": contact},
        )
        await remember_facts(transaction, facts, contact, business, turn, ADDED)

    return unit

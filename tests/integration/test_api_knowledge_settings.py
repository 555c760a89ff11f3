"""What a business sets for its knowledge, through the API: shapes, limits, isolation, the audit log."""

import pytest

from tests.fakes.api_desk import api_desk

UNSET = {"chunk_characters": None, "answer_threshold": None, "vector_weight": None, "updated_at": None}


@pytest.fixture
async def desk(chat, knowledge, clock, metrics):
    async with api_desk(chat, clock, metrics, knowledge_database=knowledge) as desk:
        yield desk


async def change(desk, body, status=200):
    response = await desk.client.patch(f"{desk.path}/knowledge-settings", json=body)
    assert response.status == status, await response.text()
    return await response.json(content_type=None)


async def shown(desk, business="default"):
    return await (await desk.client.get(f"/api/v1/businesses/{business}/knowledge-settings")).json()


async def audit(transaction):
    return [tuple(row) for row in await transaction.all("SELECT actor, action, object FROM audit_log ORDER BY id")]


async def other_business(transaction):
    await transaction.run("INSERT INTO businesses (id, slug, name, created_at) VALUES ('b2', 'other', 'Other', 1)")


async def test_nothing_is_set_at_first(desk):
    """Null means the server's default."""
    assert await shown(desk) == UNSET


async def test_a_change_names_what_changes(desk, clock):
    """What the body does not name stays; null goes back to the default; the answer is what is now."""
    await change(desk, {"chunk_characters": 400, "answer_threshold": 0.25})
    await clock.advance(60)
    changed = await change(desk, {"answer_threshold": None, "vector_weight": 1})
    assert changed == {
        "chunk_characters": 400,
        "answer_threshold": None,
        "vector_weight": 1.0,
        "updated_at": "2025-10-09T08:54:20.000Z",
    }
    assert await shown(desk) == changed


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"chunk_characters": 199}, "/chunk_characters"),
        ({"chunk_characters": 1201}, "/chunk_characters"),
        ({"chunk_characters": 400.5}, "/chunk_characters"),
        ({"chunk_characters": "400"}, "/chunk_characters"),
        ({"answer_threshold": -0.1}, "/answer_threshold"),
        ({"vector_weight": 1.1}, "/vector_weight"),
        ({"vector_weight": True}, "/vector_weight"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_values_that_cannot_be_used_are_named(desk, body, where):
    """422 with the place of what is wrong; nothing is set, not even what could be."""
    problem = await change(desk, {"answer_threshold": 0.5} | body, 422)
    assert [error["where"] for error in problem["errors"]] == [where]
    assert await shown(desk) == UNSET


async def test_a_change_is_in_the_audit_log(desk, chat):
    """Who changed which settings."""
    await change(desk, {"vector_weight": 0.5, "answer_threshold": 0.5})
    assert await chat.read(audit) == [("api:admin", "knowledge_settings_changed", "answer_threshold, vector_weight")]


async def test_each_business_has_its_own(desk, chat):
    """One's change is not another's; an unknown business is 404."""
    await chat.write(other_business)
    await change(desk, {"vector_weight": 0.5})
    assert await shown(desk, "other") == UNSET
    assert (await desk.client.get("/api/v1/businesses/nobody/knowledge-settings")).status == 404
    assert (await desk.client.patch("/api/v1/businesses/nobody/knowledge-settings", json={})).status == 404

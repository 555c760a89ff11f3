"""Topics through the API: shapes, limits, isolation, the audit log, and trying them out."""

import pytest

from database.records import new_id
from tests.fakes.api_desk import api_desk

RETURNS = {
    "name": "Returns",
    "examples": ["I want to send this back", "can I return my order", "how do I get a refund"],
    "action": "route",
    "reply": "Please use **shop.example/returns**.",
}
HOURS = {"name": "Hours", "examples": ["when do you open", "are you open on sunday", "what time do you close"]}


@pytest.fixture
async def desk(chat, clock, metrics):
    async with api_desk(chat, clock, metrics) as desk:
        yield desk


async def add(desk, topic=RETURNS, status=201):
    response = await desk.client.post(f"{desk.path}/topics", json=topic)
    assert response.status == status, await response.text()
    return await response.json(content_type=None)


async def audit(transaction):
    return [tuple(row) for row in await transaction.all("SELECT actor, action, object FROM audit_log ORDER BY id")]


async def other_business(transaction):
    await transaction.run("INSERT INTO businesses (id, slug, name, created_at) VALUES ('b2', 'other', 'Other', 1)")


async def test_a_topic_lives_as_it_was_named(desk):
    """What was created is shown, changed and deleted, then it is gone."""
    made = await add(desk)
    assert set(made) == {"id", "name", "examples", "action", "reply", "created_at", "updated_at"}
    assert {name: made[name] for name in RETURNS} == RETURNS
    address = f"{desk.path}/topics/{made['id']}"
    assert await (await desk.client.get(address)).json() == made
    changed = await (await desk.client.put(address, json=HOURS)).json()
    assert (changed["id"], changed["name"], changed["action"], changed["reply"]) == (
        made["id"],
        "Hours",
        "answer",
        None,
    )
    assert changed["created_at"] == made["created_at"]
    assert (await desk.client.delete(address)).status == 204
    assert (await desk.client.get(address)).status == 404
    assert (await desk.client.delete(address)).status == 404


async def test_topics_are_listed_in_pages(desk):
    """The oldest first, each once, over pages."""
    names = [f"Topic {number}" for number in range(5)]
    for name in names:
        await add(desk, HOURS | {"name": name})
    seen, cursor = [], ""
    while cursor is not None:
        page = await (await desk.client.get(f"{desk.path}/topics", params={"limit": 2, "cursor": cursor})).json()
        seen += [topic["name"] for topic in page["topics"]]
        cursor = page["next_cursor"]
    assert seen == names


async def test_what_was_done_is_in_the_audit_log(desk, chat):
    """Who created, changed and deleted which topic."""
    made = await add(desk)
    await desk.client.put(f"{desk.path}/topics/{made['id']}", json=HOURS)
    await desk.client.delete(f"{desk.path}/topics/{made['id']}")
    actions = ("topic_created", "topic_changed", "topic_deleted")
    assert await chat.read(audit) == [("api:admin", action, made["id"]) for action in actions]


async def test_a_name_is_given_once(desk):
    """409 for a second topic of the same name, however it is written; the topic itself may keep its own."""
    made = await add(desk)
    problem = await add(desk, HOURS | {"name": "  RETURNS "}, 409)
    assert problem["errors"] == [{"where": "/name", "detail": "is the name of another topic of this business"}]
    hours = await add(desk, HOURS)
    path = f"{desk.path}/topics"
    assert (await desk.client.put(f"{path}/{hours['id']}", json=RETURNS)).status == 409
    assert (await desk.client.put(f"{path}/{made['id']}", json=RETURNS | {"name": "returns"})).status == 200


async def test_no_business_sees_the_topics_of_another(desk, chat):
    """404 for another's topic, whatever one tries with it; the same name may be used by both."""
    await chat.write(other_business)
    made = await add(desk)
    elsewhere = f"/api/v1/businesses/other/topics/{made['id']}"
    assert (await desk.client.get(elsewhere)).status == 404
    assert (await desk.client.put(elsewhere, json=HOURS)).status == 404
    assert (await desk.client.delete(elsewhere)).status == 404
    assert (await (await desk.client.get("/api/v1/businesses/other/topics")).json())["topics"] == []
    assert (await desk.client.post("/api/v1/businesses/other/topics", json=RETURNS)).status == 201
    assert (await desk.client.get(f"{desk.path}/topics/{made['id']}")).status == 200


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": " "}, "/name"),
        ({"name": "x" * 81}, "/name"),
        ({"name": None}, "/name"),
        ({"examples": []}, "/examples"),
        ({"examples": ["x"] * 201}, "/examples"),
        ({"examples": ["x", "y" * 501]}, "/examples/1"),
        ({"examples": [""]}, "/examples/0"),
        ({"examples": ["\ud83d"]}, "/examples/0"),
        ({"examples": "when do you open"}, "/examples"),
        ({"action": "explode"}, "/action"),
        ({"action": "route", "reply": None}, "/reply"),
        ({"action": "answer"}, "/reply"),
        ({"reply": "x" * 4097}, "/reply"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_values_that_cannot_be_used_are_named(desk, change, where):
    """422 with the place of what is wrong; nothing is written."""
    problem = await add(desk, RETURNS | change, 422)
    assert where in [error["where"] for error in problem["errors"]]
    assert (await (await desk.client.get(f"{desk.path}/topics")).json())["topics"] == []


async def test_all_examples_together_are_bounded(desk):
    """5,000 examples a business: 422 for one more, also when a topic grows."""
    for number in range(25):
        await add(desk, {"name": f"T{number}", "examples": [f"message {number} {each}" for each in range(200)]})
    problem = await add(desk, HOURS, 422)
    assert problem["errors"][0]["where"] == "/examples"


async def test_examples_in_any_script_fit_into_a_body(desk):
    """The longest topic that the limits allow is no body that is too large."""
    examples = [f"{number} ".ljust(500, "ก") for number in range(200)]
    assert len((await add(desk, {"name": "ไทย", "examples": examples}))["examples"]) == 200


async def test_an_owner_can_try_topics_out(desk):
    """A text about a topic gets its name, another none; a change holds at once."""
    returns, _ = await add(desk), await add(desk, HOURS)
    path = f"{desk.path}/topics/try"
    guess = await (await desk.client.post(path, json={"text": "could I return this order please?"})).json()
    assert guess["topic"] == "Returns"
    assert guess["score"] >= 0.5
    other = await (await desk.client.post(path, json={"text": "who won the football match in brazil"})).json()
    assert other["topic"] is None
    assert other["score"] < 0.5
    await desk.client.delete(f"{desk.path}/topics/{returns['id']}")
    gone = await (await desk.client.post(path, json={"text": "could I return this order please?"})).json()
    assert gone["topic"] is None


async def test_trying_without_topics_finds_none(desk):
    """No topics, no topic."""
    guess = await (await desk.client.post(f"{desk.path}/topics/try", json={"text": "hello"})).json()
    assert guess == {"topic": None, "score": 0.0}


async def test_an_address_that_is_no_id_is_not_found(desk):
    """404 before the database is asked."""
    assert (await desk.client.get(f"{desk.path}/topics/{new_id()}")).status == 404
    assert (await desk.client.get(f"{desk.path}/topics/none")).status == 404
    assert (await desk.client.put(f"{desk.path}/topics/{new_id()}", json=HOURS)).status == 404

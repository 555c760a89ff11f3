"""openapi.json describes what is served: every route, no more, with schemas that resolve."""

import json
import re

import pytest

from bot.app import Outside, create_app
from bot.settings import Settings
from tests.fakes.api_desk import api_desk


@pytest.fixture
async def desk(chat, clock, metrics):
    async with api_desk(chat, clock, metrics) as desk:
        yield desk


@pytest.fixture
async def description(desk):
    return await (await desk.client.get("/api/v1/openapi.json")).json()


async def test_every_route_is_described_and_nothing_else(description):
    """The description cannot drift from what the server serves."""
    app = create_app(Settings(), Outside.real())
    served = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    described = {(method.upper(), path) for path, item in description["paths"].items() for method in item}
    assert described == served


async def test_only_health_and_webhooks_want_no_token(description):
    """`security: []` stands on those, and on no other."""
    opened = {
        path
        for path, item in description["paths"].items()
        for operation in item.values()
        if operation.get("security") == []
    }
    assert opened == {"/health/live", "/health/ready", "/webhooks/whatsapp", "/webhooks/whatsapp/{app}"}


async def test_references_and_names_are_sound(description):
    """Every $ref leads to a schema, every operation has a name of its own, every path parameter is declared."""
    schemas = description["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description)))
    assert references <= set(schemas)
    operations = [operation for item in description["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for path, item in description["paths"].items():
        for operation in item.values():
            declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path))


async def test_every_refusal_of_the_api_is_described_as_a_problem(description):
    """401 and 429 stand on each route that wants a token, as application/problem+json."""
    for path, item in description["paths"].items():
        for operation in item.values():
            if path.startswith("/api/"):
                assert {"401", "429"} <= set(operation["responses"])
                assert "application/problem+json" in operation["responses"]["401"]["content"]

"""Many uploads of several businesses at once, through the front door, while a customer chats."""

import asyncio
import json
import sqlite3

import aiohttp
import pytest

from tests.e2e.stage import BUSINESS, running_stage

pytestmark = pytest.mark.blocking_allowed  # the tests wait for processes

BAKERY = "/api/v1/businesses/bakery"
CUSTOMER = "491511234567"


def document(business: str, number: int) -> tuple[str, bytes]:
    text = "".join(
        f"## Item {number}-{n}\n\nThe {business} sells item {number}-{n} for {n} euros.\n\n" for n in range(20)
    )
    return f"{business}-{number}.md", f"# Price list {number}\n\n{text}".encode()


async def send(session: aiohttp.ClientSession, path: str, files: list[tuple[str, bytes]]) -> list[str]:
    form = aiohttp.FormData(quote_fields=False)
    for name, content in files:
        form.add_field("files", content, filename=name, content_type="application/octet-stream")
    async with session.post(f"{path}/documents", data=form) as answer:
        assert answer.status == 202, await answer.text()
        return [each["id"] for each in (await answer.json())["documents"]]


async def ends(response: aiohttp.ClientResponse, wanted: int) -> dict[str, str]:
    """How each document ended, by the events of its business."""
    found: dict[str, str] = {}
    async for line in response.content:
        if line.startswith(b"data: "):
            told = json.loads(line[6:])
            if told["status"] in {"ready", "failed"}:
                found[told["id"]] = told["status"]
        if len(found) == wanted:
            return found
    raise AssertionError("the stream broke off")


async def test_forty_uploads_of_two_businesses_beside_a_chat(tmp_path):
    """Four requests at once: every document ends ready, told by events, and the customer is answered meanwhile."""
    async with running_stage(tmp_path) as stage:
        connection = sqlite3.connect(stage.server.directory / "concierge.db", timeout=30)
        connection.execute("INSERT INTO businesses (id, slug, name, created_at) VALUES ('b2', 'bakery', 'Bakery', 1)")
        connection.commit()
        connection.close()
        await stage.upload([("hours.md", b"# Opening hours\n\nOn Saturdays the shop is open from ten to four.\n")])
        async with (
            asyncio.timeout(120),
            stage.session.get(f"{BUSINESS}/documents/events") as shop_events,
            stage.session.get(f"{BAKERY}/documents/events") as bakery_events,
        ):
            uploads = [
                send(stage.session, path, [document(name, number) for number in range(start, start + 10)])
                for path, name in ((BUSINESS, "shop"), (BAKERY, "bakery"))
                for start in (0, 10)
            ]
            ids, shop, bakery, replies = await asyncio.gather(
                asyncio.gather(*uploads), ends(shop_events, 20), ends(bakery_events, 20), chat(stage)
            )
        assert set(ids[0] + ids[1]) == set(shop)
        assert set(ids[2] + ids[3]) == set(bakery)
        assert {*shop.values(), *bakery.values()} == {"ready"}
        assert all("ten to four" in reply for reply in replies)
        _, found = await stage.call("POST", f"{BAKERY}/search", {"query": "item 7-3 euros", "limit": 5})
        assert {each["filename"].split("-")[0] for each in found["passages"]} == {"bakery"}


async def chat(stage) -> list[str]:
    return [await stage.ask(CUSTOMER, "When is the shop open on Saturdays?") for _ in range(3)]

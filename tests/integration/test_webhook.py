"""The door for Meta, on a real socket: signed in, on disk, answered."""

import asyncio
import io
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.webhook import DEFAULT_APP, MAX_BODY_BYTES, WEBHOOK, Webhook, install_webhook
from database.transaction import Transaction
from tests.fakes import webhook_posts
from tests.integration.conftest import Stage
from tests.shared import shared

VERIFY = "my verify token"


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[aiohttp.ClientSession]:
    """A session to a listening webhook, with two app secrets as while one is rotated."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(stage.running())
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        install_webhook(app)
        secrets = {DEFAULT_APP: ("a newer secret", webhook_posts.SECRET)}
        app[WEBHOOK] = Webhook(parts.inbox, secrets, VERIFY, stage.metrics)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield await stack.enter_async_context(aiohttp.ClientSession(f"http://{host}:{port}"))


async def post(door: aiohttp.ClientSession, body: bytes, header: str | None = None, app: str = "") -> int:
    signature = webhook_posts.signature(body) if header is None else header
    headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"}
    async with door.post(f"/webhooks/whatsapp{app}", data=io.BytesIO(body), headers=headers) as answer:
        return answer.status


async def test_the_handshake_echoes_the_challenge(door: aiohttp.ClientSession) -> None:
    """The right token gets the bare challenge as text; everything else 403 (WHATSAPP.md 1.1)."""
    right = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": VERIFY}
    async with door.get("/webhooks/whatsapp", params=right) as answer:
        assert (answer.status, await answer.text(), answer.content_type) == (200, "1158201444", "text/plain")
    for wrong in ({"hub.verify_token": "guess"}, {"hub.mode": "unsubscribe"}, {"hub.verify_token": "ü"}):
        async with door.get("/webhooks/whatsapp", params={**right, **wrong}) as answer:
            assert answer.status == 403


async def test_only_the_signed_come_in(door: aiohttp.ClientSession, stage: Stage) -> None:
    """A wrong, missing or broken signature is 401, and nothing of it is kept."""
    body = webhook_posts.text("4915100000000", "Hello.", stage.clock.now())
    other = webhook_posts.signature(body, "another secret")
    for header in ("", "sha256=", "sha256=zz", other, webhook_posts.signature(body + b" "), "sha1=00"):
        assert await post(door, body, header) == 401
    assert await post(door, body, app="/unknown") == 401
    assert await stage.rows("SELECT id FROM inbox_posts") == []
    assert await post(door, body, webhook_posts.signature(body, "a newer secret")) == 200
    assert await post(door, body, app="/default") == 200


async def test_what_is_too_large_is_refused(door: aiohttp.ClientSession, stage: Stage) -> None:
    """More than 3 MB is 413; exactly as much as Meta may send is taken."""
    assert await post(door, b"x" * (MAX_BODY_BYTES + 1)) == 413
    assert await post(door, b"x" * MAX_BODY_BYTES) == 200
    assert len(await stage.rows("SELECT id FROM inbox_posts")) == 1


@pytest.mark.parametrize("body", [b"", b"null", b'{"entry": 5}', b"[" * 1_000_000, b"\xff\xfe", b'"\\ud83d"'])
async def test_nonsense_with_a_good_signature_is_kept(door: aiohttp.ClientSession, stage: Stage, body: bytes) -> None:
    """Signed but not an envelope: 200, so that Meta does not send it for a week, and kept raw."""
    assert await post(door, body) == 200
    rows = await stage.rows("SELECT body, error FROM inbox_posts")
    assert rows[0]["body"] == body
    assert rows[0]["error"]


async def test_without_room_meta_is_told_to_come_again(
    door: aiohttp.ClientSession, stage: Stage, tmp_path: Path
) -> None:
    """A full disk is 503 and not a lie; once there is room the same event is taken."""

    async def limit(transaction: Transaction) -> None:
        pages = await transaction.one("PRAGMA page_count")
        await transaction.all(f"PRAGMA max_page_count = {pages[0] + 1 if pages else 0}")

    async def unlimit(transaction: Transaction) -> None:
        await transaction.all("PRAGMA max_page_count = 1000000")

    body = webhook_posts.text("4915100000000", "x" * 200_000, stage.clock.now())
    await stage.database.write(limit)
    assert await post(door, body) == 503
    assert stage.parts
    before = stage.parts.door.seconds()
    await stage.clock.advance(5)
    assert stage.parts.door.seconds() == before, "the grace must not run while statuses cannot come in"
    await stage.database.write(unlimit)
    assert await post(door, body) == 200
    assert len(await stage.rows("SELECT id FROM messages")) <= 1


async def test_concurrent_repeats_are_all_answered_and_kept_once(door: aiohttp.ClientSession, stage: Stage) -> None:
    """Forty copies at once are forty times 200 and one message."""
    body = webhook_posts.text("4915100000000", "Hello.", stage.clock.now())
    answers = await asyncio.gather(*(post(door, body) for _ in range(40)))
    assert set(answers) == {200}
    await stage.quiet()
    assert len(await stage.rows("SELECT id FROM messages")) == 1


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every webhook among the shared payloads, by name."""
    for path in sorted(shared("payloads").rglob("*.json")):
        yield from _webhooks(path.name, json.loads(path.read_text("utf-8")))


def _webhooks(name: str, found: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(found, dict):
        if "entry" in found:
            yield name, found
            return
        for key, part in found.items():
            yield from _webhooks(f"{name}/{key}", part)
    if isinstance(found, list):
        for part in found:
            yield from _webhooks(name, part)


async def test_every_known_webhook_is_taken_and_ends(door: aiohttp.ClientSession, stage: Stage) -> None:
    """Each webhook of three other projects and of Meta, signed: 200, and every event of it has a defined end."""
    webhooks = list(bodies())
    assert len(webhooks) >= 40
    random.Random(5).shuffle(webhooks)
    numbers = {
        change["value"]["metadata"]["phone_number_id"]
        for _, webhook in webhooks
        for entry in webhook["entry"]
        for change in entry.get("changes", [])
        if isinstance(change.get("value"), dict) and "phone_number_id" in change["value"].get("metadata", {})
    }
    assert stage.parts
    business = (await stage.rows("SELECT id FROM businesses"))[0]["id"]
    app = (await stage.rows("SELECT id FROM apps"))[0]["id"]
    for number in numbers:
        stage.parts.intake._numbers[number] = business
        await stage.run(
            "INSERT INTO numbers VALUES (:number, :business, :app, NULL, 0) ON CONFLICT DO NOTHING",
            number=number, business=business, app=app,
        )  # fmt: skip
    for name, webhook in webhooks:
        assert await post(door, json.dumps(webhook).encode()) == 200, name
    await stage.wait(10)
    assert await stage.rows("SELECT id FROM inbox_events WHERE state = 'waiting'") == []
    assert await stage.rows("SELECT id FROM messages WHERE status = 'received'") == []
    kinds = {row["type"] for row in await stage.rows("SELECT DISTINCT type FROM messages")}
    assert {"text", "image", "interactive", "button"} <= kinds
    dead = await stage.rows("SELECT kind, error FROM inbox_events WHERE state = 'dead'")
    assert len(dead) <= 3, dead

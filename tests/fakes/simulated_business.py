"""A simulator with a webhook behind it, and a session that sends as a business does."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from tests.fakes.fake_clock import FakeClock
from tests.fakes.webhook_door import WebhookDoor

MARIA = "12025550101"
HIDDEN = "US.13491208655302741918"
TOKEN = {"Authorization": "Bearer token"}


class Business:
    """A simulator with a webhook behind it, and a session that sends as a business does."""

    def __init__(self, simulator: Simulator, door: WebhookDoor, clock: FakeClock, session: Any) -> None:
        self.simulator, self.door, self.clock, self.session = simulator, door, clock, session

    async def post(self, message: dict[str, Any], headers: dict[str, str] = TOKEN, number: str = "777") -> Any:
        """The HTTP status and the JSON answer."""
        url = f"{self.simulator.url}/v26.0/{number}/messages"
        async with self.session.post(url, json={"messaging_product": "whatsapp"} | message, headers=headers) as answer:
            return answer.status, await answer.json()

    async def send(self, text: str = "Hello", **more: Any) -> Any:
        return await self.post({"to": f"+{MARIA}", "type": "text", "text": {"body": text}} | more)

    async def error_code(self, message: dict[str, Any], **more: Any) -> int:
        status, answer = await self.post(message, **more)
        assert status >= 400
        assert answer["error"]["fbtrace_id"]
        return int(answer["error"]["code"])


@asynccontextmanager
async def business(**settings: Any) -> AsyncIterator[Business]:
    clock = FakeClock()
    async with WebhookDoor.open("secret") as door, aiohttp.ClientSession() as session:
        asked = SimulatorSettings("secret", "token", "777", door.url, **settings)
        async with Simulator.running(clock, random.Random(7), asked) as simulator:
            yield Business(simulator, door, clock, session)


def reply(to: str = f"+{MARIA}", text: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"to": to, "type": "text", "text": {"body": text}} | more

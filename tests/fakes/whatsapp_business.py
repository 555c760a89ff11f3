"""A simulated WhatsApp with a webhook behind it, and a session that sends as a business does."""

import io
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
NUMBER = "777"
ACCOUNT = "102290129340398"
TOKEN = {"Authorization": "Bearer token"}


class Business:
    """Calls the Graph API with its token; `door` holds what came by webhook."""

    def __init__(
        self, simulator: Simulator, door: WebhookDoor, clock: FakeClock, session: aiohttp.ClientSession
    ) -> None:
        self.simulator, self.door, self.clock, self.session = simulator, door, clock, session

    async def ask(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """The HTTP status and the JSON answer of a call; `body` is aiohttp's `json` or `data`."""
        url = path if path.startswith("http") else f"{self.simulator.url}/v26.0/{path}"
        async with self.session.request(method, url, headers=TOKEN, **body) as answer:
            return answer.status, await answer.json()

    async def send(self, kind: str, content: Any, **more: Any) -> tuple[int, Any]:
        """Send a message to Maria, or to `to` or `recipient`."""
        to = {} if "recipient" in more else {"to": f"+{MARIA}"}
        message = {"messaging_product": "whatsapp", "type": kind, kind: content} | to | more
        return await self.ask("POST", f"{NUMBER}/messages", json=message)

    async def text(self, text: str = "Hello", **more: Any) -> tuple[int, Any]:
        """Send a text."""
        return await self.send("text", {"body": text}, **more)

    async def upload(self, content: bytes, mime_type: str, filename: str = "file") -> tuple[int, Any]:
        """Upload a file."""
        form = aiohttp.FormData({"messaging_product": "whatsapp", "type": mime_type})
        form.add_field("file", io.BytesIO(content), filename=filename, content_type=mime_type)
        return await self.ask("POST", f"{NUMBER}/media", data=form)

    def statuses(self) -> list[str]:
        """What became of the messages, as the webhook heard it."""
        return [status["status"] for status in self.door.items("statuses")]


def code(answered: tuple[int, Any]) -> int:
    """The error's code, 0 when there is none."""
    status, answer = answered
    return 0 if status == 200 else int(answer["error"]["code"])


@asynccontextmanager
async def open_business(**settings: Any) -> AsyncIterator[Business]:
    """Simulator, webhook and session, on a clock that stands still."""
    clock = FakeClock()
    async with WebhookDoor.open("secret") as door, aiohttp.ClientSession() as session:
        asked = SimulatorSettings("secret", "token", NUMBER, door.url, **settings)
        async with Simulator.running(clock, random.Random(7), asked) as simulator:
            yield Business(simulator, door, clock, session)

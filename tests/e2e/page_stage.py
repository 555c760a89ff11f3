"""The simulator's page in a real browser, with a simulator behind it and a business that can send."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from playwright.async_api import Browser, Locator, Page, expect

from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import SystemClock
from tests.fakes.knowledge_server import KnowledgeServer
from tests.fakes.webhook_door import WebhookDoor

MARIA = "12025550101"
SAM = "US.13491208655302741918"
WIDE = {"width": 1200, "height": 860}
WIDEST = {"width": 1600, "height": 900}
PHONE = {"width": 360, "height": 740}


class PageStage:
    """`page` is open; `complaints` are what its console says, errors and all."""

    def __init__(
        self, simulator: Simulator, server: KnowledgeServer, door: WebhookDoor, session: Any, page: Page
    ) -> None:
        self.simulator, self.server, self.door, self.session, self.page = simulator, server, door, session, page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def front(self) -> Locator:
        """The phone that was touched last."""
        return self.page.locator(".slot.front")

    async def post(self, message: dict[str, Any]) -> None:
        """Send as the business."""
        body = {"messaging_product": "whatsapp"} | message
        url = f"{self.simulator.url}/v26.0/777/messages"
        async with self.session.post(url, json=body, headers={"Authorization": "Bearer token"}) as answer:
            assert answer.status == 200, await answer.text()

    async def reply(self, text: str) -> None:
        """Write to Maria as the business."""
        await self.post({"to": f"+{MARIA}", "type": "text", "text": {"body": text}})

    async def type(self, text: str) -> None:
        """Type into the phone in front, and press Enter."""
        await self.front.get_by_label("Message", exact=True).fill(text)
        await self.page.keyboard.press("Enter")

    async def say(self, text: str) -> None:
        """The same, and wait until the simulator has it: it refuses a business that nobody wrote to."""
        await self.type(text)
        await expect(self.front.locator(".row.mine[data-wamid]").last).to_contain_text(text)


@asynccontextmanager
async def page_stage(chromium: Browser, viewport: dict[str, int], scheme: Any = "light") -> AsyncIterator[PageStage]:
    """A page of its own, with Maria and Sam; at the end its console must have said nothing."""
    async with (
        WebhookDoor.open("secret") as door,
        KnowledgeServer.open("admin") as server,
        aiohttp.ClientSession() as session,
    ):
        settings = SimulatorSettings(
            app_secret="secret",
            access_token="token",
            phone_number_id="777",
            webhook_url=door.url,
            business_name="Harbour Cycles",
            server_url=server.url,
            admin_token="admin",
            suggestions=("When are you open?",),
        )
        async with Simulator.running(SystemClock(), random.Random(3), settings) as simulator:
            simulator.add_customer(MARIA, name="Maria")
            simulator.add_customer(SAM, name="Sam", username="sam")
            context = await chromium.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
            shown = PageStage(simulator, server, door, session, await context.new_page())
            await shown.page.goto(simulator.url)
            await expect(shown.front.get_by_role("status")).to_have_text("online")
            yield shown
            assert shown.complaints == []
            await context.close()

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from playwright.async_api import Page, expect

from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import SystemClock
from tests.e2e.browser import browser
from tests.fakes.knowledge_server import KnowledgeServer
from tests.fakes.webhook_door import WebhookDoor

MARIA = "12025550101"
SAM = "US.13491208655302741918"
WIDE = {"width": 1200, "height": 860}
PHONE = {"width": 390, "height": 844}
FORMATTED = (
    "*bold* _italic_ ~gone~ `code` 3*4*5 snake_case_name\n- one\n- two\n```mono  space```\n<img src=x onerror=alert(1)>"
)
BUTTONS = [{"type": "reply", "reply": {"id": name, "title": name.title()}} for name in ("yes", "no")]


class Stage:
    """The page in a browser, a simulator behind it, and a business that can send."""

    def __init__(self, simulator: Simulator, server: KnowledgeServer, session: Any, page: Page) -> None:
        self.simulator, self.server, self.session, self.page = simulator, server, session, page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def post(self, message: dict[str, Any]) -> None:
        body = {"messaging_product": "whatsapp"} | message
        url = f"{self.simulator.url}/v26.0/777/messages"
        async with self.session.post(url, json=body, headers={"Authorization": "Bearer token"}) as answer:
            assert answer.status == 200

    async def reply(self, text: str) -> None:
        await self.post({"to": f"+{MARIA}", "type": "text", "text": {"body": text}})

    async def say(self, text: str) -> None:
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.keyboard.press("Enter")


@asynccontextmanager
async def stage(viewport: dict[str, int], scheme: Any = "light") -> AsyncIterator[Stage]:
    async with (
        WebhookDoor.open("secret") as door,
        KnowledgeServer.open("admin") as server,
        aiohttp.ClientSession() as session,
        browser() as chromium,
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
            page = await chromium.new_page(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
            shown = Stage(simulator, server, session, page)
            await page.goto(simulator.url)
            await expect(page.get_by_text("online")).to_be_visible()
            yield shown
            assert shown.complaints == []
            await page.close()


async def test_a_chat_looks_like_whatsapp():
    """A message typed with the keyboard gets its ticks, "typing…" shows, and the reply comes with its formatting."""
    async with stage(WIDE) as shown:
        page = shown.page
        await shown.say("When do you open?")
        mine = page.locator(".row.mine")
        await expect(mine.get_by_label("Delivered")).to_be_visible()
        wamid = shown.simulator.conversation(MARIA)[0].wamid
        await shown.post({"status": "read", "message_id": wamid, "typing_indicator": {"type": "text"}})
        await expect(mine.get_by_label("Read")).to_be_visible()
        await expect(page.get_by_role("status")).to_have_text("typing…")
        await shown.reply(FORMATTED)
        await expect(page.get_by_role("status")).to_have_text("online")
        theirs = page.locator(".row.theirs .text")
        for tag, text in (
            ("strong", "bold"),
            ("em", "italic"),
            ("s", "gone"),
            ("code", "code"),
            ("pre", "mono  space"),
        ):
            await expect(theirs.locator(tag)).to_have_text(text)
        await expect(theirs.locator("li")).to_have_text(["one", "two"])
        await expect(theirs).to_contain_text("3*4*5 snake_case_name")
        await expect(theirs).to_contain_text("<img src=x onerror=alert(1)>")
        assert await theirs.locator("img").count() == 0


async def test_suggestions_and_buttons_are_pressed():
    """A suggested question is sent with one press, and so is a reply button, which quotes its question."""
    async with stage(WIDE) as shown:
        page = shown.page
        await page.get_by_role("button", name="When are you open?").click()
        await expect(page.locator(".row.mine")).to_have_count(1)
        await expect(page.locator("#suggestions")).to_be_hidden()
        card = {"type": "button", "body": {"text": "Book it?"}, "action": {"buttons": BUTTONS}}
        await shown.post({"to": f"+{MARIA}", "type": "interactive", "interactive": card})
        await page.get_by_role("button", name="Yes").click()
        await expect(page.locator(".row.mine").last).to_contain_text("Book it?")
        await expect(page.locator(".row.mine").last).to_contain_text("Yes")


async def test_customers_keep_apart():
    """Another customer is added and chosen; what others get counts as unread and shows in their chat only."""
    async with stage(WIDE) as shown:
        page = shown.page
        await shown.say("From Maria")
        await expect(page.locator(".row.mine")).to_have_count(1)
        await page.get_by_role("button", name="+ Add customer").click()
        await page.get_by_label("Name", exact=True).fill("Kim")
        await page.get_by_label("Hides the phone number").check()
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.locator("#whose")).to_have_text("as Kim")
        await expect(page.locator(".row")).to_have_count(0)
        await shown.reply("For Maria")
        maria = page.get_by_role("button", name="Maria")
        await expect(maria.locator(".badge")).to_have_text("1")
        await maria.click()
        await expect(page.locator(".row.theirs")).to_contain_text("For Maria")
        await expect(maria.locator(".badge")).to_have_count(0)
        kim = next(person for person in shown.simulator.customers if person.name == "Kim")
        assert kim.phone is None


async def test_files_join_the_knowledge():
    """A picked file is uploaded with the token that the page never sees, and followed until it is ready or failed."""
    async with stage(WIDE) as shown:
        page = shown.page
        files: list[Any] = [
            {"name": "menu.md", "mimeType": "text/markdown", "buffer": b"# Menu"},
            {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"},
        ]
        await page.get_by_label("Files for the knowledge").set_input_files(files)
        await expect(page.locator(".document", has_text="menu.md")).to_contain_text("Ready · 7 passages")
        await expect(page.locator(".document", has_text="broken.pdf")).to_contain_text("encrypted")
        await expect(page.get_by_role("log")).to_contain_text("menu.md is ready")
        assert shown.server.contents["menu.md"] == b"# Menu"
        assert "admin" not in await page.content()


async def test_a_dropped_file_joins_the_knowledge():
    """Dropping a file anywhere on the page uploads it."""
    async with stage(WIDE) as shown:
        drop = """() => {
            const carried = new DataTransfer();
            carried.items.add(new File(["# Hours"], "hours.md"));
            const how = { dataTransfer: carried, bubbles: true, cancelable: true };
            for (const kind of ["dragenter", "dragover", "drop"])
                document.body.dispatchEvent(new DragEvent(kind, how));
        }"""
        await shown.page.evaluate(drop)
        await expect(shown.page.locator(".document", has_text="hours.md")).to_contain_text("Ready")


async def test_a_small_screen_is_all_chat():
    """On a phone the chat fills the screen; customers and knowledge open beside it, and Escape closes them."""
    async with stage(PHONE, "dark") as shown:
        page = shown.page
        box = await page.locator(".phone").bounding_box()
        assert box == {"x": 0, "y": 0, "width": 390, "height": 844}
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        await expect(page.get_by_role("button", name="Sam")).to_be_hidden()
        await page.get_by_role("button", name="Customers and knowledge").click()
        await page.get_by_role("button", name="Sam").click()
        await expect(page.locator("#whose")).to_have_text("as Sam")
        await shown.say("Hi")
        await expect(page.locator(".row.mine")).to_have_count(1)
        await page.get_by_role("button", name="Customers and knowledge").click()
        await page.get_by_role("button", name="Switch between light and dark").click()
        assert await page.evaluate("document.documentElement.dataset.theme") == "light"
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Sam")).to_be_hidden()


async def test_the_page_comes_back_by_itself():
    """When the line to the simulator breaks, the page connects again and shows everything."""
    async with stage(WIDE) as shown:
        await shown.say("Before")
        await expect(shown.page.locator(".row.mine")).to_have_count(1)
        await shown.simulator.stop_listening()
        await expect(shown.page.get_by_role("status")).to_have_text("connecting…")
        await shown.simulator.customer_says(MARIA, "Meanwhile")
        await shown.simulator.listen_again()
        await expect(shown.page.locator(".row.mine")).to_have_count(2, timeout=20_000)
        await expect(shown.page.get_by_role("status")).to_have_text("online")
        shown.complaints.clear()  # the browser reports the refused connection


async def test_no_other_host_is_ever_asked():
    """The page loads everything from the simulator, and its policy allows no other host and no inline script."""
    async with stage(WIDE) as shown:
        asked: list[str] = []
        shown.page.on("request", lambda request: asked.append(request.url))
        answer = await shown.page.reload()
        assert answer is not None
        await expect(shown.page.get_by_text("online")).to_be_visible()
        assert all(url.startswith(shown.simulator.url) for url in asked)
        policy = (await answer.all_headers())["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


async def test_the_knowledge_route_keeps_strangers_out():
    """Another site's upload is 403 and never reaches the server; what is not a form is 415."""
    async with (
        WebhookDoor.open("secret") as door,
        KnowledgeServer.open("admin") as server,
        aiohttp.ClientSession() as session,
    ):
        settings = SimulatorSettings("secret", "token", "777", door.url, server_url=server.url, admin_token="admin")
        async with Simulator.running(SystemClock(), random.Random(3), settings) as simulator:
            url = f"{simulator.url}/simulator/knowledge"
            form = aiohttp.FormData()
            form.add_field("files", b"# x", filename="x.md")
            async with session.post(url, data=form, headers={"Origin": "http://evil.example"}) as answer:
                assert answer.status == 403
            async with session.post(url, data=b"x", headers={"Host": "evil.example"}) as answer:
                assert answer.status == 403
            async with session.post(url, data=b"x") as answer:
                assert answer.status == 415
            async with session.get(f"{url}/..%2f..%2fask") as answer:
                assert answer.status == 404
            assert server.documents == {}

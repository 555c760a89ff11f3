"""The simulator's page in Chromium: chats, phones side by side, keyboard, looks, guards."""

import random
import re
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from bot.simulator.faults import FaultKind
from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import SystemClock
from tests.e2e.browser import browser
from tests.e2e.page_stage import MARIA, PHONE, WIDE, WIDEST, page_stage
from tests.fakes.knowledge_server import KnowledgeServer
from tests.fakes.webhook_door import WebhookDoor

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORMATTED = (
    "*bold* _italic_ ~gone~ `code` 3*4*5 snake_case_name\n- one\n- two\n```mono  space```\n<img src=x onerror=alert(1)>"
)
BUTTONS = [{"type": "reply", "reply": {"id": name, "title": name.title()}} for name in ("yes", "no")]
ROWS = [{"id": "red", "title": "Red", "description": "Like a rose"}, {"id": "blue", "title": "Blue"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium():
    async with browser() as opened:
        yield opened


async def contrast(page: Page, selector: str) -> float:
    """WCAG 2.2's contrast of a text with the nearest background behind it."""
    return float(await page.locator(selector).first.evaluate(CONTRAST))


CONTRAST = """node => {
    const numbers = color => color.match(/[0-9.]+/g).map(Number);
    const light = color => {
        const [r, g, b] = numbers(color).slice(0, 3).map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let behind = node;
    while ((numbers(getComputedStyle(behind).backgroundColor)[3] ?? 1) < 1) behind = behind.parentElement;
    const [low, high] = [getComputedStyle(node).color, getComputedStyle(behind).backgroundColor]
        .map(light).sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05);
}"""


async def test_a_chat_looks_like_whatsapp(chromium):
    """A message typed with the keyboard gets its ticks, "typing…" shows, and the reply comes with its formatting."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.say("When do you open?")
        mine = shown.front.locator(".row.mine")
        await expect(mine.get_by_label("Delivered", exact=True)).to_be_visible()
        wamid = shown.simulator.conversation(MARIA)[0].wamid
        await shown.post({"status": "read", "message_id": wamid, "typing_indicator": {"type": "text"}})
        await expect(mine.get_by_label("Read", exact=True)).to_be_visible()
        await expect(shown.front.get_by_role("status")).to_have_text("typing…")
        await expect(shown.front.get_by_label("typing", exact=True)).to_be_visible()
        await shown.reply(FORMATTED)
        await expect(shown.front.get_by_role("status")).to_have_text("online")
        theirs = shown.front.locator(".row.theirs .text")
        texts = {"strong": "bold", "em": "italic", "s": "gone", "code": "code", "pre": "mono  space"}
        for tag, text in texts.items():
            await expect(theirs.locator(tag)).to_have_text(text)
        await expect(theirs.locator("li")).to_have_text(["one", "two"])
        await expect(theirs).to_contain_text("3*4*5 snake_case_name")
        await expect(theirs).to_contain_text("<img src=x onerror=alert(1)>")
        assert await theirs.locator("img").count() == 0
        await expect(shown.front.locator(".day")).to_have_text("Today")


async def test_what_has_not_arrived_shows_a_clock(chromium):
    """Until the simulator has taken it, a message waits with a clock; a message that failed says so."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.page.route("**/simulator/messages", lambda _route: None)
        await shown.type("Slow line")
        await expect(shown.front.get_by_label("Waiting")).to_be_visible()
        await shown.page.unroute("**/simulator/messages")
        await shown.simulator.customer_says(MARIA, "Hello")
        shown.simulator.faults.set(FaultKind.FAILED_LATER, next=1)
        await shown.reply("This will fail")
        await expect(shown.front.get_by_label("Not delivered")).to_be_visible()


async def test_suggestions_and_buttons_are_pressed(chromium):
    """A suggested question is sent with one press, and so is a reply button, which quotes its question."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.front.get_by_role("button", name="When are you open?").click()
        await expect(shown.front.locator(".row.mine[data-wamid]")).to_have_count(1)
        await expect(shown.front.locator(".suggestions")).to_be_hidden()
        card = {"type": "button", "body": {"text": "Book it?"}, "action": {"buttons": BUTTONS}}
        await shown.post({"to": f"+{MARIA}", "type": "interactive", "interactive": card})
        await shown.front.get_by_role("button", name="Yes").click()
        await expect(shown.front.locator(".row.mine").last).to_contain_text("Book it?")
        await expect(shown.front.locator(".row.mine").last).to_contain_text("Yes")
        await shown.simulator.webhooks_settled()
        assert shown.door.items("messages")[-1]["interactive"]["button_reply"] == {"id": "yes", "title": "Yes"}


async def test_a_list_opens_a_sheet(chromium):
    """Escape closes it and gives the focus back; a row of it is the customer's answer."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.say("Hello")
        action = {"button": "Colours", "sections": [{"title": "All", "rows": ROWS}]}
        card = {"type": "list", "body": {"text": "Which colour?"}, "action": action}
        await shown.post({"to": f"+{MARIA}", "type": "interactive", "interactive": card})
        opener = shown.front.get_by_role("button", name="Colours")
        await opener.click()
        sheet = shown.page.get_by_role("dialog", name="Colours")
        await expect(sheet.get_by_role("button", name="Red")).to_be_visible()
        await shown.page.keyboard.press("Escape")
        await expect(sheet).to_be_hidden()
        await expect(opener).to_be_focused()
        await shown.page.keyboard.press("Enter")
        await sheet.get_by_role("button", name="Blue").click()
        await expect(shown.front.locator(".row.mine").last).to_contain_text("Blue")
        await shown.simulator.webhooks_settled()
        assert shown.door.items("messages")[-1]["interactive"]["list_reply"]["id"] == "blue"


async def test_a_bubble_is_quoted(chromium):
    """With the mouse or with R, and not without need: Escape forgets it."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.say("First")
        await shown.reply("What about it?")
        theirs = shown.front.locator(".row.theirs")
        await theirs.hover()
        await theirs.get_by_role("button", name="Reply to this message").click()
        await expect(shown.front.locator(".quoting")).to_contain_text("What about it?")
        await shown.page.keyboard.press("Escape")
        await expect(shown.front.locator(".quoting")).to_be_hidden()
        await theirs.focus()
        await shown.page.keyboard.press("r")
        await shown.page.keyboard.type("This")
        await shown.page.keyboard.press("Enter")
        await expect(shown.front.locator(".row.mine .quote")).to_contain_text("What about it?")
        quoted = shown.simulator.conversation(MARIA)[1].wamid
        await shown.simulator.webhooks_settled()
        assert shown.door.items("messages")[-1]["context"]["id"] == quoted


async def test_customers_stand_side_by_side(chromium):
    """Two phones on a wide screen; each has its own chat, and what is typed in one is sent by its customer."""
    async with page_stage(chromium, WIDEST) as shown:
        phones = shown.page.locator(".slot")
        await expect(phones).to_have_count(2)
        sam = shown.page.get_by_role("region", name="Phone of Sam")
        await sam.get_by_label("Message", exact=True).fill("From Sam")
        await shown.page.keyboard.press("Enter")
        await expect(sam.locator(".row.mine[data-wamid]")).to_have_count(1)
        maria = shown.page.get_by_role("region", name="Phone of Maria")
        await shown.simulator.customer_says(MARIA, "Hi")
        await shown.reply("For Maria")
        await expect(maria.locator(".row.theirs")).to_contain_text("For Maria")
        await expect(sam.locator(".row")).to_have_count(1)
        await expect(
            shown.page.locator("#customers").get_by_role("button", name="Maria").locator(".badge")
        ).to_be_visible()
        await maria.locator(".log").click()
        await expect(shown.page.locator("#customers .badge")).to_have_count(0)


async def test_customers_keep_apart(chromium):
    """A customer without a phone number is added and chosen; what others get counts as unread."""
    async with page_stage(chromium, WIDE) as shown:
        page = shown.page
        await shown.say("From Maria")
        await expect(shown.front.locator(".row.mine[data-wamid]")).to_have_count(1)
        await page.get_by_role("button", name="+ Add customer").click()
        await page.get_by_label("Name", exact=True).fill("Kim")
        await page.get_by_label("Hides the phone number").check()
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.get_by_role("region", name="Phone of Kim")).to_be_visible()
        await expect(shown.front.locator(".row")).to_have_count(0)
        await shown.reply("For Maria")
        maria = page.locator("#customers").get_by_role("button", name="Maria")
        await expect(maria.locator(".badge")).to_have_text("1")
        await maria.click()
        await expect(shown.front.locator(".row.theirs")).to_contain_text("For Maria")
        await expect(maria.locator(".badge")).to_have_count(0)
        kim = next(person for person in shown.simulator.customers if person.name == "Kim")
        assert kim.phone is None


async def test_everything_is_reached_by_keyboard(chromium):
    """Arrows switch between chats, from the list and with Alt from anywhere; arrows walk through the bubbles."""
    async with page_stage(chromium, WIDE) as shown:
        keyboard = shown.page.keyboard
        await shown.say("One")
        await shown.say("Two")
        await expect(shown.front.locator(".row.mine[data-wamid]")).to_have_count(2)
        await keyboard.press("Alt+ArrowDown")
        await expect(shown.page.get_by_role("region", name="Phone of Sam")).to_be_visible()
        await expect(shown.front.get_by_label("Message", exact=True)).to_be_focused()
        sam = shown.page.locator("#customers").get_by_role("button", name="Sam")
        await sam.focus()
        await keyboard.press("ArrowUp")
        await expect(shown.page.get_by_role("region", name="Phone of Maria")).to_be_visible()
        await expect(shown.page.locator("#customers").get_by_role("button", name="Maria")).to_be_focused()
        await shown.front.locator(".log").focus()
        await keyboard.press("ArrowUp")
        await expect(shown.front.locator(".row").last).to_be_focused()
        await keyboard.press("ArrowUp")
        await expect(shown.front.locator(".row").first).to_be_focused()
        await keyboard.press("Tab")
        await expect(shown.front.get_by_role("button", name="Reply to this message").first).to_be_focused()
        outline = await shown.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


async def test_a_small_screen_is_all_chat(chromium):
    """At 360 pixels the chat fills the screen without scrolling sideways; the panels slide in, Escape closes them."""
    async with page_stage(chromium, PHONE, "dark") as shown:
        page = shown.page
        assert await page.locator(".phone").bounding_box() == {"x": 0, "y": 0, "width": 360, "height": 740}
        sam = page.locator("#customers").get_by_role("button", name="Sam")
        await expect(sam).to_be_hidden()
        await page.get_by_role("button", name="Customers, faults and knowledge").click()
        await sam.click()
        await expect(shown.front.locator(".whose")).to_have_text("as Sam")
        await shown.say("W" * 200)
        await expect(shown.front.locator(".row.mine[data-wamid]")).to_have_count(1)
        await page.get_by_role("button", name="How the bot came to its reply").click()
        await expect(page.locator("#trace")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#trace")).to_be_hidden()
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        await page.get_by_role("button", name="Customers, faults and knowledge").click()
        await page.locator("#faults summary").click()
        assert await page.locator("#side").evaluate("side => side.scrollWidth - side.clientWidth") == 0
        await page.keyboard.press("Escape")
        await expect(sam).to_be_hidden()


TEXTS = (".customer small", ".system.day", ".row.mine .text", ".row.mine time", ".owner", ".storm small", ".presence")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_light_and_dark(chromium, scheme):
    """As the system says, or as the switch says; every text has the contrast that WCAG AA asks for (4.5)."""
    async with page_stage(chromium, WIDE, scheme) as shown:
        await shown.say("Hello")
        await expect(shown.front.locator(".row.mine[data-wamid]")).to_have_count(1)
        ground = "getComputedStyle(document.querySelector('#side')).backgroundColor"
        before = await shown.page.evaluate(ground)
        assert before == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 27, 33)"}[scheme]
        low = {text: ratio for text in TEXTS if (ratio := await contrast(shown.page, text)) < 4.5}
        assert low == {}
        await shown.page.get_by_role("button", name="Switch between light and dark").click()
        assert await shown.page.evaluate(ground) != before


async def test_the_page_comes_back_by_itself(chromium):
    """When the line to the simulator breaks, the page connects again and shows everything."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.say("Before")
        await expect(shown.front.locator(".row.mine[data-wamid]")).to_have_count(1)
        await shown.simulator.stop_listening()
        await expect(shown.front.get_by_role("status")).to_have_text("connecting…")
        await shown.simulator.customer_says(MARIA, "Meanwhile")
        await shown.simulator.listen_again()
        await expect(shown.front.locator(".row.mine")).to_have_count(2, timeout=20_000)
        await expect(shown.front.get_by_role("status")).to_have_text("online")
        shown.complaints.clear()  # the browser reports the refused connection


async def test_no_other_host_is_ever_asked(chromium):
    """The page loads everything from the simulator, and its policy allows no other host and no inline script."""
    async with page_stage(chromium, WIDE) as shown:
        asked: list[str] = []
        shown.page.on("request", lambda request: asked.append(request.url))
        answer = await shown.page.reload()
        assert answer is not None
        await expect(shown.front.get_by_role("status")).to_have_text("online")
        assert all(url.startswith(shown.simulator.url) for url in asked)
        policy = (await answer.all_headers())["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "admin" not in await shown.page.content()


@pytest.mark.parametrize("path", ["knowledge", "turns?customer=1", "attachments", "media/1"])
async def test_the_pages_routes_keep_strangers_out(path):
    """Another site's request is 403, and so is one for another host's name."""
    async with (
        WebhookDoor.open("secret") as door,
        KnowledgeServer.open("admin") as server,
        aiohttp.ClientSession() as session,
    ):
        settings = SimulatorSettings("secret", "token", "777", door.url, server_url=server.url, admin_token="admin")
        async with Simulator.running(SystemClock(), random.Random(3), settings) as simulator:
            url = f"{simulator.url}/simulator/{path}"
            method = "POST" if path in {"knowledge", "attachments"} else "GET"
            for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
                async with session.request(method, url, data=b"x", headers=headers) as answer:
                    assert answer.status == 403
            if method == "POST":
                async with session.post(url, data=b"x") as answer:
                    assert answer.status == 415
            assert server.documents == {}


@pytest.mark.parametrize("path", ["knowledge/..%2f..%2fask", "turns/..%2f..%2fask", "files/..%2fworld.py"])
async def test_a_path_leads_nowhere_else(path):
    """404 for what is not an id or a file of the page."""
    async with WebhookDoor.open("secret") as door, aiohttp.ClientSession() as session:
        settings: Any = SimulatorSettings("secret", "token", "777", door.url, server_url=door.url, admin_token="admin")
        async with (
            Simulator.running(SystemClock(), random.Random(3), settings) as simulator,
            session.get(f"{simulator.url}/simulator/{path}") as answer,
        ):
            assert answer.status == 404


async def test_a_chat_keeps_its_place_under_a_new_number(chromium):
    """A customer who changes number has one chat, the old one, with what was typed; what comes next is shown there."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.say("From my old phone")
        await shown.front.get_by_label("Message", exact=True).fill("half a sent")
        shown.simulator.phone.changes_number(MARIA, "12025550199")
        await expect(shown.page.locator("#customers .customer")).to_have_count(2)
        await expect(shown.front.locator(".owner")).to_contain_text("+12025550199")
        await expect(shown.front.get_by_label("Message", exact=True)).to_have_value("half a sent")
        await shown.say("From my new phone")
        await expect(shown.front.locator(".row.mine")).to_have_count(2)
        await shown.post({"to": "+12025550199", "type": "text", "text": {"body": "Welcome back"}})
        await expect(shown.front.locator(".row.theirs")).to_contain_text("Welcome back")


async def test_a_customer_beyond_the_list_is_shown_on_writing(chromium):
    """Whom the page did not list, because others wrote later, appears with the whole chat on the next message."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.simulator.customer_says("12025557777", "Long ago")
        for number in range(50):
            shown.simulator.add_customer(f"120255588{number:02}")
        await shown.page.reload()
        listed = shown.page.locator("#customers .customer")
        await expect(listed).to_have_count(50)
        await expect(listed.filter(has_text="12025557777")).to_have_count(0)
        await shown.simulator.customer_says_all("12025557777", ["Back", "again"])
        await expect(listed.filter(has_text="again")).to_have_count(1)
        await listed.filter(has_text="again").click()
        await expect(shown.front.locator(".row.mine")).to_have_text([*map(re.compile, ("Long ago", "Back", "again"))])

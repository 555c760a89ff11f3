"""The real demo in Chromium: from the question to the reply, and how the bot came to it."""

import re

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.browser import browser
from tests.e2e.page_stage import PHONE, WIDE
from tests.e2e.test_demo import demo

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE = 30_000  # milliseconds


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(tmp_path_factory):
    """One demo and one browser for all; every test writes as a customer of its own."""
    async with browser() as chromium, demo(tmp_path_factory.mktemp("demo")) as running:
        yield chromium, running


async def opened(shown, name: str, viewport: dict[str, int], complaints: list[str]) -> Page:
    """The page, with a new customer in front."""
    chromium, running = shown
    page: Page = await chromium.new_page(viewport=viewport)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(running.url)
    if viewport == PHONE:
        await page.get_by_role("button", name="Customers, faults and knowledge").click()
    await page.get_by_role("button", name="+ Add customer").click()
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator(".slot.front")).to_contain_text(name)
    return page


async def test_the_trace_shows_how_the_reply_came_about(shown):
    """Intent, time by stage, and the passage with the question's words marked; for the bubble that is chosen."""
    complaints: list[str] = []
    page = await opened(shown, "Ada", WIDE, complaints)
    front, turn = page.locator(".slot.front"), page.get_by_role("region", name="Trace of the turn")
    await front.get_by_role("button", name="When are you open on Saturday?").click()
    await expect(front.locator(".row.theirs")).to_contain_text("17:00", timeout=PATIENCE)
    await expect(turn.locator(".outcome")).to_have_text("Answered")
    await expect(turn.locator(".facts")).to_contain_text("question")
    await expect(turn.locator(".facts")).to_contain_text("English (en)")
    await expect(turn.locator(".time-list")).to_contain_text("Waiting for more")
    await expect(turn.locator(".passage mark").filter(has_text="Saturday").first).to_be_visible()
    await expect(turn.locator(".passage").first).to_contain_text("opening-hours.md")
    await front.get_by_label("Message", exact=True).fill("Do you sell pianos?")
    await page.keyboard.press("Enter")
    await expect(front.locator(".row.theirs")).to_have_count(2, timeout=PATIENCE)
    await expect(page.locator("#turn-place")).to_have_text("2 of 2")
    await front.locator(".row.mine").first.locator(".text").click()
    await expect(page.locator("#turn-place")).to_have_text("1 of 2")
    await expect(front.locator(".row.mine").first).to_have_attribute("aria-current", "true")
    await expect(front.locator(".row.of-turn")).to_have_count(2)
    await page.get_by_role("button", name="Newer turn").click()
    await expect(turn.locator(".turn-lines")).to_contain_text("Do you sell pianos?")
    assert complaints == []
    await page.close()


async def test_a_burst_and_forty_copies_get_one_reply_each(shown):
    """Four messages within two seconds, then one message that is delivered forty times."""
    complaints: list[str] = []
    page = await opened(shown, "Bob", WIDE, complaints)
    front = page.locator(".slot.front")
    await page.get_by_role("button", name="Burst").click()
    await expect(front.locator(".row.mine[data-wamid]")).to_have_count(4)
    await expect(front.locator(".row.theirs[data-wamid]")).to_have_count(1, timeout=PATIENCE)
    lines = page.locator(".turn-lines li.inbound")
    await expect(lines).to_have_count(4)
    await front.get_by_label("Message", exact=True).fill("How much is a full service?")
    await page.get_by_role("button", name="Forty times the same").click()
    await expect(front.locator(".row.theirs[data-wamid]")).to_have_count(2, timeout=PATIENCE)
    await expect(front.locator(".row.mine[data-wamid]")).to_have_count(5)
    await expect(lines).to_have_text([re.compile("full service")])
    assert complaints == []
    await page.close()


async def test_a_phone_shows_the_trace_over_the_chat(shown):
    """At 360 pixels it slides in, without scrolling sideways."""
    complaints: list[str] = []
    page = await opened(shown, "Cleo", PHONE, complaints)
    front = page.locator(".slot.front")
    await front.get_by_role("button", name="How much is a full service?").click()
    await expect(front.locator(".row.theirs")).to_contain_text("89", timeout=PATIENCE)
    await front.get_by_role("button", name="How the bot came to its reply").click()
    await expect(page.locator(".passage mark").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    await page.get_by_role("button", name="Close the trace").click()
    await expect(front.get_by_role("button", name="How the bot came to its reply")).to_be_focused()
    assert complaints == []
    await page.close()

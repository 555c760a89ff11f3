"""The simulator's page in Chromium: files, faults and the knowledge."""

import asyncio
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from tests.e2e.browser import browser
from tests.e2e.page_stage import MARIA, WIDE, PageStage, page_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

# one red point
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc0000003010100"
    "18dd8db00000000049454e44ae426082"
)
SILENCE = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes.fromhex("1000000001000100401f0000401f0000010008006461746100000000")
DROP = """([where, name]) => {
    const carried = new DataTransfer();
    carried.items.add(new File(["# Hours"], name, { type: "text/markdown" }));
    const how = { dataTransfer: carried, bubbles: true, cancelable: true };
    for (const kind of ["dragenter", "dragover", "drop"])
        document.querySelector(where).dispatchEvent(new DragEvent(kind, how));
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium():
    async with browser() as opened:
        yield opened


def file(name: str, kind: str, content: bytes) -> Any:
    return {"name": name, "mimeType": kind, "buffer": content}


async def attach(shown: PageStage, *chosen: Any) -> None:
    await shown.front.get_by_label("File to send").set_input_files(chosen)


async def test_a_picture_is_sent_with_its_caption(chromium):
    """Chosen, shown with its size, sent by Enter; the phone shows it, and the business gets its id."""
    async with page_stage(chromium, WIDE) as shown:
        await attach(shown, file("bike.png", "image/png", PIXEL))
        await expect(shown.front.locator(".attached")).to_contain_text("bike.png")
        await expect(shown.front.locator(".attached")).to_contain_text("bytes · image/png")
        await shown.say("My bike")
        picture = shown.front.locator(".row.mine img.picture")
        await expect(picture).to_be_visible()
        assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
        await expect(shown.front.locator(".row.mine[data-wamid]")).to_contain_text("My bike")
        await shown.simulator.webhooks_settled()
        (item,) = shown.door.items("messages")
        assert (item["type"], item["image"]["caption"]) == ("image", "My bike")


async def test_documents_and_voice_notes_are_shown(chromium):
    """A document with name, size and type, to be downloaded; a sound with a player."""
    async with page_stage(chromium, WIDE) as shown:
        await attach(shown, file("order <1>.pdf", "application/pdf", b"%PDF-1.4" + b" " * 2000))
        await shown.page.keyboard.press("Enter")
        card = shown.front.locator(".row.mine a.file")
        await expect(card).to_contain_text("order <1>.pdf")
        await expect(card).to_contain_text("2.0 KB · application/pdf")
        async with shown.session.get(f"{shown.simulator.url}{await card.get_attribute('href')}") as answer:
            assert answer.headers["Content-Disposition"].startswith("attachment;")
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert (await answer.read()).startswith(b"%PDF")
        await attach(shown, file("note.ogg", "audio/ogg", SILENCE))
        await shown.page.keyboard.press("Enter")
        await expect(shown.front.locator(".row.mine audio")).to_be_visible()
        await shown.simulator.webhooks_settled()
        assert [item["type"] for item in shown.door.items("messages")] == ["document", "audio"]
        assert shown.door.items("messages")[1]["audio"]["voice"] is True
        assert shown.simulator.conversation(MARIA)[0].attachment is not None
        shown.complaints.clear()  # the browser cannot play this sound


async def test_an_html_file_never_runs_here(chromium):
    """What a customer sends is downloaded, never opened as a page of ours."""
    async with page_stage(chromium, WIDE) as shown:
        await attach(shown, file("page.html", "text/html", b"<script>alert(1)</script>"))
        await shown.page.keyboard.press("Enter")
        source = await shown.front.locator(".row.mine a.file").get_attribute("href")
        async with shown.session.get(f"{shown.simulator.url}{source}") as answer:
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_bad_upload_is_refused_with_a_sentence(chromium):
    """No file, an unknown field or nobody to send it as: 400, and nothing is sent."""
    async with page_stage(chromium, WIDE) as shown:
        url = f"{shown.simulator.url}/simulator/attachments"
        for fields in ({"customer": MARIA, "file": b""}, {"what": "x"}, {"customer": "!", "file": b"x"}):
            form = aiohttp.FormData()
            for name, value in fields.items():
                form.add_field(name, value, content_type="text/plain", **({"filename": "a"} if name == "file" else {}))
            async with shown.session.post(url, data=form) as answer:
                assert answer.status == 400
                assert await answer.text()
        assert shown.simulator.conversation(MARIA) == []


async def test_a_file_dropped_on_a_phone_is_the_customers(chromium):
    """Dropped beside the phones it becomes knowledge instead."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.page.evaluate(DROP, [".slot .log", "mine.md"])
        await expect(shown.front.locator(".attached")).to_contain_text("mine.md")
        await expect(shown.page.locator("#drop-anywhere")).to_be_hidden()
        await shown.page.evaluate(DROP, ["#side", "hours.md"])
        await expect(shown.page.locator(".document", has_text="hours.md")).to_contain_text("Ready")
        assert list(shown.server.contents) == ["hours.md"]


async def test_files_join_the_knowledge(chromium):
    """A picked file is uploaded with the token that the page never sees, and followed until it is ready or failed."""
    async with page_stage(chromium, WIDE) as shown:
        files = [file("menu.md", "text/markdown", b"# Menu"), file("broken.pdf", "application/pdf", b"%PDF")]
        await shown.page.get_by_label("Files for the knowledge").set_input_files(files)
        await expect(shown.page.locator(".document", has_text="menu.md")).to_contain_text("Ready · 7 passages")
        await expect(shown.page.locator(".document", has_text="broken.pdf")).to_contain_text("encrypted")
        await expect(shown.front.get_by_role("log")).to_contain_text("menu.md is ready")
        assert shown.server.contents["menu.md"] == b"# Menu"


async def test_a_fault_is_switched_on_and_off(chromium):
    """The switch has its effect at once; what others ask for shows on the page, too; "All off" ends everything."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.say("Hello")
        await shown.page.locator("#faults summary").click()
        refused = shown.page.get_by_role("switch", name="Refused")
        await shown.page.get_by_label("Refused: which error").select_option("131056")
        await refused.check()
        await expect(shown.page.locator("#fault-count")).to_have_text("1")
        body = {"messaging_product": "whatsapp", "to": f"+{MARIA}", "type": "text", "text": {"body": "Hi"}}
        url = f"{shown.simulator.url}/v26.0/777/messages"
        async with shown.session.post(url, json=body, headers={"Authorization": "Bearer token"}) as answer:
            assert (await answer.json())["error"]["code"] == 131056
        await refused.uncheck()
        await expect(shown.page.locator("#fault-count")).to_be_hidden()
        await shown.reply("Now it works")
        lost = {"faults": [{"kind": "status_lost", "probability": 1.0}]}
        async with shown.session.post(f"{shown.simulator.url}/simulator/faults", json=lost) as answer:
            assert answer.status == 200
        await expect(shown.page.get_by_role("switch", name="Never")).to_be_checked()
        await shown.page.get_by_role("button", name="All off").click()
        await expect(shown.page.get_by_role("switch", name="Never")).not_to_be_checked()
        assert [fault for fault in shown.simulator.faults.listed() if fault["probability"]] == []


async def test_a_late_answer_does_not_undo_what_came_since(chromium):
    """The page asks what is in force; when somebody changes it before the answer arrives, the change stays shown."""
    came, let_go = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        if route.request.method == "GET":
            came.set()
            await let_go.wait()
        await route.fulfill(response=answer)

    async with page_stage(chromium, WIDE) as shown:
        await shown.page.locator("#faults summary").click()
        await shown.page.route("**/simulator/faults*", hold)
        await shown.page.get_by_role("switch", name="Refused").check()
        await came.wait()
        lost = {"faults": [{"kind": "status_lost", "probability": 1.0}]}
        async with shown.session.post(f"{shown.simulator.url}/simulator/faults", json=lost) as answer:
            assert answer.status == 200
        await expect(shown.page.get_by_role("switch", name="Never")).to_be_checked()
        async with shown.page.expect_event("requestfinished", lambda request: "faults" in request.url):
            let_go.set()
        await expect(shown.page.get_by_role("switch", name="Never")).to_be_checked()
        await expect(shown.page.locator("#fault-count")).to_have_text("2")


async def test_a_fault_that_strikes_once_switches_itself_off(chromium):
    """The next message fails, the one after that does not."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.page.locator("#faults summary").click()
        await shown.page.get_by_label("Strikes").select_option("once")
        await shown.page.get_by_role("switch", name="Fails later").check()
        await shown.say("Hello")
        await shown.reply("Fails")
        await expect(shown.front.get_by_label("Not delivered")).to_have_count(1)
        await expect(shown.page.get_by_role("switch", name="Fails later")).not_to_be_checked()
        await shown.reply("Works")
        await expect(shown.front.locator(".row.theirs")).to_have_count(2)
        await expect(shown.front.get_by_label("Not delivered")).to_have_count(1)


async def test_a_message_changes_in_its_place(chromium):
    """Edited, reacted to and deleted: always the same bubble."""
    async with page_stage(chromium, WIDE) as shown:
        await shown.say("Frist")
        mine = shown.front.locator(".row.mine[data-wamid]")
        await expect(mine).to_have_count(1)
        wamid = shown.simulator.conversation(MARIA)[0].wamid
        url = f"{shown.simulator.url}/simulator/actions"
        asked: dict[str, Any] = {"customer": MARIA, "wamid": wamid}
        for action, seen in (({"action": "edit", "text": "First"}, "First"), ({"action": "revoke"}, "deleted")):
            async with shown.session.post(url, json=asked | action) as answer:
                assert answer.status == 200
            await expect(mine).to_contain_text(seen)
        await shown.reply("Well?")
        theirs = shown.simulator.conversation(MARIA)[1].wamid
        reaction = asked | {"action": "reaction", "wamid": theirs, "emoji": "👍"}
        async with shown.session.post(url, json=reaction) as answer:
            assert answer.status == 200
        await expect(shown.front.locator(".row.theirs .reactions")).to_have_text("👍")

"""Templates at the simulated WhatsApp (WHATSAPP.md 5.3)."""

from typing import Any

import pytest

from bot.simulator.customers import Choice
from tests.fakes.whatsapp_business import ACCOUNT, HIDDEN, MARIA, Business, code, open_business

BODY = {"type": "BODY", "text": "Dear {{1}}, order {{2}} is ready.", "example": {"body_text": [["Ann", "7"]]}}


def template(*parts: dict[str, Any], name: str = "ready", **more: Any) -> dict[str, Any]:
    return {"name": name, "language": "en", "category": "UTILITY", "components": list(parts or [BODY])} | more


def words(*texts: str, kind: str = "body") -> dict[str, Any]:
    return {"type": kind, "parameters": [{"type": "text", "text": text} for text in texts]}


async def create(meta: Business, document: dict[str, Any]) -> tuple[int, Any]:
    return await meta.ask("POST", f"{ACCOUNT}/message_templates", json=document)


async def fill(meta: Business, *parts: dict[str, Any], name: str = "ready", language: str = "en", **more: Any) -> Any:
    content = {"name": name, "language": {"code": language}, "components": list(parts)}
    return await meta.send("template", content, **more)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([words("Ann", "7")], 0),
        ([words("Ann")], 132000),
        ([], 132000),
        ([words("Ann", "7", "8")], 132000),
        ([words("Ann", "line\nbreak")], 132018),
        ([words("Ann", "five     spaces")], 132018),
        ([words("Ann", "x" * 1024)], 132005),
        ([words("Ann", "😀" * 510)], 132005),
        ([{"type": "body", "parameters": [{"type": "image"}, {"type": "text", "text": "7"}]}], 132012),
        ([words("Ann", "7"), words("x", kind="header")], 132000),
        ([words("Ann", "7"), {"type": "button", "index": "0", "parameters": []}], 132000),
    ],
)
async def test_parameters_are_counted_and_read(parts, expected):
    """Each parameter must be there, of its kind, without breaks, and the text not too long."""
    async with open_business() as meta:
        await create(meta, template())
        assert code(await fill(meta, *parts)) == expected


async def test_a_template_opens_the_way_to_a_stranger():
    """It goes to who never wrote, and to who wrote long ago; a text does not."""
    async with open_business() as meta:
        assert code(await meta.text()) == 131047
        status, answer = await fill(meta, name="hello_world", language="en_US")
        assert (status, answer["messages"][0]["message_status"]) == (200, "accepted")
        await meta.simulator.webhooks_settled()
        assert meta.door.items("statuses")[0]["pricing"]["category"] == "utility"
        assert code(await meta.text()) == 131047


@pytest.mark.parametrize(
    ("document", "expected", "subcode"),
    [
        (template(name="Ready"), 100, None),
        (template(language="english"), 100, None),
        (template(category="NEWS"), 100, None),
        (template({"type": "FOOTER", "text": "x"}), 100, None),
        (template(BODY, BODY), 100, None),
        (template({"type": "BODY", "text": "x" * 1025}), 100, 2388040),
        (template({"type": "BODY", "text": "😀" * 513}), 100, 2388040),
        (template({"type": "BODY", "text": "{{1}} is ready.", "example": {}}), 100, 2388299),
        (template({"type": "BODY", "text": "Ready is {{1}}", "example": {}}), 100, 2388299),
        (template({"type": "BODY", "text": "Is {{2}} ready.", "example": {}}), 100, None),
        (template({"type": "BODY", "text": "Is {{1}} ready."}), 100, None),
        (template({"type": "BODY", "text": "Is {{1}} ready.", "example": {}}, parameter_format="NAMED"), 100, None),
        (template(BODY, {"type": "HEADER", "format": "SONG"}), 100, None),
        (template(BODY, {"type": "FOOTER", "text": "f" * 61}), 100, 2388040),
        (template(BODY, {"type": "BUTTONS", "buttons": []}), 100, None),
    ],
)
async def test_what_cannot_be_reviewed_is_refused(document, expected, subcode):
    """Names, languages, categories, parts and variables have their rules."""
    async with open_business() as meta:
        status, answer = await create(meta, document)
        assert (status, answer["error"]["code"]) == (400, expected)
        assert answer["error"].get("error_subcode") == subcode


async def test_language_and_status_must_be_right():
    """Another language, or not approved, is 132001; paused 132015; disabled 132016."""
    async with open_business(templates_reviewed=False) as meta:
        await create(meta, template())
        filled = words("Ann", "7")
        assert code(await fill(meta, filled)) == 132001
        for status, expected in (("APPROVED", 0), ("PAUSED", 132015), ("DISABLED", 132016), ("REJECTED", 132001)):
            meta.simulator.decide_template("ready", "en", status, "ABUSIVE_CONTENT")
            assert code(await fill(meta, filled)) == expected
        assert code(await fill(meta, filled, language="en_US")) == 132001
        await meta.simulator.webhooks_settled()
        told = [value["event"] for value in meta.door.values() if "event" in value]
        assert told == ["APPROVED", "PAUSED", "DISABLED", "REJECTED"]


async def test_headers_and_buttons_bring_what_they_need():
    """A media header needs its file, a link with a variable its ending, a quick reply may bring its payload."""
    header = {"type": "HEADER", "format": "IMAGE"}
    shown = [
        {"type": "QUICK_REPLY", "text": "Thanks"},
        {"type": "URL", "text": "Open", "url": "https://example.com/{{1}}"},
    ]
    picture = {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://example.com/a.png"}}]}
    ending = words("7", kind="button") | {"sub_type": "url", "index": "1"}
    parameters = [{"type": "payload", "payload": "thanks"}]
    payload = {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": parameters}
    async with open_business() as meta:
        await create(meta, template(BODY, header, {"type": "BUTTONS", "buttons": shown}))
        filled = words("Ann", "7")
        assert code(await fill(meta, filled, ending)) == 132012
        assert code(await fill(meta, filled, picture)) == 131008
        assert code(await fill(meta, filled, picture, ending, payload)) == 0
        bubble = meta.simulator.conversation(MARIA)[-1]
        assert (bubble.text, bubble.buttons) == ("Dear Ann, order 7 is ready.", (Choice("thanks", "Thanks"),))
        assert bubble.attachment is not None


async def test_marketing_and_codes_have_their_own_rules():
    """Who stopped marketing gets none (131050); a code goes to a phone, not to a user id (131062)."""
    async with open_business() as meta:
        for customer in (MARIA, HIDDEN):
            await meta.simulator.customer_says(customer, "Hi")
        await create(meta, template(name="sale", category="MARKETING"))
        otp = {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}
        await create(meta, template({"type": "BODY"}, otp, name="code", category="AUTHENTICATION"))
        meta.simulator.phone.prefers_marketing(MARIA, wanted=False)
        assert code(await fill(meta, words("Ann", "7"), name="sale")) == 131050
        assert code(await fill(meta, words("Ann", "7"), name="sale", recipient=HIDDEN)) == 0
        button = words("1234", kind="button") | {"sub_type": "url", "index": "0"}
        assert code(await fill(meta, words("1234"), button, name="code")) == 0
        assert code(await fill(meta, words("1234"), button, name="code", recipient=HIDDEN)) == 131062


async def test_templates_are_listed_edited_and_deleted():
    """By name, by status, page by page; an edit shows; a name is deleted in all its languages."""
    async with open_business() as meta:
        path = f"{ACCOUNT}/message_templates"
        for language in ("en", "de"):
            await create(meta, template(language=language))
        assert code(await create(meta, template())) == 100
        _, page = await meta.ask("GET", f"{path}?name=ready&limit=1&fields=name,language")
        [first] = page["data"]
        assert set(first) == {"id", "name", "language"}
        _, rest = await meta.ask("GET", page["paging"]["next"])
        assert [one["language"] for one in rest["data"]] == ["de"]
        edited = {"components": [{"type": "BODY", "text": "Ready."}]}
        assert (await meta.ask("POST", first["id"], json=edited))[0] == 200
        _, shown = await meta.ask("GET", first["id"])
        assert shown["components"] == edited["components"]
        assert (await meta.ask("DELETE", f"{path}?name=ready"))[0] == 200
        _, left = await meta.ask("GET", path)
        assert [one["name"] for one in left["data"]] == ["hello_world"]
        assert code(await meta.ask("DELETE", f"{path}?name=ready")) == 100


async def test_an_edit_may_change_how_parameters_are_named():
    """From then on the parameters are filled in by their new names, and counted in their new number."""
    async with open_business() as meta:
        _, made = await create(meta, template())
        named = {"type": "BODY", "text": "Dear {{name}}, it is ready.", "example": {"body_text_named_params": []}}
        edited = {"components": [named], "parameter_format": "NAMED"}
        assert (await meta.ask("POST", made["id"], json=edited))[0] == 200
        assert code(await fill(meta, words("Ann"))) == 132012
        parameters = [{"type": "text", "parameter_name": "name", "text": "Ann"}]
        assert code(await fill(meta, {"type": "body", "parameters": parameters})) == 0
        assert meta.simulator.conversation(MARIA)[-1].text == "Dear Ann, it is ready."


async def test_an_approved_template_takes_an_edit_a_day_and_ten_a_month():
    """More than that is refused and changes nothing; a paused one may be mended at any time."""
    edit = {"components": [{"type": "BODY", "text": "Ready."}]}
    async with open_business() as meta:
        _, made = await create(meta, template())
        for _ in range(10):
            assert code(await meta.ask("POST", made["id"], json=edit)) == 0
            assert code(await meta.ask("POST", made["id"], json=edit)) == 100
            await meta.clock.advance(24 * 3600)
        assert code(await meta.ask("POST", made["id"], json=edit)) == 100
        meta.simulator.decide_template("ready", "en", "PAUSED")
        assert code(await meta.ask("POST", made["id"], json=edit)) == 0
        assert code(await meta.ask("POST", made["id"], json=edit)) == 100
        await meta.clock.advance(30 * 24 * 3600)
        assert code(await meta.ask("POST", made["id"], json=edit)) == 0


async def test_a_hundred_templates_an_hour():
    """The hundred and first waits for the next hour."""
    async with open_business() as meta:
        body = {"type": "BODY", "text": "Hello."}
        made = [code(await create(meta, template(body, name=f"t{number}"))) for number in range(101)]
        assert made == [0] * 100 + [80007]
        await meta.clock.advance(3600)
        assert code(await create(meta, template(body, name="late"))) == 0

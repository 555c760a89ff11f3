"""The rules of every kind of message (WHATSAPP.md 4.2), and of the number that sends it."""

from typing import Any

import pytest

from tests.fakes.whatsapp_business import HIDDEN, MARIA, code, open_business

LINK = {"link": "https://example.com/file"}
BODY = {"body": {"text": "Which?"}}
CARD = {"header": {"type": "image", "image": LINK}, "body": {"text": "A bike"}, "action": {"name": "cta_url"}}


def button(title: str = "Yes", key: str = "y") -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": key, "title": title}}


def rows(count: int, **more: Any) -> dict[str, Any]:
    return {"title": "Sizes", "rows": [{"id": str(n), "title": f"Row {n}"} | more for n in range(count)]}


def buttons(*shown: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
    return "interactive", {"type": "button", "action": {"buttons": list(shown)}} | BODY | more


def menu(*sections: dict[str, Any], label: str = "Choose", **more: Any) -> tuple[str, dict[str, Any]]:
    return "interactive", {"type": "list", "action": {"button": label, "sections": list(sections)}} | BODY | more


def asking(kind: str, action: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
    return "interactive", {"type": kind, "action": action} | BODY | more


def named(kind: str, name: str, **parameters: Any) -> tuple[str, dict[str, Any]]:
    return asking(kind, {"name": name, "parameters": parameters})


def text_header(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


GOOD = [
    ("text", {"body": "x" * 4096, "preview_url": True}),
    ("image", LINK | {"caption": "c" * 1024}),
    ("video", LINK),
    ("audio", LINK | {"voice": True}),
    ("document", LINK | {"caption": "c", "filename": "menu.pdf"}),
    ("sticker", LINK),
    ("location", {"latitude": "52.5", "longitude": 13.4, "name": "Shop"}),
    ("contacts", [{"name": {"formatted_name": "Ann", "first_name": "Ann"}, "phones": [{"phone": "+1"}]}] * 257),
    buttons(button("t" * 20, "k" * 256), button("No", "n"), header=text_header("h" * 60), footer={"text": "f" * 60}),
    buttons(button(), header={"type": "image", "image": LINK}),
    menu(rows(10, description="d" * 72)),
    menu(rows(5), rows(1) | {"rows": [{"id": "other", "title": "t" * 24}]}, header=text_header("h")),
    named("cta_url", "cta_url", display_text="Open", url="https://example.com"),
    named("flow", "flow", flow_message_version="3", flow_id="1", flow_cta="Begin"),
    named("location_request_message", "send_location"),
    named("request_contact_info", "request_contact_info"),
    named("call_permission_request", "call_permission_request"),
    named("voice_call", "voice_call", display_text="Call us", ttl_minutes=43_200),
    named("catalog_message", "catalog_message"),
    asking("product", {"catalog_id": "1", "product_retailer_id": "2"}),
    asking(
        "product_list",
        {"catalog_id": "1", "sections": [{"title": "a", "product_items": [{"product_retailer_id": "2"}] * 30}]},
        header=text_header("Bikes"),
    ),
    asking("carousel", {"cards": [CARD | {"card_index": n} for n in range(10)]}),
]
BAD = [
    (("text", {"body": "x" * 4097}), 131009),
    (("text", {"body": "😀" * 2049}), 131009),
    (("text", {"body": "x", "preview_url": "yes"}), 100),
    (("text", "Hello"), 131008),
    (("image", {"caption": "c"}), 131009),
    (("image", LINK | {"id": "1"}), 131009),
    (("image", {"link": "file:///etc/hosts"}), 131009),
    (("image", LINK | {"caption": "c" * 1025}), 131009),
    (("image", {"id": "404"}), 131009),
    (("audio", LINK | {"caption": "c"}), 131009),
    (("location", {"latitude": 91, "longitude": 0}), 131009),
    (("location", {"latitude": 1}), 131008),
    (("contacts", []), 131009),
    (("contacts", [{"name": {"formatted_name": "Ann"}}]), 131009),
    (("contacts", [{"name": {"formatted_name": "Ann", "first_name": "Ann"}}] * 258), 131009),
    (("reaction", {"message_id": "wamid.unknown", "emoji": "👍"}), 131009),
    (("reaction", {"message_id": "wamid.unknown", "emoji": "ok"}), 131009),
    (("reaction", {"message_id": "wamid.unknown"}), 131008),
    (buttons(), 131009),
    (buttons(*[button(str(n), str(n)) for n in range(4)]), 131009),
    (buttons(button("t" * 21)), 131009),
    (buttons(button(), button("No")), 131009),
    (buttons(button(), button(key="n")), 131009),
    (buttons(button(key="k" * 257)), 131009),
    (buttons(button(), body={"text": "b" * 1025}), 131009),
    (buttons(button(), footer={"text": "f" * 61}), 131009),
    (buttons(button(), header=text_header("h" * 61)), 131009),
    (buttons(button(), header={"type": "audio", "audio": LINK}), 131009),
    (menu(rows(11)), 131009),
    (menu(rows(6), {"title": "b", "rows": [{"id": f"b{n}", "title": "x"} for n in range(5)]}), 131009),
    (menu(rows(1), rows(1)), 131009),
    (menu(*[rows(1)] * 11), 131009),
    (menu(rows(1), {"rows": [{"id": "other", "title": "x"}]}), 131008),
    (menu(rows(1, title="t" * 25)), 131009),
    (menu(rows(1, description="d" * 73)), 131009),
    (menu(rows(1), label="l" * 21), 131009),
    (menu(rows(1), header={"type": "image", "image": LINK}), 131009),
    (named("cta_url", "cta_url", display_text="d" * 21, url="https://example.com"), 131009),
    (named("cta_url", "cta_url", display_text="d", url="example.com"), 131009),
    (named("flow", "flow", flow_message_version="3", flow_id="1", flow_name="n", flow_cta="Begin"), 131009),
    (named("flow", "flow", flow_message_version="3", flow_id="1", flow_cta="b" * 31), 131009),
    (named("location_request_message", "location"), 131009),
    (named("voice_call", "voice_call", ttl_minutes=43_201), 131009),
    (asking("product", {"catalog_id": "1"}), 131008),
    (asking("product_list", {"catalog_id": "1", "sections": []}), 131008),
    (asking("carousel", {"cards": [CARD]}), 131009),
    (asking("carousel", {"cards": [CARD | {"body": {"text": "b" * 161}}] * 2}), 131009),
    (asking("poll", {}), 131051),
    (("pin", {"message_id": "wamid.x"}), 131051),
    (("order", {}), 131051),
]


async def test_every_kind_of_message_is_taken_up_to_its_limits():
    """Each kind at its longest is taken and shown on the phone."""
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        for kind, content in GOOD:
            assert code(await meta.send(kind, content)) == 0, (kind, content)
        kinds = [bubble.kind for bubble in meta.simulator.conversation(MARIA)[1:]]
        assert kinds == [kind for kind, _ in GOOD]


async def test_one_too_much_is_refused_with_its_code():
    """One character, button, row or card too many, and nothing is taken; each fault has its code."""
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        for (kind, content), expected in BAD:
            assert code(await meta.send(kind, content)) == expected, (kind, content)
        assert not meta.simulator.sent


async def test_with_both_addresses_the_phone_wins():
    """A send with `to` and `recipient` goes to the phone."""
    async with open_business() as meta:
        for customer in (MARIA, HIDDEN):
            await meta.simulator.customer_says(customer, "Hi")
        await meta.text("Hello", recipient=HIDDEN, to=f"+{MARIA}")
        assert [sent.customer for sent in meta.simulator.sent] == [MARIA]


async def test_a_test_number_writes_to_its_list_only():
    """131030 for everybody who is not on the list, and for all user ids."""
    async with open_business() as meta:
        for customer in (MARIA, HIDDEN, "12025550102"):
            await meta.simulator.customer_says(customer, "Hi")
        meta.simulator.account.allowed = (MARIA,)
        assert code(await meta.text()) == 0
        assert code(await meta.text(to="+12025550102")) == 131030
        assert code(await meta.text(recipient=HIDDEN)) == 131030


async def test_sender_identity_and_registration_are_checked():
    """To itself 131021, with a foreign identity 137000, from a number that is not registered 133010."""
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        assert code(await meta.text(to="+15550783881")) == 131021
        identity = meta.simulator.customers.meet(MARIA).identity
        assert code(await meta.text(recipient_identity_key_hash=identity)) == 0
        assert code(await meta.text(recipient_identity_key_hash="other")) == 137000
        meta.simulator.account.status = "PENDING"
        assert code(await meta.text()) == 133010


async def test_the_number_has_one_rate_for_in_and_out():
    """Beyond the number's rate a send is 130429; what customers write counts, and a second later all is well."""
    async with open_business(number_rate=10) as meta:
        for _ in range(4):
            await meta.simulator.customer_says(MARIA, "Hi")
        assert [code(await meta.text()) for _ in range(7)] == [0] * 6 + [130429]
        await meta.clock.advance(0.1)
        assert [code(await meta.text()) for _ in range(2)] == [0, 130429]
        await meta.clock.advance(60)
        assert [code(await meta.text()) for _ in range(11)] == [0] * 10 + [130429]


async def test_marks_and_reactions_are_for_thirty_days():
    """A message older than that is neither marked as read nor reacted to."""
    async with open_business(check_window=False) as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Hi")
        mark = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        await meta.clock.advance(30 * 24 * 3600)
        assert code(await meta.send("reaction", {"message_id": wamid, "emoji": "👍"})) == 0
        assert (await meta.ask("POST", "777/messages", json=mark))[0] == 200
        await meta.clock.advance(1)
        assert code(await meta.send("reaction", {"message_id": wamid, "emoji": "👍"})) == 131009
        assert code(await meta.ask("POST", "777/messages", json=mark)) == 131009


async def test_what_is_told_follows_the_kind():
    """A reaction is only ever sent; a voice note is played in the end."""
    async with open_business() as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Hi")
        await meta.send("reaction", {"message_id": wamid, "emoji": "👍"})
        await meta.simulator.webhooks_settled()
        assert meta.statuses() == ["sent"]
        await meta.send("audio", LINK | {"voice": True})
        await meta.simulator.webhooks_settled()
        assert meta.statuses()[1:] == ["sent", "delivered", "read", "played"]


async def test_a_list_keeps_its_descriptions():
    """A row's description is on the phone, and comes back when the row is chosen; a row without has none."""
    described, plain = {"id": "s", "title": "Small", "description": "For one"}, {"id": "l", "title": "Large"}
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        kind, content = menu({"title": "Sizes", "rows": [described, plain]})
        _, answer = await meta.send(kind, content)
        wamid = answer["messages"][0]["id"]
        [*_, bubble] = meta.simulator.conversation(MARIA)
        assert bubble.shown(MARIA)["buttons"] == [described, plain | {"description": ""}]
        for row in (described, plain):
            await meta.simulator.customer_presses(MARIA, row["id"], quoted=wamid)
        await meta.simulator.webhooks_settled()
        assert [message["interactive"]["list_reply"] for message in meta.door.items("messages")[1:]] == [
            described,
            plain,
        ]


@pytest.mark.parametrize(("change", "expected"), [({"messaging_product": "telegram"}, 100), ({}, 0)])
async def test_a_read_mark_says_what_it_is_for(change, expected):
    """Like a send it names the product, and a number that is not registered marks nothing."""
    async with open_business() as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Hi")
        mark = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid} | change
        assert code(await meta.ask("POST", "777/messages", json=mark)) == expected
        meta.simulator.account.status = "PENDING"
        assert code(await meta.ask("POST", "777/messages", json=mark)) == 133010


@pytest.mark.parametrize("typing", [{"type": "audio"}, "text"])
async def test_typing_is_of_type_text(typing):
    """Anything else is refused."""
    async with open_business() as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Hi")
        mark = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid, "typing_indicator": typing}
        assert code(await meta.ask("POST", "777/messages", json=mark)) == 100

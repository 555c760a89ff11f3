"""The simulator as a business and its page see it."""

import asyncio
import json
from dataclasses import replace

import pytest

from bot.simulator.faults import FaultKind
from bot.simulator.settings import SimulatorSettings
from tests.fakes.simulated_business import HIDDEN, MARIA, business, reply


async def test_a_message_arrives_signed_with_its_contact():
    """What a customer writes reaches the webhook, signed, as Meta shapes it."""
    async with business() as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Ist heute geöffnet?")
        await meta.simulator.webhooks_settled()
        [value] = meta.door.values()
        assert value["metadata"] == {"display_phone_number": "15550783881", "phone_number_id": "777"}
        [message], [contact] = value["messages"], value["contacts"]
        assert (message["id"], message["from"], message["text"]["body"]) == (wamid, MARIA, "Ist heute geöffnet?")
        assert message["timestamp"] == str(meta.clock.now() // 1000)
        assert contact["wa_id"] == MARIA
        assert contact["user_id"] == message["from_user_id"]
        assert meta.door.forged == 0


async def test_a_hidden_phone_is_left_out_everywhere():
    """A customer known by BSUID alone is written to by `recipient`, and no key holds a phone."""
    async with business() as meta:
        await meta.simulator.customer_says(HIDDEN, "Hi")
        status, answer = await meta.post({"recipient": HIDDEN, "type": "text", "text": {"body": "Hello"}})
        await meta.simulator.webhooks_settled()
        assert status == 200
        assert answer["contacts"] == [{"input": HIDDEN, "user_id": HIDDEN}]
        for item in meta.door.items("messages") + meta.door.items("statuses"):
            assert {"from", "recipient_id"}.isdisjoint(item)
        assert all("wa_id" not in contact for value in meta.door.values() for contact in value["contacts"])


async def test_statuses_carry_the_senders_own_mark():
    """An accepted message is sent, delivered and read, each with biz_opaque_callback_data and a contact."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        _, answer = await meta.send("Hello", biz_opaque_callback_data="attempt-1")
        await meta.simulator.webhooks_settled()
        statuses = meta.door.items("statuses")
        assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
        assert {status["id"] for status in statuses} == {answer["messages"][0]["id"]}
        assert {status["biz_opaque_callback_data"] for status in statuses} == {"attempt-1"}
        assert not any("conversation" in status for status in statuses)
        assert meta.simulator.sent[0].attempt_id == "attempt-1"
        assert (await meta.simulator.next_reply(MARIA)).text == "Hello"
        assert [bubble.status for bubble in meta.simulator.conversation(MARIA)] == ["delivered", "read"]


async def test_statuses_take_their_time_when_asked():
    """With delays, each status comes when its time has come, not before."""
    async with business(status_delays_seconds=(1.0, 2.0, 3.0)) as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        await meta.send()
        await meta.simulator.webhooks_settled()
        seen = []
        for seconds in (1, 2, 3):
            await meta.clock.advance(seconds)
            await meta.simulator.webhooks_settled()
            seen.append([status["status"] for status in meta.door.items("statuses")])
        assert seen == [["sent"], ["sent", "delivered"], ["sent", "delivered", "read"]]


async def test_a_webhook_comes_again_until_it_gets_200():
    """Anything but 200 brings the same bytes again: at once first, then after growing pauses."""
    async with business() as meta:
        meta.door.answers.extend([500, 201, 404])
        await meta.simulator.customer_says(MARIA, "Hi")
        await meta.door.posts(2)
        for posts in (3, 4):
            while len(meta.door.bodies) < posts:
                await meta.clock.advance(4)
                await meta.door.posts(min(posts, len(meta.door.bodies)))
        await meta.simulator.webhooks_settled()
        assert len(set(meta.door.bodies)) == 1
        assert len(meta.door.bodies) == 4
        assert meta.simulator.webhook_answers == {500: 1, 201: 1, 404: 1, 200: 1}


async def test_retries_end_after_the_patience():
    """A webhook that never gets its 200 is given up when the time for retries is over."""
    async with business(retry_for_seconds=5.0) as meta:
        meta.door.answers.extend([500] * 100)
        await meta.simulator.customer_says(MARIA, "Hi")
        await meta.door.posts(2)
        settled = asyncio.ensure_future(meta.simulator.webhooks_settled())
        while not settled.done():
            await meta.clock.advance(1)
            await asyncio.sleep(0.001)
        await settled
        assert 2 <= len(meta.door.bodies) < 100


async def test_the_same_event_forty_times():
    """A repeat is the same event in POSTs of its own, as often as asked; the phone shows it once."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi", wamid="wamid.same", times=40)
        await meta.simulator.webhooks_settled()
        assert [message["id"] for message in meta.door.items("messages")] == ["wamid.same"] * 40
        assert len(meta.door.bodies) == 40
        assert len(meta.simulator.conversation(MARIA)) == 1


async def test_a_burst_may_come_in_any_order():
    """A shuffled burst holds every message once, in another order than written."""
    async with business(webhook_connections=1) as meta:
        wamids = await meta.simulator.customer_says_all(MARIA, [str(n) for n in range(20)], shuffle=True)
        await meta.simulator.webhooks_settled()
        came = [message["id"] for message in meta.door.items("messages")]
        assert sorted(came) == sorted(wamids)
        assert came != wamids


async def test_waiting_updates_share_posts():
    """A burst comes in few POSTs when batches are allowed, in its order."""
    async with business() as meta:
        wamids = await meta.simulator.customer_says_all(MARIA, [str(n) for n in range(60)])
        await meta.simulator.webhooks_settled()
        assert [message["id"] for message in meta.door.items("messages")] == wamids
        assert len(meta.door.bodies) <= 3


async def test_a_status_can_come_before_the_answer():
    """With status_first the business has taken the statuses when the send is answered."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.STATUS_FIRST, next=1)
        await meta.send()
        assert len(meta.door.items("statuses")) == 3


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (reply(text="x" * 4097), 131009),
        (reply(text=" "), 131008),
        (reply(to="+nobody"), 131009),
        (reply(to="+447700900123"), 131047),
        (reply(to=MARIA), 131047),
        (reply(messaging_product="sms"), 100),
        (reply(recipient_type="business_scoped_user_id"), 100),
        (reply(type="poll"), 131051),
        ({"type": "text", "text": {"body": "x"}}, 131008),
        ({"recipient": "US.unknown1", "type": "text", "text": {"body": "x"}}, 131009),
        ({"recipient": "bad id", "type": "text", "text": {"body": "x"}}, 131009),
        (reply(biz_opaque_callback_data="x" * 513), 131009),
        (reply(context={"id": "wamid.x"}), 131009),
        ({"status": "read", "message_id": "wamid.unknown"}, 131009),
    ],
)
async def test_what_breaks_a_rule_is_refused_with_its_code(message, code):
    """Each broken rule of the send API has its code, and nothing is taken."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        assert await meta.error_code(message) == code
        assert not meta.simulator.sent


async def test_strangers_and_wrong_numbers_are_refused():
    """A wrong token is 401 with code 190; a number that is not ours is code 100 with subcode 33."""
    async with business() as meta:
        status, answer = await meta.post(reply(), headers={"Authorization": "Bearer wrong"})
        assert (status, answer["error"]["code"]) == (401, 190)
        _, answer = await meta.post(reply(), number="778")
        assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (100, 33)


async def test_a_bsuid_in_to_is_lost_without_a_word():
    """As in the field: 200 and a wamid, and nothing ever arrives (WHATSAPP.md 3.4)."""
    async with business() as meta:
        await meta.simulator.customer_says(HIDDEN, "Hi")
        status, answer = await meta.post(reply(to=HIDDEN))
        await meta.simulator.webhooks_settled()
        assert status == 200
        assert answer["messages"][0]["id"].startswith("wamid.")
        assert not meta.simulator.sent
        assert not meta.door.items("statuses")


async def test_the_window_closes_after_a_day():
    """Up to 24 hours after the customer's last message a reply is taken, then 131047."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        await meta.clock.advance(24 * 3600)
        assert (await meta.send())[0] == 200
        await meta.clock.advance(1)
        assert await meta.error_code(reply()) == 131047


async def test_the_pair_rate_is_one_in_six_seconds_with_a_burst():
    """45 messages at once are taken; they borrow from the future, so the next goes when all are paid for."""
    async with business(check_pair_rate=True) as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        assert {(await meta.send())[0] for _ in range(45)} == {200}
        assert await meta.error_code(reply()) == 131056
        await meta.clock.advance(45 * 6 - 1)
        assert await meta.error_code(reply()) == 131056
        await meta.clock.advance(1)
        assert (await meta.send())[0] == 200


async def test_reading_marks_everything_before_and_shows_typing():
    """A read mark turns that message and the ones before it to read, not the ones after."""
    async with business() as meta:
        wamids = await meta.simulator.customer_says_all(MARIA, ["one", "two", "three"])
        mark = {"status": "read", "message_id": wamids[1], "typing_indicator": {"type": "text"}}
        assert await meta.post(mark) == (200, {"success": True})
        await meta.simulator.webhooks_settled()
        assert [bubble.status for bubble in meta.simulator.conversation(MARIA)] == ["read", "read", "delivered"]
        assert list(meta.simulator.read_marks) == [wamids[1]]
        assert meta.simulator.counts["typing"] == 1


async def test_buttons_are_shown_and_pressed():
    """A pressed button comes back as a button_reply that quotes the question; others are refused."""
    buttons = [{"type": "reply", "reply": {"id": f"b{n}", "title": f"Choice {n}"}} for n in range(3)]
    interactive = {"type": "button", "body": {"text": "Which?"}, "action": {"buttons": buttons}}
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        _, answer = await meta.post({"to": f"+{MARIA}", "type": "interactive", "interactive": interactive})
        asked = answer["messages"][0]["id"]
        await meta.simulator.customer_presses(MARIA, "b1", quoted=asked)
        await meta.simulator.webhooks_settled()
        pressed = meta.door.items("messages")[-1]
        assert pressed["interactive"] == {"type": "button_reply", "button_reply": {"id": "b1", "title": "Choice 1"}}
        assert pressed["context"]["id"] == asked
        with pytest.raises(ValueError, match="no such button"):
            await meta.simulator.customer_presses(MARIA, "b9", quoted=asked)
        four = interactive | {"action": {"buttons": [*buttons, buttons[0]]}}
        assert await meta.error_code(reply(type="interactive", interactive=four)) == 131009


async def test_memory_is_bounded():
    """Old messages and idle customers are forgotten."""
    async with business(keep_messages=3, keep_customers=2, keep_sent=2) as meta:
        for phone in ("12025550102", "12025550103", MARIA):
            await meta.simulator.customer_says(phone, "Hi")
        for _ in range(5):
            await meta.send()
        assert len(meta.simulator.conversation(MARIA)) == 3
        assert len(meta.simulator.sent) == 2
        assert await meta.error_code(reply(to="+12025550102")) == 131047


async def test_page_routes_steer_the_simulator():
    """A page or a program writes, sets faults and reads back over HTTP."""
    async with business() as meta:
        url = meta.simulator.url
        async with meta.session.post(f"{url}/simulator/messages", json={"customer": MARIA, "text": "Hi"}) as answer:
            assert answer.status == 200
        wanted = {"faults": [{"kind": "refused", "next": 1, "code": 131048}]}
        async with meta.session.post(f"{url}/simulator/faults", json=wanted) as answer:
            assert (await answer.json())["faults"][0]["code"] == 131048
        assert await meta.error_code(reply()) == 131048
        await meta.send(biz_opaque_callback_data="a1")
        async with meta.session.get(f"{url}/simulator/sent?after=0") as answer:
            listed = await answer.json()
        assert [message["attempt_id"] for message in listed["sent"]] == ["a1"]
        async with meta.session.get(f"{url}/simulator/sent?after={listed['next']}") as answer:
            assert (await answer.json())["sent"] == []
        async with meta.session.get(f"{url}/simulator/state") as answer:
            assert [message["text"] for message in (await answer.json())["messages"]] == ["Hi", "Hello"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("messages", {"customer": "nobody!", "text": "Hi"}),
        ("messages", {"customer": MARIA, "text": ""}),
        ("messages", {"customer": MARIA, "text": "x" * 4097}),
        ("messages", {"customer": MARIA, "text": "Hi", "times": 0}),
        ("messages", {"customer": MARIA, "button_id": "x"}),
        ("messages", []),
        ("customers", {"address": "nobody!"}),
        ("faults", {"faults": [{"kind": "bad weather"}]}),
        ("faults", {"faults": [{"kind": "refused", "probability": 2}]}),
        ("faults", {"faults": [{"kind": "refused", "next": True}]}),
        ("faults", {"faults": 5}),
    ],
)
async def test_nonsense_from_the_page_is_400(path, body):
    """What cannot be done is refused with a sentence, and changes nothing."""
    async with business() as meta:
        async with meta.session.post(f"{meta.simulator.url}/simulator/{path}", json=body) as answer:
            assert answer.status == 400
        assert not meta.door.bodies
        assert meta.simulator.faults.listed() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_other_sites_are_kept_out(headers, status):
    """A foreign Host, Origin or Sec-Fetch-Site is 403 on reading and writing routes alike."""
    async with business() as meta:
        url, said = meta.simulator.url, {"customer": MARIA, "text": "Good morning"}
        async with meta.session.post(f"{url}/simulator/messages", json=said, headers=headers) as answer:
            assert answer.status == status
        async with meta.session.get(f"{url}/simulator/state", headers=headers) as answer:
            assert answer.status == status
            assert len((await answer.text()).split("Good morning")) == (2 if status == 200 else 1)


async def test_the_feed_tells_everything_as_it_happens():
    """The page's stream begins with all that is there and goes on with what changes."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "before")
        await meta.simulator.webhooks_settled()
        async with meta.session.get(f"{meta.simulator.url}/simulator/events") as stream:
            snapshot = [await stream.content.readline() for _ in range(4)]
            assert snapshot[:2] == [b"retry: 500\n", b"event: snapshot\n"]
            assert json.loads(snapshot[2][6:])["messages"][0]["text"] == "before"
            await meta.send("after")
            assert await stream.content.readline() == b"event: message\n"
            assert json.loads((await stream.content.readline())[6:])["text"] == "after"


async def test_settings_hide_their_secrets():
    """Printing the settings shows no secret."""
    shown = repr(replace(SimulatorSettings("s3cret", "t0ken", "777", "http://127.0.0.1"), admin_token="adm1n"))
    assert not any(secret in shown for secret in ("s3cret", "t0ken", "adm1n"))

"""Scripts of the simulated WhatsApp: faults for one customer, retries over days, statuses gone wrong, its JSON."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from bot.simulator.faults import FaultKind
from tests.fakes.whatsapp_business import HIDDEN, MARIA, Business, code, open_business

DAY = 24 * 3600.0


async def posts_until(meta: Business, last: float, step: float) -> list[float]:
    """The seconds at which POSTs of the one update came, until `last` or the end of all retries."""
    over = asyncio.ensure_future(meta.simulator.webhooks_settled())
    came: list[float] = []
    while meta.clock.monotonic() < last:
        while not meta.clock.sleepers and not over.done():
            await asyncio.sleep(0)  # a POST is on its way, over a real socket, while the clock stands still
        came += [meta.clock.monotonic()] * (len(meta.door.bodies) - len(came))
        if over.done():
            break
        await meta.clock.advance(step)
    over.cancel()
    return came


async def test_a_webhook_is_retried_for_a_week():
    """First at once, then ever more seldom, for seven days, whatever the door answers; then never again."""
    async with open_business(retry_first_seconds=600, retry_max_seconds=12 * 3600) as meta:
        meta.door.answers.extend([503] * 1000)
        await meta.simulator.customer_says(MARIA, "Hi")
        await meta.door.posts(2)
        came = await posts_until(meta, 10 * DAY, 1800)
        pauses = [later - earlier for earlier, later in pairwise(came)]
        assert 15 < len(came) < 40
        assert 6 * DAY < came[-1] <= 7.5 * DAY
        assert max(pauses[:4]) < min(pauses[8:])
        assert len(set(meta.door.bodies)) == 1
        await meta.simulator.webhooks_settled()


async def test_a_door_that_opens_after_days_hears_everything():
    """What was written while the door was shut for three days arrives when it opens, with the times of writing."""
    async with open_business(retry_first_seconds=600, retry_max_seconds=3600 * 6) as meta:
        wrote = meta.clock.now()
        meta.door.answers.extend([500] * 18)
        await meta.simulator.customer_says_all(MARIA, [str(number) for number in range(5)])
        await posts_until(meta, 6 * DAY, 3600)
        await meta.simulator.webhooks_settled()
        heard = {message["id"]: message for message in meta.door.items("messages")}
        assert [message["text"]["body"] for message in heard.values()] == ["0", "1", "2", "3", "4"]
        assert {message["timestamp"] for message in heard.values()} == {str(wrote // 1000)}


async def test_a_thousand_updates_share_a_post():
    """Up to 1,000 updates come in one POST, and no POST is larger than WhatsApp's 3 MB."""
    async with open_business(webhook_batch=5000, webhook_connections=1) as meta:
        await meta.simulator.customer_says_all(MARIA, ["short"] * 2500)
        await meta.simulator.webhooks_settled()
        assert [len(json.loads(body)["entry"][0]["changes"][0]["value"]["messages"]) for body in meta.door.bodies] == [
            *(1000, 1000, 500)
        ]
        meta.door.bodies.clear()
        wamids = await meta.simulator.customer_says_all(MARIA, ["ä" * 4096] * 400)
        await meta.simulator.webhooks_settled()
        assert [message["id"] for message in meta.door.items("messages")] == wamids
        assert max(map(len, meta.door.bodies)) <= 3 * 1024 * 1024


async def test_faults_can_be_for_one_customer():
    """A script for one customer leaves the others alone, also for those without a phone."""
    async with open_business() as meta:
        for customer in (MARIA, HIDDEN):
            await meta.simulator.customer_says(customer, "Hi")
        meta.simulator.faults.set(FaultKind.REFUSED, customer=f"+{MARIA}", next=2, code=131056)
        meta.simulator.faults.set(FaultKind.REFUSED, customer=HIDDEN, probability=1, code=131026)
        assert [code(await meta.text()) for _ in range(3)] == [131056, 131056, 0]
        assert [code(await meta.text(recipient=HIDDEN)) for _ in range(2)] == [131026, 131026]
        meta.simulator.faults.clear(FaultKind.REFUSED)
        assert code(await meta.text(recipient=HIDDEN)) == 0


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (FaultKind.STATUS_DOUBLE, ["sent", "sent", "delivered", "delivered", "read", "read"]),
        (FaultKind.STATUS_SKIP, ["sent", "read"]),
        (FaultKind.STATUS_LOST, []),
        (FaultKind.FAILED_LATER, ["sent", "failed"]),
    ],
)
async def test_statuses_go_wrong_as_asked(kind, told):
    """Doubled, without delivered, never, or failed: once, as scripted."""
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(kind, next=1)
        await meta.text()
        await meta.simulator.webhooks_settled()
        assert meta.statuses() == told


async def test_statuses_come_out_of_order_and_late():
    """Shuffled, all three come, in another order; late, none comes before its time."""
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.STATUS_SHUFFLE, probability=1)
        for _ in range(5):
            await meta.text()
        await meta.simulator.webhooks_settled()
        orders = [tuple(meta.statuses()[place : place + 3]) for place in range(0, 15, 3)]
        assert {tuple(sorted(order)) for order in orders} == {("delivered", "read", "sent")}
        assert len(set(orders)) > 1
        meta.simulator.faults.clear()
        meta.simulator.faults.set(FaultKind.STATUS_LATE, next=1, seconds=DAY)
        await meta.text()
        await meta.clock.advance(DAY - 1)
        await meta.simulator.webhooks_settled()
        assert len(meta.statuses()) == 15
        await meta.clock.advance(1)
        await meta.simulator.webhooks_settled()
        assert meta.statuses()[15:] == ["sent", "delivered", "read"]


async def test_an_unheard_answer_brings_the_update_again():
    """The business said 200, and still the same bytes come a second time."""
    async with open_business() as meta:
        meta.simulator.faults.set(FaultKind.WEBHOOK_UNHEARD, next=1)
        await meta.simulator.customer_says(MARIA, "Hi")
        await meta.simulator.webhooks_settled()
        assert len(meta.door.bodies) == 2
        assert len(set(meta.door.bodies)) == 1


async def test_a_stranger_may_knock():
    """A forged copy carries a wrong signature; the real one follows."""
    async with open_business() as meta:
        meta.simulator.faults.set(FaultKind.WEBHOOK_FORGED, next=1)
        await meta.simulator.customer_says(MARIA, "Hi")
        await meta.simulator.webhooks_settled()
        assert (len(meta.door.bodies), meta.door.forged) == (2, 1)


async def test_quality_can_hold_a_template():
    """A held template says so in its answer."""
    async with open_business() as meta:
        meta.simulator.faults.set(FaultKind.HELD, next=1)
        _, answer = await meta.send("template", {"name": "hello_world", "language": {"code": "en_US"}})
        assert answer["messages"][0]["message_status"] == "held_for_quality_assessment"


async def test_without_a_subscription_no_webhook_comes():
    """An account that the app is not subscribed to stays silent, until it subscribes."""
    async with open_business(subscribed=False) as meta:
        await meta.simulator.customer_says(MARIA, "lost")
        await meta.ask("POST", "102290129340398/subscribed_apps")
        await meta.simulator.customer_says(MARIA, "heard")
        await meta.simulator.webhooks_settled()
        assert [message["text"]["body"] for message in meta.door.items("messages")] == ["heard"]


async def test_reactions_edits_and_revocations_open_no_window():
    """Only a message of its own opens the 24 hours."""
    async with open_business() as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Hi")
        await meta.clock.advance(DAY + 1)
        phone = meta.simulator.phone
        phone.reacts(MARIA, wamid, "👍")
        phone.edits(MARIA, wamid, "Hello")
        phone.revokes(MARIA, wamid)
        assert code(await meta.text()) == 131047
        phone.sends_location(MARIA, 1, 2)
        assert code(await meta.text()) == 0
        [bubble, *_] = meta.simulator.conversation(MARIA)
        assert (bubble.revoked, bubble.edited, bubble.reactions, bubble.text) == (True, True, {"customer": "👍"}, "")


async def test_nobody_touches_what_is_not_theirs():
    """A message of another chat, or of the business, is neither edited nor reacted to."""
    async with open_business() as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Hi")
        _, answer = await meta.text()
        with pytest.raises(ValueError, match="not in the chat"):
            meta.simulator.phone.reacts(HIDDEN, wamid, "👍")
        with pytest.raises(ValueError, match="not in the chat"):
            meta.simulator.phone.edits(MARIA, answer["messages"][0]["id"], "mine")
        with pytest.raises(ValueError, match="somebody else"):
            meta.simulator.phone.changes_number(HIDDEN, MARIA)


async def ask(meta: Business, method: str, path: str, **body: Any) -> tuple[int, Any]:
    async with meta.session.request(method, f"{meta.simulator.url}/simulator/{path}", **body) as answer:
        return answer.status, await answer.text()


async def test_everything_can_be_scripted_by_json():
    """Faults, account, templates, actions and other updates, over HTTP."""
    async with open_business() as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Hi")
        fault = {"kind": "refused", "customer": MARIA, "code": 131026, "next": 1, "call": "messages"}
        assert (await ask(meta, "POST", "faults", json={"faults": [fault]}))[0] == 200
        assert code(await meta.text()) == 131026
        assert (await ask(meta, "PATCH", "account", json={"status": "PENDING"}))[0] == 200
        assert code(await meta.text()) == 133010
        assert (await ask(meta, "PATCH", "account", json={"status": "CONNECTED"}))[0] == 200
        paused = {"name": "hello_world", "language": "en_US", "status": "PAUSED"}
        assert (await ask(meta, "POST", "templates", json=paused))[0] == 204
        for action in (
            {"action": "reaction", "wamid": wamid, "emoji": "👍"},
            {"action": "location", "latitude": 1, "longitude": 2, "name": "Here"},
            {"action": "contacts", "cards": [{"name": "Ann", "phone": "+1202"}]},
            {"action": "edit", "wamid": wamid, "text": "Hello"},
            {"action": "revoke", "wamid": wamid},
            {"action": "marketing", "wanted": False},
            {"action": "new_number", "phone": "12025550199"},
        ):
            assert (await ask(meta, "POST", "actions", json={"customer": MARIA} | action))[0] == 200, action
        told = {"field": "account_update", "value": {"event": "DISABLED_UPDATE"}}
        assert (await ask(meta, "POST", "webhooks", json=told))[0] == 204
        await meta.simulator.webhooks_settled()
        kinds = [message["type"] for message in meta.door.items("messages")]
        assert sorted(kinds) == ["contacts", "edit", "location", "reaction", "revoke", "system", "text"]
        changes = [change for body in meta.door.bodies for change in json.loads(body)["entry"][0]["changes"]]
        others = {change["field"] for change in changes} - {"messages"}
        assert others == {"message_template_status_update", "user_preferences", "account_update"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "account", {"shoe_size": 42}),
        ("PATCH", "account", {"token_expires_at": -1}),
        ("PATCH", "account", {"allowed": [f"1202555010{number}" for number in range(6)]}),
        ("POST", "templates", {"name": "nothing", "language": "en", "status": "APPROVED"}),
        ("POST", "templates", {"name": "hello_world", "language": "en_US", "status": "FINE"}),
        ("POST", "actions", {"action": "dance", "customer": MARIA}),
        ("POST", "actions", {"action": "reaction", "customer": MARIA}),
        ("POST", "actions", {"action": "reaction", "customer": MARIA, "wamid": "wamid.x", "emoji": "👍"}),
        ("POST", "actions", {"action": "location", "customer": MARIA, "latitude": "north", "longitude": 1}),
        ("POST", "actions", {"action": "location", "customer": MARIA, "latitude": 10**400, "longitude": 1}),
        ("POST", "actions", {"action": "location", "customer": MARIA, "latitude": "nan", "longitude": 1}),
        ("POST", "actions", {"action": "location", "customer": MARIA, "latitude": 1, "longitude": 999}),
        ("POST", "webhooks", {"field": "messages", "value": {}}),
        ("POST", "faults", {"faults": [{"kind": "refused", "call": "lunch"}]}),
        ("POST", "faults", {"faults": [{"kind": "refused", "customer": 7}]}),
        ("POST", "faults", {"faults": [{"kind": ["refused"]}]}),
        ("POST", "actions", ["dance"]),
    ],
)
async def test_a_script_that_makes_no_sense_is_refused(method, path, body):
    """What cannot be done is answered 400 with a sentence, and changes nothing."""
    async with open_business() as meta:
        before = meta.simulator.account.listed()
        status, sentence = await ask(meta, method, path, json=body)
        assert status == 400
        assert sentence
        assert meta.simulator.account.listed() == before
        assert meta.simulator.faults.listed() == []


async def test_scripts_are_not_for_other_sites():
    """A page of another site can change nothing here."""
    async with open_business() as meta:
        headers = {"Origin": "https://example.com"}
        status, _ = await ask(meta, "PATCH", "account", json={"status": "PENDING"}, headers=headers)
        assert status == 403

"""Whom a fault strikes: sends or read marks, and one customer by either of the names that WhatsApp knows them by."""

from typing import Any

import aiohttp
import pytest

from bot.simulator.faults import FaultKind
from tests.fakes.whatsapp_business import HIDDEN, MARIA, NUMBER, Business, code, open_business

PEDRO = "12025550102"


async def mark_read(meta: Business, wamid: str) -> tuple[int, Any]:
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    return await meta.ask("POST", f"{NUMBER}/messages", json=mark)


async def test_a_connection_that_ends_once_ends_for_a_send():
    """A read mark comes before every reply, on the same path: it does not use the fault up."""
    async with open_business() as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.DOWN, next=1)
        assert (await mark_read(meta, wamid))[0] == 200
        with pytest.raises(aiohttp.ClientError):
            await meta.text()
        assert code(await meta.text()) == 0


@pytest.mark.parametrize("call", ["read_marks", "any"])
async def test_read_marks_have_faults_of_their_own(call):
    """Refused or cut off under their own name, or as any call."""
    async with open_business() as meta:
        wamid = await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.REFUSED, next=1, code=131016, call=call, customer=MARIA)
        assert code(await mark_read(meta, wamid)) == 131016
        meta.simulator.faults.set(FaultKind.DOWN, next=1, call=call)
        with pytest.raises(aiohttp.ClientError):
            await mark_read(meta, wamid)
        assert (await mark_read(meta, wamid))[0] == 200
        assert code(await meta.text()) == 0


@pytest.mark.parametrize("by_bsuid", [False, True])
async def test_a_customer_is_struck_by_either_name(by_bsuid):
    """Phone or BSUID, whichever the fault names: connection, refusal and statuses of that person, and of no other."""
    async with open_business() as meta:
        maria = meta.simulator.add_customer(MARIA)
        for customer in (MARIA, PEDRO):
            await meta.simulator.customer_says(customer, "Hi")
        faults, named = meta.simulator.faults, maria.user_id if by_bsuid else f"+{MARIA}"
        faults.set(FaultKind.DOWN, next=1, customer=named)
        faults.set(FaultKind.REFUSED, next=1, code=131026, customer=named)
        faults.set(FaultKind.FAILED_LATER, next=1, customer=named)
        assert code(await meta.text(to=f"+{PEDRO}")) == 0
        with pytest.raises(aiohttp.ClientError):
            await meta.text()
        assert code(await meta.text(recipient=maria.user_id)) == 131026
        assert code(await meta.text()) == 0
        await meta.simulator.webhooks_settled()
        assert meta.statuses() == ["sent", "delivered", "read", "sent", "failed"]


@pytest.mark.parametrize(
    ("kind", "posts"),
    [(FaultKind.WEBHOOK_DUPLICATE, 3), (FaultKind.WEBHOOK_UNHEARD, 2), (FaultKind.WEBHOOK_FORGED, 2)],
)
async def test_webhooks_go_wrong_for_one_customer(kind, posts):
    """Doubled, unheard or forged are the updates of that person alone, also when the phone is hidden."""
    async with open_business(webhook_batch=1) as meta:
        meta.simulator.faults.set(kind, next=1, times=3, customer=HIDDEN)
        await meta.simulator.customer_says(MARIA, "Hi")
        await meta.simulator.webhooks_settled()
        assert len(meta.door.bodies) == 1
        await meta.simulator.customer_says(HIDDEN, "Hi")
        await meta.simulator.webhooks_settled()
        assert len(meta.door.bodies) == 1 + posts


async def test_webhooks_wait_for_one_customer():
    """A delay holds back that person's updates, and nobody else's."""
    async with open_business() as meta:
        meta.simulator.faults.set(FaultKind.WEBHOOK_DELAY, next=1, seconds=30, customer=MARIA)
        await meta.simulator.customer_says(MARIA, "late")
        await meta.simulator.customer_says(PEDRO, "early")
        await meta.door.posts(1)
        await meta.clock.advance(30)
        await meta.simulator.webhooks_settled()
        assert [message["text"]["body"] for message in meta.door.items("messages")] == ["early", "late"]


async def test_a_fault_that_could_never_strike_is_refused():
    """Calls about account and files concern no customer: asking for one is answered with a sentence."""
    async with open_business() as meta:
        asked = {"faults": [{"kind": "down", "call": "media", "customer": MARIA, "next": 1}]}
        async with meta.session.post(f"{meta.simulator.url}/simulator/faults", json=asked) as answer:
            assert (answer.status, await answer.text()) == (400, "only any, messages, read_marks concern one customer")

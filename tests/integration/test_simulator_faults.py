"""Each fault of the simulator does what it says, and the same dice decide the same way."""

import asyncio
import random

import aiohttp
import pytest

from bot.simulator.faults import FaultKind
from tests.fakes.simulated_business import MARIA, business, reply


async def test_refused_means_not_taken():
    """A refusal by fault has the code that was asked for, and the message is nowhere."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.REFUSED, next=2, code=131056)
        assert [await meta.error_code(reply()) for _ in range(2)] == [131056, 131056]
        assert not meta.simulator.sent
        assert (await meta.send())[0] == 200


async def test_taken_but_answered_500():
    """The answer is 500 with a code, yet the message and its statuses arrive."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.ANSWER_500, next=1)
        status, answer = await meta.send()
        await meta.simulator.webhooks_settled()
        assert (status, answer["error"]["code"]) == (500, 131000)
        assert len(meta.simulator.sent) == 1
        assert len(meta.door.items("statuses")) == 3


@pytest.mark.parametrize(("kind", "taken"), [(FaultKind.ANSWER_LOST, 1), (FaultKind.DOWN, 0)])
async def test_a_lost_line_says_nothing_about_the_message(kind, taken):
    """The connection ends without an answer, after the message was taken or before."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(kind, next=1)
        with pytest.raises(aiohttp.ClientError):
            await meta.send()
        assert len(meta.simulator.sent) == taken


async def test_a_slow_answer_comes_when_its_time_has_come():
    """With slow the message is taken at once, and the answer waits."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.SLOW, next=1, seconds=30)
        sending = asyncio.ensure_future(meta.send())
        await meta.simulator.next_reply(MARIA)
        while not meta.clock.sleepers:
            await asyncio.sleep(0)
        assert not sending.done()
        await meta.clock.advance(30)
        assert (await sending)[0] == 200


async def test_failed_later_has_no_contacts():
    """A message that fails after its acceptance brings `failed` with the code and without contacts."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.FAILED_LATER, next=1, code=131049)
        await meta.send(biz_opaque_callback_data="attempt-9")
        await meta.simulator.webhooks_settled()
        failed = meta.door.items("statuses")[-1]
        assert (failed["status"], failed["errors"][0]["code"]) == ("failed", 131049)
        assert failed["biz_opaque_callback_data"] == "attempt-9"
        assert failed["recipient_id"] == MARIA
        assert "recipient_user_id" not in failed


async def test_lost_statuses_never_come():
    """With status_lost the message is on the phone and the business never hears of it."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.STATUS_LOST, next=1)
        await meta.send()
        await meta.simulator.webhooks_settled()
        assert meta.door.items("statuses") == []
        assert meta.simulator.conversation(MARIA)[-1].status == "read"


async def test_down_refuses_connections_until_it_listens_again():
    """A simulator that stopped listening takes nothing, and comes back at its address."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        await meta.simulator.stop_listening()
        with pytest.raises(aiohttp.ClientConnectionError):
            await meta.send()
        await meta.simulator.listen_again()
        assert (await meta.send())[0] == 200


async def test_webhook_faults_delay_and_double():
    """A duplicated update comes twice; a delayed one when its time has come."""
    async with business() as meta:
        meta.simulator.faults.set(FaultKind.WEBHOOK_DUPLICATE, next=1, times=3)
        await meta.simulator.customer_says(MARIA, "three times")
        await meta.simulator.webhooks_settled()
        assert len(meta.door.items("messages")) == 3
        meta.simulator.faults.set(FaultKind.WEBHOOK_DELAY, next=1, seconds=30)
        await meta.simulator.customer_says(MARIA, "later")
        await meta.simulator.customer_says(MARIA, "now")
        await meta.door.posts(4)
        await meta.clock.advance(30)
        await meta.simulator.webhooks_settled()
        assert [message["text"]["body"] for message in meta.door.items("messages")[3:]] == ["now", "later"]


async def test_the_dice_decide_the_same_way_with_the_same_seed():
    """Faults by chance are as many as the seed says, in every run."""
    async with business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        meta.simulator.faults.set(FaultKind.REFUSED, probability=0.5, code=131016)
        statuses = [(await meta.send())[0] for _ in range(20)]
        dice = random.Random(7)
        assert statuses[0] == (503 if dice.random() < 0.5 else 200)
        assert 3 <= statuses.count(503) <= 17

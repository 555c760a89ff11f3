"""A number that Meta stops by webhook, after it has taken the messages."""

from tests.fakes import webhook_posts
from tests.integration.conftest import Stage

ANA = "4915112345678"


async def ask(stage: Stage, words: str) -> None:
    await stage.say(ANA, words)
    await stage.wait(1.5)


async def test_trouble_that_a_webhook_tells_of_stops_sending_too(stage: Stage) -> None:
    """A failed status with an account error pauses the number as a refusal does."""
    async with stage.running() as parts:
        await ask(stage, "Hello.")
        sent = stage.line.sent[0]
        await stage.post(webhook_posts.status(sent.wamid, "failed", sent.attempt_id, stage.clock.now(), error=131042))
        assert "131042" in str(parts.delivery.problems())
        await ask(stage, "Again.")
        assert len(stage.line.sent) == 1


async def test_a_number_that_takes_and_refuses_later_is_tried_ever_less_often(stage: Stage) -> None:
    """Where Meta accepts the try and a webhook refuses it, the next pause is longer than the last."""
    async with stage.running() as parts:
        await ask(stage, "Hello.")
        for pause in (60, 120):
            last = stage.line.sent[-1]
            await stage.post(
                webhook_posts.status(last.wamid, "failed", last.attempt_id, stage.clock.now(), error=131042)
            )
            tries = len(stage.line.sent)
            await stage.say(ANA, f"After {pause}?")
            await stage.clock.advance(pause - 10)
            await stage.wait(1.5)
            assert len(stage.line.sent) == tries
            await stage.wait(12)
            assert len(stage.line.sent) == tries + 1
            assert parts.delivery.problems() == {}

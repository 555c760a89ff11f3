"""Who watches the chat page hears of changes, and is let go when it leaves."""

import asyncio

from bot.simulator.feed import Feed
from tests.fakes.fake_clock import settle


async def test_a_watcher_that_leaves_at_the_moment_of_a_change_is_let_go() -> None:
    """A cancellation that comes together with a change is not forgotten: nobody would end the request."""
    feed = Feed()

    async def watch() -> None:
        with feed.listening() as events:
            async for _ in events:
                pass

    watching = asyncio.create_task(watch())
    await settle()
    feed.tell("message", {"n": 1})
    await settle()
    feed.tell("message", {"n": 2})
    watching.cancel()
    await settle()
    feed.close()  # whoever was not let go ends here, and was not cancelled
    await asyncio.wait({watching})
    assert watching.cancelled()

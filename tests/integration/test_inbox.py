"""What the webhook keeps when the database cannot keep up."""

import asyncio
import threading

from database.engine import Database
from database.metrics import Metrics
from database.transaction import Transaction
from services.delivery_grace import OpenDoor
from services.inbox import Inbox, InboxFullError
from tests.fakes import webhook_posts
from tests.fakes.fake_clock import FakeClock

ANA = "4915112345678"


async def test_who_was_told_no_is_not_written_again(chat: Database, clock: FakeClock, metrics: Metrics) -> None:
    """POSTs that got their 503 while the writer was busy ask the database for nothing more: Meta sends them again."""
    began, go_on = threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    async def busy(_: Transaction) -> None:
        loop.call_soon_threadsafe(began.set)
        go_on.wait()

    inbox = Inbox(chat, clock, metrics, timeout_seconds=0.05, door=OpenDoor(clock), on_arrival=_nothing)
    blocking = asyncio.create_task(chat.write(busy))
    while not began.is_set():
        await asyncio.sleep(0)
    try:
        posts = [inbox.keep("default", webhook_posts.text(ANA, f"{n}?", clock.now(), f"wamid.{n}")) for n in range(3)]
        told = await asyncio.gather(*posts, return_exceptions=True)
        assert [type(each) for each in told] == [InboxFullError] * 3
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "inbox"))
        assert chat.waiting == 1, "the one unit that was given up"
    finally:
        go_on.set()
    await blocking


def _nothing() -> None:
    pass

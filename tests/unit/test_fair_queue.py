"""One business's hundred files do not hold up another's one."""

import asyncio

from services.fair_queue import FairQueue


async def test_businesses_take_turns():
    """Items leave round the businesses, in order within each."""
    queue = FairQueue()
    for item in ("a1", "a2", "a3"):
        queue.put("a", item)
    queue.put("b", "b1")
    assert [(await queue.take())[1] for _ in range(4)] == ["a1", "b1", "a2", "a3"]
    assert len(queue) == 0


async def test_takers_wait_for_an_item():
    """Of many who wait, each item wakes one."""
    queue = FairQueue()
    takers = [asyncio.create_task(queue.take()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.put("a", "a1")
    queue.put("a", "a2")
    assert {item for _, item in await asyncio.gather(*takers)} == {"a1", "a2"}

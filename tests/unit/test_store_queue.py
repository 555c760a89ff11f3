"""Whose turn it is at the vector store."""

import asyncio

from vectorstore.store_queue import Job, StoreQueue


def job(kind: str, business: str, name: str) -> Job:
    return Job(kind, business, {"name": name}, b"", asyncio.get_running_loop().create_future(), 0.0)


async def order(queue: StoreQueue) -> list[str]:
    return [(await queue.next()).header["name"] for _ in range(len(queue))]


async def test_queries_first() -> None:
    """A query goes before every write that waits, queries among themselves as they came."""
    queue = StoreQueue()
    for waiting in (job("add", "a", "w1"), job("query", "a", "q1"), job("delete", "b", "w2"), job("query", "b", "q2")):
        queue.put(waiting)
    assert await order(queue) == ["q1", "q2", "w1", "w2"]


async def test_businesses_in_turn() -> None:
    """A business with a hundred writes waiting delays another one's write by one."""
    queue = StoreQueue()
    for n in range(3):
        queue.put(job("add", "large", f"large{n}"))
    queue.put(job("add", "small", "small0"))
    queue.put(job("add", "small", "small1"))
    assert await order(queue) == ["large0", "small0", "large1", "small1", "large2"]


async def test_turns_while_it_works() -> None:
    """A business that puts its next slice when the last is done goes to the end of the round."""
    queue = StoreQueue()
    queue.put(job("add", "large", "large0"))
    queue.put(job("add", "small", "small0"))
    assert (await queue.next()).header["name"] == "large0"
    queue.put(job("add", "large", "large1"))
    assert await order(queue) == ["small0", "large1"]


async def test_withdrawn() -> None:
    """A job whose caller has gone is not done."""
    queue = StoreQueue()
    gone, stays = job("add", "a", "gone"), job("add", "a", "stays")
    queue.put(gone)
    queue.put(stays)
    gone.done.cancel()
    assert (await queue.next()).header["name"] == "stays"


async def test_waits_for_work() -> None:
    """An empty queue gives nothing until something comes."""
    queue = StoreQueue()
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.put(job("query", "a", "q"))
    assert (await waiting).header["name"] == "q"


async def test_writes_wait_while_the_store_rests() -> None:
    """A question goes at once; the write that came before it goes when the rest is over."""
    queue = StoreQueue()
    queue.rest(0.02)
    queue.put(job("add", "a", "w1"))
    queue.put(job("query", "a", "q1"))
    assert await order(queue) == ["q1", "w1"]

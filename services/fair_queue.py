"""A queue that is fair between businesses: one who uploads a hundred files does not make another wait for them."""

import asyncio
from collections import OrderedDict, deque


class FairQueue:
    """Items by business; `take` goes round the businesses, oldest item first within one."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, deque[str]] = OrderedDict()
        self._filled = asyncio.Event()

    def put(self, business_id: str, item: str) -> None:
        self._items.setdefault(business_id, deque()).append(item)
        self._filled.set()

    async def take(self) -> tuple[str, str]:
        """Business and item; waits for one."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        business_id, items = self._items.popitem(last=False)
        item = items.popleft()
        if items:
            self._items[business_id] = items
        return business_id, item

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))

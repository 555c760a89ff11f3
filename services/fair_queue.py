"""A queue that is fair between businesses: one who uploads a hundred files does not make another wait for them."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable


class FairQueue:
    """Items by business; `take` goes round the businesses, oldest item first within one."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, deque[str]] = OrderedDict()
        self._filled = asyncio.Event()

    def put(self, business_id: str, item: str) -> None:
        self._items.setdefault(business_id, deque()).append(item)
        self._filled.set()

    async def take(self, may: Callable[[str], bool] = lambda _: True) -> tuple[str, str]:
        """Business and item; waits for one of a business that `may` have its turn. `look` tells that more may."""
        while (business_id := next(filter(may, self._items), None)) is None:
            self._filled.clear()
            await self._filled.wait()
        items = self._items.pop(business_id)
        item = items.popleft()
        if items:
            self._items[business_id] = items
        return business_id, item

    def look(self) -> None:
        """Ask again who may have a turn."""
        self._filled.set()

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))

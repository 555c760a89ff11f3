"""The daily budget: what models cost is added up by business and day (UTC), kept on disk, and held against a limit.

What was spent is written once a second and when the program ends; a crash loses at most the last second of it. Calls
that are under way are not foreseen: the limit may be passed by what they cost.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from agents.ports import Usage
from database.clock import Clock
from database.engine import Database
from database.model_spending import Spending, add_spending, spent_on

logger = logging.getLogger(__name__)

WRITE_SECONDS = 1.0


class ModelBudget:
    """`daily_usd` 0 is no limit: spending is recorded all the same."""

    def __init__(self, database: Database, clock: Clock, *, daily_usd: float) -> None:
        self._database = database
        self._clock = clock
        self._daily_usd = daily_usd
        self._day = ""
        self._spent: dict[str, float] = {}
        self._told: set[str] = set()
        self._unwritten: dict[tuple[str, str, str], Spending] = {}
        self._dirty = asyncio.Event()
        self._closing = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(cls, database: Database, clock: Clock, *, daily_usd: float) -> "AsyncIterator[ModelBudget]":
        """A budget that knows what was spent today before; at the end everything is on disk."""
        budget = cls(database, clock, daily_usd=daily_usd)
        budget._turn_page()
        budget._spent = await database.read(spent_on(budget._day))
        writing = asyncio.create_task(budget._serve(), name="write what models cost")
        try:
            yield budget
        finally:
            budget._closing.set()
            await writing

    def allows(self, business_id: str) -> bool:
        """Whether the business may call a model now. Says so in the log when it may not, once a day."""
        self._turn_page()
        if not self._daily_usd or self._spent.get(business_id, 0.0) < self._daily_usd:
            return True
        if business_id not in self._told:
            self._told.add(business_id)
            logger.warning("business %s has spent its daily budget: built-in answers until midnight UTC", business_id)
        return False

    def charge(self, business_id: str, usage: Usage) -> None:
        """A model was called for the business."""
        self._turn_page()
        self._spent[business_id] = self._spent.get(business_id, 0.0) + usage.cost_usd
        self._note(
            Spending(
                business_id,
                self._day,
                usage.model or "",
                1,
                usage.input_tokens,
                usage.output_tokens,
                usage.cost_usd,
            )
        )

    @property
    def businesses_without_money(self) -> int:
        """How many businesses have spent their budget today."""
        self._turn_page()
        return sum(spent >= self._daily_usd for spent in self._spent.values()) if self._daily_usd else 0

    def _turn_page(self) -> None:
        day = datetime.fromtimestamp(self._clock.now() / 1000, UTC).date().isoformat()
        if day != self._day:
            self._day, self._spent = day, {}
            self._told.clear()

    def _note(self, more: Spending) -> None:
        key = (more.business_id, more.day, more.model)
        noted = self._unwritten.get(key)
        self._unwritten[key] = more if noted is None else _sum(noted, more)
        self._dirty.set()

    async def _serve(self) -> None:
        while not self._closing.is_set():
            await _first(self._dirty.wait(), self._closing.wait())
            await _first(self._clock.sleep(WRITE_SECONDS), self._closing.wait())
            self._dirty.clear()
            await self._write()
        await self._write()  # what came while the last was on its way

    async def _write(self) -> None:
        spent, self._unwritten = list(self._unwritten.values()), {}
        if not spent:
            return
        try:
            await self._database.write(add_spending(spent))
        except Exception:
            # the edge of a loop that must not die: the money is noted again, and written with the next
            logger.exception("what models cost could not be written")
            for each in spent:
                self._note(each)


def _sum(one: Spending, other: Spending) -> Spending:
    return replace(
        one,
        calls=one.calls + other.calls,
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cost_usd=one.cost_usd + other.cost_usd,
    )


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when the first of them is over."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()

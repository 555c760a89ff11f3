"""Turns at web sites: one reader at a time, and the pauses between."""

import asyncio

from services.site_turns import SiteTurns
from tests.fakes.fake_clock import FakeClock, settle


async def test_a_site_is_read_by_one_at_a_time_with_its_pause_between():
    """Who waits goes on when the pause is over; another site is not waited for."""
    clock, read = FakeClock(), []
    turns = SiteTurns(clock)

    async def reader(site, name):
        async with turns.turn(site):
            await turns.wait(site)
            read.append((name, clock.monotonic()))
            turns.rest(site, 5.0)

    readers = [asyncio.create_task(reader(site, name)) for site, name in (("a", 1), ("a", 2), ("b", 3))]
    await settle()
    assert read == [(1, 0.0), (3, 0.0)]
    await clock.advance(5)
    await asyncio.gather(*readers)
    assert read[2:] == [(2, 5.0)]


async def test_a_site_that_wants_no_pause_any_more_is_not_waited_for():
    """What it wanted last counts."""
    clock = FakeClock()
    turns = SiteTurns(clock)
    turns.rest("a", 5.0)
    turns.rest("a", 0.0)
    await turns.wait("a")
    assert clock.sleepers == 0

"""A number that Meta has stopped is tried ever less often, however Meta says no."""

import pytest

from services.number_pauses import LONGEST_PAUSE_SECONDS, NumberPauses
from tests.fakes.fake_clock import FakeClock

NUMBER = "4711"
FIRST_SECONDS = 60.0


@pytest.fixture
def pauses(clock: FakeClock) -> NumberPauses:
    return NumberPauses(clock, FIRST_SECONDS)


async def taken_after_the_pause(pauses: NumberPauses, clock: FakeClock) -> None:
    await clock.advance(pauses.wait_seconds(NUMBER))
    pauses.try_one(NUMBER)
    assert pauses.works(NUMBER)


async def test_a_try_that_is_taken_and_refused_later_doubles_the_pause(pauses: NumberPauses, clock: FakeClock) -> None:
    """Meta's 200 does not start the pauses over when a webhook says, seconds later, that the number is stopped."""
    lengths = []
    for _ in range(8):
        pauses.stop(NUMBER, "told by a webhook")
        lengths.append(pauses.wait_seconds(NUMBER))
        await taken_after_the_pause(pauses, clock)
        await clock.advance(5)
    assert lengths == [60, 120, 240, 480, 960, 1920, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]


async def test_trouble_that_comes_much_later_is_new(pauses: NumberPauses, clock: FakeClock) -> None:
    """A number that worked for longer than it had been stopped starts with the shortest pause again."""
    pauses.stop(NUMBER, "told by a webhook")
    await taken_after_the_pause(pauses, clock)
    await clock.advance(FIRST_SECONDS + 1)
    pauses.stop(NUMBER, "told by a webhook")
    assert pauses.wait_seconds(NUMBER) == FIRST_SECONDS


async def test_what_was_under_way_when_a_pause_began_does_not_end_it(pauses: NumberPauses, clock: FakeClock) -> None:
    """A message that went before the stop and is taken after it proves nothing: the number stays stopped."""
    pauses.stop(NUMBER, "told by a webhook")
    assert not pauses.works(NUMBER)
    assert pauses.wait_seconds(NUMBER) == FIRST_SECONDS
    assert pauses.problems() == {NUMBER: "told by a webhook"}

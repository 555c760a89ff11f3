"""How fast we send."""

import itertools
import random

import pytest

from services.whatsapp.rate_limits import NumberRate, PairRate
from tests.fakes.fake_clock import FakeClock


async def test_a_number_never_sends_more_than_its_rate(clock: FakeClock):
    """No message goes when it would be more than the 80th of its second, in and out together; none waits in vain."""
    rate, dice = NumberRate(80, clock), random.Random(4)
    moments: list[float] = []
    while clock.monotonic() < 5:
        if dice.random() < 0.1:
            rate.count_inbound(1)
            moments.append(clock.monotonic())
        if not rate.reserve():
            moments.append(clock.monotonic())
            assert sum(moment > clock.monotonic() - 0.999 for moment in moments) <= 80
        await clock.advance(0.005)
    assert len(moments) >= 5 * 80


async def test_the_wait_is_exact(clock: FakeClock):
    """Who waits as long as told may go then, and could not have gone before."""
    rate = NumberRate(2, clock)
    assert rate.reserve() == 0
    await clock.advance(0.25)
    assert rate.reserve() == 0
    wait = rate.reserve()
    assert wait == pytest.approx(0.75)
    await clock.advance(wait - 0.01)
    assert rate.wait_seconds() > 0
    await clock.advance(0.01)
    assert rate.wait_seconds() == 0
    assert rate.reserve() == 0
    assert rate.reserve() == pytest.approx(0.25)


async def test_what_comes_in_counts_but_cannot_stop_replies(clock: FakeClock):
    """A flood of inbound messages slows replies to a tenth of the rate and no further, and is forgotten in a second."""
    rate = NumberRate(80, clock)
    sent = 0
    for _ in range(1_000):
        rate.count_inbound(20)
        sent += not rate.reserve()
        await clock.advance(0.01)
    assert 70 <= sent <= 90
    await clock.advance(1.001)
    assert sum(not rate.reserve() for _ in range(100)) == 80


async def test_inbound_after_a_full_second_waits_for_both(clock: FakeClock):
    """Messages that come in while the rate is used up put the next reply off, but not beyond a second."""
    rate = NumberRate(10, clock)
    assert not any(rate.reserve() for _ in range(10))
    await clock.advance(0.5)
    rate.count_inbound(1_000_000)
    assert rate.reserve() == pytest.approx(0.5)
    await clock.advance(0.5)
    assert rate.reserve() == 0
    assert rate.reserve() == pytest.approx(0.5)


async def test_rates_below_one_a_second(clock: FakeClock):
    """A slow rate spaces single messages."""
    rate = NumberRate(0.5, clock)
    rate.count_inbound(5)
    assert rate.reserve() == 0
    assert rate.reserve() == pytest.approx(2)


async def test_a_burst_of_45_borrows_from_the_future(clock: FakeClock):
    """45 messages at once go, the 46th waits until one is paid for; other customers do not (WHATSAPP.md 6)."""
    pairs = PairRate(clock)
    assert not any(pairs.reserve("ana") for _ in range(45))
    assert pairs.reserve("ana") == pytest.approx(6)
    assert pairs.wait_seconds("ben") == 0
    assert pairs.reserve("ben") == 0
    await clock.advance(6)
    assert pairs.reserve("ana") == 0
    assert pairs.reserve("ana") == pytest.approx(6)


async def test_a_quick_dialogue_does_not_wait(clock: FakeClock):
    """Somebody who writes every two seconds for a minute gets every reply at once."""
    pairs = PairRate(clock)
    for _ in range(30):
        assert pairs.reserve("ana") == 0
        await clock.advance(2)


async def test_one_every_six_seconds_goes_for_ever(clock: FakeClock):
    """A steady dialogue at the allowed pace never waits."""
    pairs = PairRate(clock)
    for _ in range(100):
        assert pairs.reserve("ana") == 0
        await clock.advance(6)


async def test_the_average_pace_holds_whatever_is_tried(clock: FakeClock):
    """Over any time no more goes to a customer than one in six seconds and one burst."""
    pairs, dice, sent = PairRate(clock), random.Random(7), 0
    while clock.monotonic() < 3_000:
        sent += not pairs.reserve("ana")
        await clock.advance(dice.choice([0.01, 0.5, 7.0]))
    assert 450 <= sent <= 500 + 45


async def test_a_refusal_backs_off_four_times_longer_each_time(clock: FakeClock):
    """After 131056 the waits are 1, 4, 16 seconds, and 1 again once a message was taken."""
    pairs = PairRate(clock)
    waits = []
    for _ in range(3):
        waits.append(pairs.refused("ana"))
        await clock.advance(waits[-1] - 0.5)
        assert pairs.reserve("ana") == pytest.approx(0.5)
        await clock.advance(0.5)
    assert waits == [1, 4, 16]
    assert pairs.reserve("ana") == 0
    pairs.accepted("ana")
    await clock.advance(6)
    assert pairs.refused("ana") == 1


async def test_refusals_do_not_grow_without_end(clock: FakeClock):
    """The wait stays below an hour and a quarter, so that a customer is not given up."""
    pairs = PairRate(clock)
    assert max(pairs.refused("ana") for _ in range(50)) == 4_096


async def test_asking_takes_nothing(clock: FakeClock):
    """A message that waits for another reason costs the customer no burst."""
    pairs, number = PairRate(clock), NumberRate(1, clock)
    assert not any(pairs.wait_seconds("ana") + number.wait_seconds() for _ in range(500))
    assert len(pairs) == 0


async def test_idle_customers_are_forgotten(clock: FakeClock):
    """Memory holds those who owe time, not all who ever wrote."""
    pairs, names = PairRate(clock), map(str, itertools.count())
    for _ in range(50):
        for name in itertools.islice(names, 200):
            pairs.reserve(name)
        await clock.advance(6)
    assert len(pairs) <= 1_200

"""The circuit breaker's three states."""

from agents.circuit_breaker import BreakerState, CircuitBreaker, Permit
from tests.fakes.fake_clock import FakeClock


def made(failures: int = 3) -> tuple[CircuitBreaker, FakeClock]:
    clock = FakeClock()
    return CircuitBreaker(clock, failures=failures, seconds=10.0), clock


def admitted(breaker: CircuitBreaker) -> Permit:
    permit = breaker.admit()
    assert permit is not None
    return permit


def is_now(breaker: CircuitBreaker, state: BreakerState) -> bool:
    return breaker.state is state


def test_only_failures_in_a_row_open_it() -> None:
    """A server that answers now and then is asked on."""
    breaker, _ = made()
    for _ in range(5):
        admitted(breaker).failed()
        admitted(breaker).failed()
        admitted(breaker).succeeded()
    assert is_now(breaker, BreakerState.CLOSED)
    for _ in range(3):
        admitted(breaker).failed()
    assert is_now(breaker, BreakerState.OPEN)
    assert breaker.admit() is None


async def test_one_probe_at_a_time() -> None:
    """After its time a single call finds out for all of them."""
    breaker, clock = made(failures=1)
    admitted(breaker).failed()
    await clock.advance(10)
    probe = admitted(breaker)
    assert breaker.admit() is None
    probe.succeeded()
    assert is_now(breaker, BreakerState.CLOSED)
    assert breaker.admit() is not None


async def test_failed_probes_make_the_pauses_longer() -> None:
    """Twice as long each time, up to eight times; one success forgets it."""
    breaker, clock = made(failures=1)
    admitted(breaker).failed()
    for factor in (1, 2, 4, 8, 8):
        await clock.advance(10 * factor - 1)
        assert breaker.admit() is None
        await clock.advance(1)
        admitted(breaker).failed()
    await clock.advance(80)
    admitted(breaker).succeeded()
    admitted(breaker).failed()
    await clock.advance(10)
    assert breaker.admit() is not None


async def test_a_probe_that_was_given_up_lets_another_one_try() -> None:
    """A customer who was superseded in the middle of a probe does not leave the model closed for ever."""
    breaker, clock = made(failures=1)
    admitted(breaker).failed()
    await clock.advance(10)
    admitted(breaker).withdrawn()
    assert breaker.admit() is not None


async def test_late_news_of_another_time_is_no_news() -> None:
    """A slow call from before does neither close the breaker nor fail its probe."""
    breaker, clock = made(failures=1)
    slow, slower = admitted(breaker), admitted(breaker)
    admitted(breaker).failed()
    slow.succeeded()
    assert is_now(breaker, BreakerState.OPEN)
    await clock.advance(10)
    probe = admitted(breaker)
    slower.failed()
    assert is_now(breaker, BreakerState.HALF_OPEN)
    probe.succeeded()
    assert is_now(breaker, BreakerState.CLOSED)

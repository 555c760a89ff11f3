"""How long a burst is waited for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.records import InboundMessage
from services.message_batcher import BatchWindow

WINDOW = BatchWindow(quiet_seconds=1.0, max_seconds=6.0)
NOW = 1_760_000_000_000


def typed(text: str, button_id: str | None = None) -> InboundMessage:
    return InboundMessage(
        wamid="wamid.1", phone_number_id="1", type="text", sent_at=NOW, text=text, button_id=button_id
    )


def wait(text: str, *, pause: int | None = None, burst_began: int = 0) -> int:
    """Milliseconds, for a message that came `burst_began` after its burst's first one."""
    return WINDOW.due_at(NOW, NOW - burst_began, typed(text), pause) - NOW


@pytest.mark.parametrize("text", ["When do you open?", "I would like to know when you open", "何時に開きますか"])
def test_what_looks_whole_waits_for_the_quiet_time(text: str) -> None:
    """Nobody waits longer than need be for an answer to a whole question, with or without its mark."""
    assert wait(text) == 1000


@pytest.mark.parametrize("text", ["", "hi", "one question", "I would like to order a cake, two pies,", "請問,"])
def test_what_looks_unfinished_waits_longer(text: str) -> None:
    """A picture, a greeting, a few words, an enumeration: the rest is on its way."""
    assert wait(text) == 3000


def test_who_types_quickly_is_waited_for() -> None:
    """Somebody who wrote two lines within two seconds gets the time for a third one."""
    assert wait("When do you open on Saturdays?", pause=2000, burst_began=2000) == 4000


@pytest.mark.parametrize("pause", [0, -5000, 11_000, 3_600_000])
def test_a_pause_that_means_nothing_changes_nothing(pause: int) -> None:
    """Messages out of order, and messages long after one another, say nothing about the next."""
    assert wait("When do you open on Saturdays?", pause=pause) == 1000


def test_a_button_says_all() -> None:
    """Whoever presses a button is answered at once."""
    assert WINDOW.due_at(NOW, NOW, typed("Yes", button_id="yes")) == NOW


@given(st.text(max_size=30), st.none() | st.integers(-10_000, 100_000), st.integers(0, 20_000), st.floats(0.05, 5.0))
def test_the_bounds_hold_for_any_text(text: str, pause: int | None, burst_began: int, quiet_seconds: float) -> None:
    """Never before the quiet time is over, never after the hard cap, and never in the past."""
    window = BatchWindow(quiet_seconds, 6.0)
    due_at = window.due_at(NOW, NOW - burst_began, typed(text), pause)
    latest = max(NOW - burst_began + 6000, NOW)
    assert NOW <= due_at <= latest
    assert due_at >= min(NOW + int(quiet_seconds * 1000), latest)

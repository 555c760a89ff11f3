"""`make load` runs: both designs answer the same crowd."""

import pytest

from tests.load.__main__ import rows_of, run
from tests.load.crowd import Play
from tests.load.knowledge import lighthouses
from tests.load.timings import Typing

pytestmark = pytest.mark.blocking_allowed  # starts processes


async def test_both_designs_answer_the_crowd():
    """Everybody is answered once by both, from the same knowledge; the table has a column for each."""
    subject = lighthouses(40, 40)
    play = Play(3, 8.0, 10.0, 1, Typing("the test", ((), (2.0,))), subject.questions)
    both = await run(play, subject)
    for figures in both:
        assert figures.spoken.questions
        assert figures.answered == len(figures.spoken.written)
        assert figures.found >= len(figures.question_waits) > 0
        assert figures.doubled == 0
        assert figures.memory.looks
    table = rows_of(*both)
    assert {len(row) for row in table} == {3}

"""The parts of `make load` that turn times into figures."""

import random
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest

from database.records import InboundMessage
from services.message_batcher import BatchWindow
from tests.load import timings
from tests.load.crowd import REMARKS
from tests.load.designs import at_share, quantile, replies_of
from tests.load.knowledge import lighthouses
from tests.load.memory import Memory
from tests.load.plain_server import OWN, ranked

WAIT = ("concierge_vector_lock_wait_seconds", "query")
FOREVER = float("inf")


def test_built_in_gaps_have_the_quartiles_of_the_data(tmp_path: Path):
    """Without the data people type with the same quartiles: 10, 23 and 50 seconds, half of the bursts alone."""
    typing = timings.load_typing(tmp_path)
    assert "built-in" in typing.source
    gaps = [gap for burst in typing.bursts for gap in burst]
    assert quantiles(gaps, n=4) == pytest.approx([10, 23, 50], rel=0.2)
    assert sum(not burst for burst in typing.bursts) / len(typing.bursts) == pytest.approx(0.52, abs=0.05)


def test_speed_shortens_the_gaps():
    """Five times as fast is a fifth of the wait."""
    typing = timings.Typing("test", ((10.0, 20.0),))
    assert typing.burst(random.Random(1), 5) == (2.0, 4.0)


def test_a_histogram_gives_quantiles_of_what_came_meanwhile():
    """What was counted before does not count; between two bounds the line is straight."""
    before = {WAIT: {0.1: 100.0, 1.0: 100.0, FOREVER: 100.0}}
    after = {WAIT: {0.1: 110.0, 1.0: 120.0, FOREVER: 120.0}}
    assert quantile(before, after, WAIT, 0.5) == pytest.approx(0.1)
    assert quantile(before, after, WAIT, 0.75) == pytest.approx(0.55)
    assert quantile({}, {}, WAIT, 0.5) == 0.0


def test_shares_of_a_list():
    """The 95th of a hundred, the last of all, and nothing of nothing."""
    assert at_share([float(n) for n in range(100)], 0.95) == 95
    assert at_share([1.0, 2.0], 1.0) == 2
    assert at_share([], 0.5) == 0


def test_the_slope_is_that_of_the_second_half():
    """Warming up is no leak: 1 MB a second from the middle on is 3,600 an hour."""
    looks = [(float(n), 500.0) for n in range(10)] + [(float(n), 100.0 + n) for n in range(10, 20)]
    memory = Memory(looks)
    assert memory.slope == pytest.approx(3600)
    assert memory.last_mb == 119


def test_lighthouses_know_their_answers():
    """Each question asks for a lamp of one file, and the upload repeats none."""
    subject = lighthouses(80, 40)
    assert len(subject.files) == len(subject.questions) == 2
    assert "lighthouse 0001-00 burns" in subject.files[1][1]
    assert len(subject.upload) == 40
    assert not any(text in content for text in subject.upload for _, content in subject.files)


def test_a_reply_that_was_not_sent_answers_nothing():
    """What WhatsApp gave no id for counts as unanswered."""
    rows: list[dict[str, Any]] = [
        {"asked": "a", "said": "1", "outcome": "answered"},
        {"asked": "b", "said": None, "outcome": "answered"},
        {"asked": "c", "said": "2", "outcome": "no_answer"},
    ]
    assert replies_of(rows) == ({"a": "1", "c": "2"}, {"1"})


def test_the_plain_designs_own_uploads_take_no_place():
    """What it cannot show does not push out what it can."""
    by_vector = {f"{OWN}1-{row}": 0.9 for row in range(5)} | {"near": 0.8, "far": 0.1}
    assert {key for key, _ in ranked(by_vector, {"far": 1.0}, 2)} == {"near", "far"}


def test_remarks_make_the_batcher_wait_as_often_as_real_ones():
    """A sixth of real lines that another follows is short or unfinished (170 of 1,003); no more of ours are."""
    window = BatchWindow()
    longer = [text for text in REMARKS if window.due_at(0, 0, line(text)) > 1000 * window.quiet_seconds]
    assert len(longer) / len(REMARKS) == pytest.approx(0.17, abs=0.06)
    assert sum(text.endswith("?") for text in REMARKS) / len(REMARKS) == pytest.approx(0.14, abs=0.06)


def line(text: str) -> InboundMessage:
    return InboundMessage("wamid.1", "106540352242922", "text", 0, phone="4915100000001", text=text)

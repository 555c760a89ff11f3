"""Cron expressions mean what cron means by them."""

from datetime import UTC, datetime

import pytest

from services.snapshots.schedule import Schedule

SUNDAY = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def following(expression: str, after: datetime = SUNDAY) -> datetime:
    found = Schedule(expression).following(int(after.timestamp() * 1000))
    assert found is not None
    return datetime.fromtimestamp(found / 1000, UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 3 * * *", "Mon 2026-11-23 03:00"),
        ("0 3 * * 0", "Sun 2026-11-29 03:00"),
        ("0 3 * * 7", "Sun 2026-11-29 03:00"),
        ("0 3 * * 1-5", "Mon 2026-11-23 03:00"),
        ("0 3 * * 6,0", "Sat 2026-11-28 03:00"),
        ("0 3 * * fri", "Fri 2026-11-27 03:00"),
        ("*/15 * * * *", "Sun 2026-11-22 04:15"),
        ("30 2 1 * *", "Tue 2026-12-01 02:30"),
    ],
)
def test_the_next_instant(expression, expected):
    """Days of the week count from Sunday, as cron's do and APScheduler's do not; times are UTC."""
    assert f"{following(expression):%a %Y-%m-%d %H:%M}" == expected


def test_an_instant_is_not_its_own_successor():
    """What was due now is next due the next time."""
    assert following("0 4 * * *") == datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    ["", "daily", "@daily", "0 3 * *", "61 3 * * *", "0 3 * * 8", "0 3 * * 5-2", "0 0 31 2 *", "0 3 * * * *"],
)
def test_what_is_no_schedule_is_refused(expression):
    """A sentence about what it must look like, at the start and not at night."""
    with pytest.raises(ValueError, match=r"must|never"):
        Schedule(expression)

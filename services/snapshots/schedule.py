"""When snapshots are due: a cron expression of five fields, in UTC."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

_FIELDS = 5
# cron counts the days of the week from Sunday, 0 or 7; APScheduler's own numbers begin with Monday
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_PART = re.compile(r"(?P<first>[0-7])(?:-(?P<last>[0-7]))?(?:/(?P<step>[1-7]))?")


class Schedule:
    """The instants of a cron expression. Raises ValueError, saying what is wrong, for one that is none."""

    def __init__(self, expression: str) -> None:
        self._trigger = _trigger(expression)

    def following(self, at: int) -> int | None:
        """The first instant after `at`; None when there is none any more. Both in epoch milliseconds."""
        after = datetime.fromtimestamp((at // 1000) + 1, UTC)
        found = self._trigger.get_next_fire_time(None, after)
        return None if found is None else int(found.timestamp() * 1000)


def _trigger(expression: str) -> "CronTrigger":
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - settings are read by commands that need none

    fields = expression.split()
    if len(fields) != _FIELDS:
        raise ValueError("must have five fields: minute, hour, day, month, day of the week, like 0 3 * * *")
    try:
        trigger = CronTrigger.from_crontab(" ".join([*fields[:4], _weekdays(fields[4])]), timezone=UTC)
    except (ValueError, TypeError):
        raise ValueError(
            "must be a cron expression like 0 3 * * * (minute, hour, day, month, day of the week)"
        ) from None
    if trigger.get_next_fire_time(None, datetime(2000, 1, 1, tzinfo=UTC)) is None:
        raise ValueError("names a day that never comes")
    return trigger


def _weekdays(field: str) -> str:
    """The field of week days with names for numbers: "1-5" becomes mon,tue,wed,thu,fri."""
    return ",".join(_named(part) for part in field.split(","))


def _named(part: str) -> str:
    found = _DAY_PART.fullmatch(part)
    if found is None:
        return part
    first = int(found["first"])
    last = int(found["last"]) if found["last"] else (6 if found["step"] else first)
    days = _DAYS[first : last + 1 : int(found["step"] or 1)]
    if not days:
        raise ValueError("a range that ends before it begins")
    return ",".join(dict.fromkeys(days))

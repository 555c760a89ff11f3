"""Pages of lists: `?limit=&cursor=`, with cursors that say nothing to anybody else."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from aiohttp import web

from bot.api.problems import ProblemError, unusable

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 100

T = TypeVar("T")
Place = tuple[int | str, ...]


def page_limit(request: web.Request, most: int = LARGEST_LIMIT) -> int:
    """How many entries the caller wants: 1 to `most`, 50 unless said. Raises a 422 problem."""
    given = request.query.get("limit", str(min(DEFAULT_LIMIT, most)))
    if not re.fullmatch(r"[0-9]{1,5}", given) or not 1 <= int(given) <= most:
        raise unusable("limit", f"must be a whole number from 1 to {most}", "The limit cannot be used.")
    return int(given)


def cut_page(found: Sequence[T], limit: int, place: Callable[[T], Place]) -> tuple[Sequence[T], str | None]:
    """The first `limit` of what was found, and the cursor after them; None where no more was found."""
    page = found[:limit]
    return page, encode_cursor(*place(page[-1])) if len(found) > limit else None


def page_cursor(request: web.Request) -> str | None:
    """The cursor as it came; empty means none."""
    return request.query.get("cursor") or None


def bad_cursor() -> ProblemError:
    """For a cursor that was not ours."""
    wanted = "must be the next_cursor of the page before, unchanged"
    return unusable("cursor", wanted, "The cursor cannot be used.")


def cursor_id(request: web.Request) -> str | None:
    """The id that the page before ended with. Raises a 422 problem."""
    cursor = page_cursor(request)
    return str(decode_cursor(cursor, str)[0]) if cursor else None


def cursor_number(request: web.Request) -> int:
    """The number that the page before ended with; 0 for the first page. Raises a 422 problem."""
    cursor = page_cursor(request)
    return int(decode_cursor(cursor, int)[0]) if cursor else 0


def cursor_time(request: web.Request) -> tuple[int, str] | None:
    """Time and id that the page before ended with. Raises a 422 problem."""
    cursor = page_cursor(request)
    if cursor is None:
        return None
    time, last = decode_cursor(cursor, int, str)
    return int(time), str(last)


def encode_cursor(*place: int | str) -> str:
    """A place in a list as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type[int] | type[str]) -> Place:
    """The place that encode_cursor was given, of these types. Raises a 422 problem."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise bad_cursor() from None
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise bad_cursor()
    if any(isinstance(part, int) and not 0 <= part < 2**63 for part in place):
        raise bad_cursor()
    return tuple(place)

"""Pages of lists: `?limit=&cursor=`, with cursors that say nothing to anybody else."""

import base64
import binascii
import json
import re
from http import HTTPStatus

from aiohttp import web

from bot.api.problems import ProblemError

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 100


def page_limit(request: web.Request) -> int:
    """How many entries the caller wants: 1 to 100, 50 unless said. Raises a 422 problem."""
    given = request.query.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch(r"[0-9]{1,3}", given) or not 1 <= int(given) <= LARGEST_LIMIT:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The limit cannot be used.",
            errors=[("limit", f"must be a whole number from 1 to {LARGEST_LIMIT}")],
        )
    return int(given)


def page_cursor(request: web.Request) -> str | None:
    """The cursor as it came; empty means none."""
    return request.query.get("cursor") or None


def bad_cursor() -> ProblemError:
    """For a cursor that was not ours."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The cursor cannot be used.",
        errors=[("cursor", "must be the next_cursor of the page before, unchanged")],
    )


def encode_cursor(*place: int | str) -> str:
    """A place in a list as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type[int] | type[str]) -> tuple[int | str, ...]:
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

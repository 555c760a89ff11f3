"""Stands before every /api/ path: who asks, how often, and that every error leaves as a problem document."""

import errno
import hmac
import logging
import math
import sqlite3
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.api.needs import API
from bot.api.problems import ProblemError, from_http, problem_response
from database.clock import Clock
from database.records import new_id

logger = logging.getLogger(__name__)

RATES: web.AppKey["KeyRates"] = web.AppKey("rates")
CALLER: web.RequestKey[str] = web.RequestKey("caller", str)
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


class KeyRates:
    """Requests a second for each key: a bucket that holds one second's worth."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str, requests_per_second: float) -> float:
        """Count a request; 0 when it may go on, otherwise the seconds after which one may."""
        now = self._clock.monotonic()
        room = max(requests_per_second, 1.0)
        left, then = self._buckets.get(key, (room, now))
        left = min(room, left + (now - then) * requests_per_second)
        if left < 1:
            self._buckets[key] = (left, now)
            return (1 - left) / requests_per_second
        self._buckets[key] = (left - 1, now)
        return 0.0


def key_of(request: web.Request, tokens: Mapping[str, str]) -> str | None:
    """The name of the key whose bearer token the request carries, or None. Takes equally long for every token."""
    headers = request.headers.getall("Authorization", [])
    scheme, _, given = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    presented = given.strip().encode("utf-8", "surrogateescape")
    found = None
    for name, token in tokens.items():
        same = hmac.compare_digest(presented, token.encode())
        if same and token and scheme.lower() == "bearer":
            found = name
    return found


def is_api(request: web.Request) -> bool:
    """Whether the request is for the API, known address or not."""
    return request.path == "/api" or request.path.startswith("/api/")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only known callers through to /api/, at their rate; turn every error into a problem."""
    if not is_api(request):
        return await handler(request)
    try:
        request[CALLER] = _admit(request)
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - the edge: an error of ours must not show its insides
        return _refusal(request, error)


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Answer `Expect: 100-continue` only when the body is welcome; otherwise nobody needs to send it."""
    if key_of(request, request.app[API].tokens) is None:
        return problem_response(_unauthorized())
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # what was written so far is not part of the answer
        request.writer.output_size = 0
    return None


def _admit(request: web.Request) -> str:
    needs = request.app[API]
    key = key_of(request, needs.tokens)
    if key is None:
        raise _unauthorized()
    wait = request.app[RATES].take(key, needs.requests_per_second)
    if wait > 0:
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many requests with this token.",
            headers={"Retry-After": str(max(1, math.ceil(wait)))},
        )
    return key


def _unauthorized() -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "Send the header Authorization: Bearer <token>, with a token that is valid here.",
        headers={"WWW-Authenticate": 'Bearer realm="concierge"'},
    )


def _is_full_disk(error: Exception) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in FULL_DISK


def _refusal(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, ProblemError):
        return problem_response(error)
    if isinstance(error, web.HTTPException):
        return problem_response(from_http(error))
    if _is_full_disk(error):
        return problem_response(ProblemError(HTTPStatus.INSUFFICIENT_STORAGE, "The server's disk is full."))
    number = new_id()
    logger.error("%s %s failed (%s)", request.method, request.rel_url.raw_path, number, exc_info=error)
    detail = "Something went wrong on our side. The server's log knows more under this instance."
    return problem_response(ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, detail), instance=f"urn:uuid:{number}")

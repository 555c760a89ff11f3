"""The door of the simulated Graph API: who may come in, which faults strike, and how a refusal is said."""

import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from aiohttp import web

from bot.simulator.account import MESSAGING
from bot.simulator.faults import FaultKind
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TRACE_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
TOKEN_EXPIRED = 463
UNREADABLE = (TypeError, ValueError, AttributeError, LookupError, OverflowError)
logger = logging.getLogger(__name__)
UNKNOWN_OBJECT = 33


class HangUpError(Exception):
    """The call gets no answer: its connection ends."""


class GraphDoor:
    """Guards every call of the business."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._authorization = f"Bearer {world.settings.access_token}".encode()
        self._app_authorization = f"Bearer {world.settings.app_id}|{world.settings.app_secret}".encode()

    def guarded(self, call: str, handler: Handler) -> Handler:
        """A handler behind token, faults and refusals. `call` is the name that faults know the call by.

        "subscriptions" wants the app's own token: its id and secret. The handler of "messages" asks `strike` itself,
        once it knows what the call is and whom it concerns.
        """

        @wraps(handler)
        async def guard(request: web.Request) -> web.StreamResponse:
            try:
                if call == "subscriptions":
                    self._check_app_token(request)
                else:
                    self._check_token(request)
                if call != "messages":
                    self.strike(call)
                return await handler(request)
            except HangUpError:
                return hung_up(request)
            except MetaRefusalError as refusal:
                return self._refused(refusal)
            except UNREADABLE as error:
                # A bare 500 would mean "perhaps taken" to a business: what no rule foresaw is a bad parameter, too.
                logger.warning("a call of %s could not be read: %s", call, type(error).__name__)
                return self._refused(MetaRefusalError(100, "Invalid parameter."))

        return guard

    def _refused(self, refusal: MetaRefusalError) -> web.StreamResponse:
        self._world.counts["refused"] += 1
        return answered(refusal.document(self.trace_id()), refusal.status)

    def strike(self, call: str, *customers: str) -> None:
        """Let the faults that take nothing happen. Raises HangUpError or MetaRefusalError."""
        faults = self._world.faults
        if faults.strikes(FaultKind.DOWN, *customers, call=call):
            raise HangUpError
        if refused := faults.strikes(FaultKind.REFUSED, *customers, call=call):
            raise MetaRefusalError(refused.code, "The simulator was asked to refuse this.")

    def trace_id(self) -> str:
        """A new `fbtrace_id`."""
        return "A" + "".join(self._world.dice.choices(TRACE_LETTERS, k=22))

    def check_scope(self, scope: str) -> None:
        """Refuse what the token has no permission for."""
        if scope not in self._world.account.scopes:
            code = 10 if scope == MESSAGING else 200
            raise MetaRefusalError(code, f"The access token has no permission {scope}.")

    def _check_app_token(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._app_authorization):
            raise MetaRefusalError(190, "Invalid OAuth access token signature.")

    def _check_token(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not given and "access_token" in request.query:
            given = b"Bearer " + request.query["access_token"].encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._authorization):
            raise MetaRefusalError(190, "The access token could not be decrypted.")
        if self._world.account.expired(self._world.clock.now()):
            raise MetaRefusalError(190, "Error validating access token: Session has expired.", TOKEN_EXPIRED)


def no_such_object(request: web.Request, name: str) -> MetaRefusalError:
    """What Graph says to an id that it does not know, or that the token may not see."""
    return MetaRefusalError(
        100,
        f"Unsupported {request.method.lower()} request. Object with ID '{name}' does not exist, cannot be loaded due "
        "to missing permissions, or does not support this operation",
        UNKNOWN_OBJECT,
    )


async def read_object(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request. Raises MetaRefusalError."""
    try:
        envelope = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise MetaRefusalError(100, "The body is not JSON.") from None
    if not isinstance(envelope, dict):
        raise MetaRefusalError(100, "The body is not an object.")
    return envelope


def answered(document: Any, status: int = 200) -> web.Response:
    """JSON as Graph sends it."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type="application/json")


def hung_up(request: web.Request) -> web.StreamResponse:
    """End the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()

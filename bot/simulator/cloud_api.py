"""The Graph API of the simulated WhatsApp: `POST /{version}/{phone_number_id}/messages` (WHATSAPP.md 4)."""

import hmac
import json
from typing import Any

from aiohttp import web

from bot.simulator.faults import Fault, FaultKind
from bot.simulator.message_taker import MessageTaker
from bot.simulator.refusals import MetaRefusalError, refusal_document
from bot.simulator.world import World

SERVER_ERROR = 500
TRACE_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"


class CloudApi:
    """Answers as Meta does, except for the faults that somebody asked for."""

    def __init__(self, world: World, taker: MessageTaker) -> None:
        self._world = world
        self._taker = taker
        self._authorization = f"Bearer {world.settings.access_token}".encode()

    def routes(self) -> list[web.RouteDef]:
        """What a business calls."""
        return [web.post(r"/{version:v\d+\.\d+}/{number_id}/messages", self._messages)]

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        faults = self._world.faults
        if faults.strikes(FaultKind.DOWN):
            return self._hung_up(request)
        body = await request.read()
        try:
            self._check_token(request)
            envelope = self._envelope(request, body)
            if envelope.get("status") == "read":
                return _json(self._taker.mark_read(envelope))
            if refused := faults.strikes(FaultKind.REFUSED):
                raise MetaRefusalError(refused.code, "The simulator was asked to refuse this.")
            return await self._send(request, envelope)
        except MetaRefusalError as refusal:
            self._world.counts["refused"] += 1
            return self._no(refusal.code, refusal.details, refusal.status)

    async def _send(self, request: web.Request, envelope: dict[str, Any]) -> web.StreamResponse:
        taken = self._taker.take(envelope)
        faults = self._world.faults
        if faults.strikes(FaultKind.STATUS_FIRST):
            await self._taker.report_now(taken)
        else:
            self._taker.report(taken)
        if faults.strikes(FaultKind.ANSWER_LOST):
            return self._hung_up(request)
        if fault := faults.strikes(FaultKind.ANSWER_500):
            return self._broken(fault)
        if slow := faults.strikes(FaultKind.SLOW):
            await self._world.clock.sleep(slow.seconds)
        return _json(taken.answer)

    def _check_token(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._authorization):
            raise MetaRefusalError(190, "The access token could not be decrypted.")

    def _envelope(self, request: web.Request, body: bytes) -> dict[str, Any]:
        if request.match_info["number_id"] != self._world.settings.phone_number_id:
            raise MetaRefusalError(33, "The phone number does not exist or may not be used with this token.")
        try:
            envelope = json.loads(body)
        except (ValueError, RecursionError):
            raise MetaRefusalError(100, "The body is not JSON.") from None
        if not isinstance(envelope, dict):
            raise MetaRefusalError(100, "The body is not an object.")
        return envelope

    def _no(self, code: int, details: str, status: int) -> web.Response:
        trace_id = "A" + "".join(self._world.dice.choices(TRACE_LETTERS, k=22))
        return _json(refusal_document(code, details, trace_id), status)

    def _broken(self, fault: Fault) -> web.Response:
        return self._no(fault.code, "The simulator took this and was asked to say so.", SERVER_ERROR)

    @staticmethod
    def _hung_up(request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


def _json(document: dict[str, Any], status: int = 200) -> web.Response:
    body = json.dumps(document, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type="application/json")

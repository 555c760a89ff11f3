"""The Graph API of the simulated WhatsApp: `POST /{version}/{phone_number_id}/messages` and `/{id}` (WHATSAPP.md 4)."""

from typing import Any

from aiohttp import web

from bot.simulator.account import MESSAGING
from bot.simulator.account_api import PREFIX, AccountApi
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.graph_door import GraphDoor, answered, hung_up, no_such_object, read_object
from bot.simulator.media_api import MediaApi
from bot.simulator.message_taker import MessageTaker
from bot.simulator.refusals import refusal_document
from bot.simulator.status_reporter import StatusReporter
from bot.simulator.template_api import TemplateApi
from bot.simulator.world import World

SERVER_ERROR = 500


class CloudApi:
    """Answers as Meta does, except for the faults that somebody asked for."""

    def __init__(self, world: World, taker: MessageTaker, reporter: StatusReporter) -> None:
        self._world = world
        self._taker = taker
        self._reporter = reporter
        self._door = GraphDoor(world)
        self._account = AccountApi(world, self._door)
        self._media = MediaApi(world, self._door)
        self._templates = TemplateApi(world, self._door)

    def routes(self) -> list[web.RouteDef]:
        """What a business calls."""
        return [
            web.post(PREFIX + "/{id}/messages", self._door.guarded("messages", self._messages)),
            *self._account.routes(),
            *self._media.routes(),
            *self._templates.routes(),
            web.get(PREFIX + "/{id}", self._door.guarded("node", self._node)),
            web.post(PREFIX + "/{id}", self._door.guarded("node", self._edit)),
            web.delete(PREFIX + "/{id}", self._door.guarded("node", self._delete)),
        ]

    async def _node(self, request: web.Request) -> web.StreamResponse:
        found = self._account.node(request) or self._media.node(request) or self._templates.node(request)
        if found is None:
            raise no_such_object(request, request.match_info["id"])
        return found

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        found = await self._templates.edit(request)
        if found is None:
            raise no_such_object(request, request.match_info["id"])
        return found

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        found = self._media.delete(request)
        if found is None:
            raise no_such_object(request, request.match_info["id"])
        return found

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["id"] != self._world.settings.phone_number_id:
            raise no_such_object(request, request.match_info["id"])
        envelope = await read_object(request)
        self._door.check_scope(MESSAGING)
        if envelope.get("status") == "read":
            self._door.strike("read_marks", *self._taker.reader(envelope))
            return answered(self._taker.mark_read(envelope))
        return await self._send(request, envelope)

    async def _send(self, request: web.Request, envelope: dict[str, Any]) -> web.StreamResponse:
        faults = self._world.faults
        addressee = self._taker.addressee(envelope)
        self._door.strike("messages", *addressee)
        taken, answer = self._taker.take(envelope)
        if faults.strikes(FaultKind.STATUS_FIRST, *addressee):
            await self._reporter.report_now(taken)
        else:
            self._reporter.report(taken)
        if faults.strikes(FaultKind.ANSWER_LOST, *addressee):
            return hung_up(request)
        if fault := faults.strikes(FaultKind.ANSWER_500, *addressee):
            return self._broken(fault)
        if slow := faults.strikes(FaultKind.SLOW, *addressee):
            await self._world.clock.sleep(slow.seconds)
        return answered(answer)

    def _broken(self, fault: Fault) -> web.Response:
        details = "The simulator took this and was asked to say so."
        return answered(refusal_document(fault.code, details, self._door.trace_id()), SERVER_ERROR)

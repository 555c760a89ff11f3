"""The simulator's script desk, by JSON: account, templates, and what customers do beyond writing and pressing."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from bot.simulator.guards import guarded
from bot.simulator.phone_actions import PhoneActions
from bot.simulator.template_api import decide
from bot.simulator.world import World

Action = Callable[[PhoneActions, dict[str, Any]], str | None]
ACTIONS: dict[str, Action] = {
    "location": lambda phone, asked: phone.sends_location(
        asked["customer"],
        float(asked["latitude"]),
        float(asked["longitude"]),
        name=asked.get("name"),
        address=asked.get("address"),
    ),
    "contacts": lambda phone, asked: phone.sends_contacts(
        asked["customer"], [(str(card["name"]), str(card["phone"])) for card in asked["cards"]]
    ),
    "reaction": lambda phone, asked: phone.reacts(asked["customer"], asked["wamid"], str(asked.get("emoji", ""))),
    "edit": lambda phone, asked: phone.edits(asked["customer"], asked["wamid"], str(asked["text"])),
    "revoke": lambda phone, asked: phone.revokes(asked["customer"], asked["wamid"]),
    "new_number": lambda phone, asked: phone.changes_number(asked["customer"], str(asked["phone"])).id,
    "marketing": lambda phone, asked: phone.prefers_marketing(asked["customer"], wanted=bool(asked["wanted"])),
}


class ScriptApi:
    """`GET` and `PATCH /simulator/account`, `POST /simulator/templates`, `/actions` and `/webhooks`."""

    def __init__(self, world: World, phone: PhoneActions) -> None:
        self._world = world
        self._phone = phone

    def routes(self) -> list[web.RouteDef]:
        """All guarded against other sites."""
        return [
            web.get("/simulator/account", guarded(self._account)),
            web.patch("/simulator/account", guarded(self._change_account)),
            web.post("/simulator/templates", guarded(self._decide)),
            web.post("/simulator/actions", guarded(self._act)),
            web.post("/simulator/webhooks", guarded(self._tell)),
        ]

    async def _account(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self._world.account.listed())

    async def _change_account(self, request: web.Request) -> web.StreamResponse:
        asked = await _asked(request)
        try:
            self._world.account.change(asked)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return await self._account(request)

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        """`{name, language, status, reason?}`."""
        asked = await _asked(request)
        name, language, status = (str(asked.get(key, "")) for key in ("name", "language", "status"))
        try:
            decide(self._world, name, language, status, str(asked.get("reason", "NONE")))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(status=204)

    async def _act(self, request: web.Request) -> web.StreamResponse:
        """`{"action": "location" | "reaction" | …, "customer": …}` and what the action takes; the wamid."""
        asked = await _asked(request)
        action = ACTIONS.get(str(asked.get("action")))
        if action is None:
            raise web.HTTPBadRequest(text=f"action is one of {', '.join(sorted(ACTIONS))}")
        try:
            done = action(self._phone, asked)
        except KeyError as error:
            raise web.HTTPBadRequest(text=f"this action needs {error.args[0]}") from error
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise web.HTTPBadRequest(text=f"this action cannot be done so: {error}") from error
        return web.json_response({"wamid": done})

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        """`{field, value}`: any update that is not about a message, posted as it is."""
        asked = await _asked(request)
        field, value = asked.get("field"), asked.get("value")
        if not isinstance(field, str) or field in {"", "messages", "statuses"} or not isinstance(value, dict):
            raise web.HTTPBadRequest(text="field is the update's name, value an object")
        self._world.tell_account(field, value)
        return web.Response(status=204)


async def _asked(request: web.Request) -> dict[str, Any]:
    try:
        asked = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="the body is not JSON") from None
    if not isinstance(asked, dict):
        raise web.HTTPBadRequest(text="the body is not an object")
    return asked

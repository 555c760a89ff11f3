"""What the chat page and tests ask of the simulator: write as a customer, watch, put faults in."""

import json
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.simulator.customer_side import CustomerSide
from bot.simulator.faults import FaultKind, read_fault
from bot.simulator.feed import as_event
from bot.simulator.guards import SECURITY_HEADERS, guarded
from bot.simulator.world import World

FOLDER = Path(__file__).parent
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {path.name: KINDS[path.suffix] for path in sorted(FOLDER.iterdir()) if path.suffix in KINDS}
SHOWN_CUSTOMERS = 50
TEXT_LIMIT = 4096
COPIES_LIMIT = 1000
NUMBER_DIGITS = 16
AGAIN = "retry: 500\n"  # milliseconds after which the page connects again


class ControlApi:
    """The page itself, its live feed, and what it may do. Everything is guarded against other sites."""

    def __init__(self, world: World, customers: CustomerSide) -> None:
        self._world = world
        self._customers = customers

    def routes(self) -> list[web.RouteDef]:
        """All under /simulator, and the page at /."""
        return [
            web.get("/", guarded(self._page)),
            web.get("/simulator/files/{name}", guarded(self._file)),
            web.get("/simulator/events", guarded(self._events)),
            web.get("/simulator/state", guarded(self._state)),
            web.get("/simulator/sent", guarded(self._sent)),
            web.post("/simulator/customers", guarded(self._add_customer)),
            web.post("/simulator/messages", guarded(self._say)),
            web.get("/simulator/faults", guarded(self._faults)),
            web.post("/simulator/faults", guarded(self._set_faults)),
            web.delete("/simulator/faults", guarded(self._clear_faults)),
        ]

    def snapshot(self) -> dict[str, Any]:
        """Everything that the page shows."""
        people = list(self._world.customers)[-SHOWN_CUSTOMERS:]
        settings = self._world.settings
        return {
            "business": {"name": settings.business_name, "phone": settings.display_phone_number},
            "knowledge": settings.server_url is not None,
            "suggestions": list(settings.suggestions),
            "customers": [person.shown() for person in people],
            "messages": [bubble.shown(person.id) for person in people for bubble in person.bubbles],
            "counts": dict(self._world.counts),
            "faults": self._world.faults.listed(),
        }

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(FOLDER / "page.html", headers=SECURITY_HEADERS | {"Content-Type": "text/html"})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in FILES:
            raise web.HTTPNotFound
        return web.FileResponse(FOLDER / name, headers=SECURITY_HEADERS | {"Content-Type": FILES[name]})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=SECURITY_HEADERS | {"Content-Type": "text/event-stream"})
        await response.prepare(request)
        with self._world.feed.listening() as events:
            try:
                await response.write((AGAIN + as_event("snapshot", self.snapshot())).encode())
                async for event in events:
                    await response.write(event.encode())
            except ConnectionError:
                pass  # the page was closed
        return response

    async def _state(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self.snapshot() | {"webhook_answers": self._world.webhooks.answered()})

    async def _sent(self, request: web.Request) -> web.StreamResponse:
        """Taken messages from number `after` on, and the number to ask for next."""
        after = request.query.get("after", "0")
        taken = self._world.counts["taken"]
        first = taken - len(self._world.sent)
        skipped = max(0, int(after) - first) if after.isdecimal() and len(after) < NUMBER_DIGITS else 0
        sent = [
            {
                "wamid": message.wamid,
                "customer": message.customer,
                "text": message.text,
                "attempt_id": message.attempt_id,
                "at": message.at,
            }
            for message in list(self._world.sent)[skipped:]
        ]
        return web.json_response({"sent": sent, "next": taken, "forgotten": first})

    async def _add_customer(self, request: web.Request) -> web.StreamResponse:
        asked = await _asked(request)
        address = _text(asked, "address")
        try:
            person = self._customers.meet(address or "", _text(asked, "name"), _text(asked, "username"))
        except ValueError as error:
            raise _bad(str(error)) from error
        return web.json_response(person.shown(), status=201)

    async def _say(self, request: web.Request) -> web.StreamResponse:
        asked = await _asked(request)
        try:
            wamid = self._press(asked) if "button_id" in asked else self._write(asked)
        except ValueError as error:
            raise _bad(str(error)) from error
        return web.json_response({"wamid": wamid})

    def _press(self, asked: dict[str, Any]) -> str:
        button_id, quoted = _text(asked, "button_id") or "", _text(asked, "quoted") or ""
        return self._customers.presses(_text(asked, "customer") or "", button_id, quoted=quoted)

    def _write(self, asked: dict[str, Any]) -> str:
        text = _text(asked, "text") or ""
        times, at = asked.get("times", 1), asked.get("at")
        if not text.strip() or len(text) > TEXT_LIMIT:
            raise _bad("text is 1 to 4096 characters")
        if type(times) is not int or not 1 <= times <= COPIES_LIMIT or type(at) not in {int, type(None)}:
            raise _bad("times is 1 to 1000, at is epoch milliseconds")
        customer, wamid, quoted = _text(asked, "customer") or "", _text(asked, "wamid"), _text(asked, "quoted")
        return self._customers.says(customer, [text], wamid=wamid, quoted=quoted, at=at, times=times)[0]

    async def _faults(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"faults": self._world.faults.listed()})

    async def _set_faults(self, request: web.Request) -> web.StreamResponse:
        listed = (await _asked(request)).get("faults")
        if not isinstance(listed, list):
            raise _bad("faults is a list")
        try:
            faults = [read_fault(value) for value in listed]
        except ValueError as error:
            raise _bad(str(error)) from error
        for fault in faults:
            self._world.faults.put(fault)
        self._tell_faults()
        return await self._faults(request)

    async def _clear_faults(self, request: web.Request) -> web.StreamResponse:
        """All of them, or those of one `?kind=`."""
        kind = request.query.get("kind")
        if kind is not None and kind not in set(FaultKind):
            raise _bad("kind is not a kind of fault")
        self._world.faults.clear(None if kind is None else FaultKind(kind))
        self._tell_faults()
        return web.Response(status=204)

    def _tell_faults(self) -> None:
        self._world.feed.tell("faults", {"faults": self._world.faults.listed()})


async def _asked(request: web.Request) -> dict[str, Any]:
    try:
        asked = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise _bad("the body is not JSON") from None
    if not isinstance(asked, dict):
        raise _bad("the body is not an object")
    return asked


def _text(asked: dict[str, Any], name: str) -> str | None:
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise _bad(f"{name} is text")
    return value


def _bad(sentence: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=sentence)

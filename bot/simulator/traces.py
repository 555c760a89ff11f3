"""Shows the chat page how the bot came to its replies; the admin token stays on this side."""

import re
from typing import Any

import aiohttp
from aiohttp import web

from bot.simulator.guards import guarded

TURN_ID = re.compile(r"[0-9a-f-]{36}")
ANSWER_SECONDS = 15.0
SHOWN_TURNS = "30"


class Traces:
    """`GET /simulator/turns?customer=` lists a customer's turns, the newest first; `/simulator/turns/{id}` is one.

    A customer is named by phone or BSUID. What is shown is the bot's own record, from the server's API.
    """

    def __init__(self, server_url: str, admin_token: str) -> None:
        self._api = f"{server_url}/api/v1"
        self._headers = {"Authorization": f"Bearer {admin_token}"}
        self._conversations: dict[str, str] = {}  # customer → conversation: they never change

    def routes(self) -> list[web.RouteDef]:
        """Both, guarded against other sites."""
        return [
            web.get("/simulator/turns", guarded(self._list)),
            web.get("/simulator/turns/{id}", guarded(self._one)),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        customer = request.query.get("customer", "").removeprefix("+")
        conversation = self._conversations.get(customer) or await self._conversation(customer)
        if conversation is None:
            return web.json_response({"turns": [], "next_cursor": None})
        page = await self._asked(f"/conversations/{conversation}/turns", {"limit": SHOWN_TURNS})
        return web.json_response(page)

    async def _one(self, request: web.Request) -> web.StreamResponse:
        turn_id = request.match_info["id"]
        if not TURN_ID.fullmatch(turn_id):
            raise web.HTTPNotFound
        return web.json_response(await self._asked(f"/turns/{turn_id}", {}))

    async def _conversation(self, customer: str) -> str | None:
        if not customer:
            return None
        page = await self._asked("/businesses/default/conversations", {"contact": customer, "limit": "1"})
        for conversation in page["conversations"]:
            self._conversations[customer] = str(conversation["id"])
        return self._conversations.get(customer)

    async def _asked(self, path: str, query: dict[str, str]) -> Any:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self._api}{path}", params=query, headers=self._headers) as answer,
            ):
                if answer.status == web.HTTPNotFound.status_code:
                    raise web.HTTPNotFound
                answer.raise_for_status()
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise web.HTTPBadGateway(text="The server does not answer.") from None

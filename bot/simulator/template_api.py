"""Templates over the Graph API: create, list, get, edit, delete; a decision is told by webhook."""

from typing import Any

from aiohttp import web

from bot.simulator.account import MANAGEMENT
from bot.simulator.account_api import PREFIX
from bot.simulator.graph_door import GraphDoor, answered, no_such_object, read_object
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.templates import STATUSES, Template
from bot.simulator.world import World

PAGE = 25
MOST_A_PAGE = 1000
EDITABLE = ("category", "components", "parameter_format")
FILTERS = ("name", "language", "status", "category")


class TemplateApi:
    """`/{account}/message_templates` and `/{template}`."""

    def __init__(self, world: World, door: GraphDoor) -> None:
        self._world = world
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """Without `/{id}`, which other objects answer, too."""
        path, guarded = PREFIX + "/{id}/message_templates", self._door.guarded
        return [
            web.get(path, guarded("message_templates", self._list)),
            web.post(path, guarded("message_templates", self._create)),
            web.delete(path, guarded("message_templates", self._delete)),
        ]

    def node(self, request: web.Request) -> web.StreamResponse | None:
        """One template, when the id is of one."""
        found = self._world.templates.by_id(request.match_info["id"])
        if found is None:
            return None
        self._door.check_scope(MANAGEMENT)
        return answered(_chosen(found, request))

    async def edit(self, request: web.Request) -> web.StreamResponse | None:
        """`POST /{template}` with category or components."""
        found = self._world.templates.by_id(request.match_info["id"])
        if found is None:
            return None
        self._door.check_scope(MANAGEMENT)
        document = await read_object(request)
        kept: dict[str, Any] = {name: document[name] for name in EDITABLE if name in document}
        self._world.templates.edit(found, kept, self._world.clock.now())
        tell_decision(self._world, found)
        return answered({"success": True, "id": found.id, "name": found.name, "category": found.category})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self._check_account(request)
        template = self._world.templates.create(await read_object(request), self._world.clock.now())
        tell_decision(self._world, template)
        return answered({"id": template.id, "status": template.status, "category": template.category})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self._check_account(request)
        wanted = {name: request.query[name] for name in FILTERS if name in request.query}
        found = [one for one in self._world.templates if _matches(one, wanted)]
        limit, after = request.query.get("limit", str(PAGE)), request.query.get("after", "0")
        if not (limit.isdecimal() and after.isdecimal()) or not 0 < int(limit) <= MOST_A_PAGE:
            raise MetaRefusalError(100, f"limit is 1 to {MOST_A_PAGE}, after is a cursor.")
        first, last = int(after), int(after) + int(limit)
        paging: dict[str, Any] = {"cursors": {"before": str(first), "after": str(min(last, len(found)))}}
        if last < len(found):
            paging["next"] = str(request.url.update_query(after=str(last)))
        shown = [_chosen(one, request) for one in found[first:last]]
        page: dict[str, Any] = {"data": shown, "paging": paging}
        if "summary" in request.query:
            page["summary"] = self._summary(len(found), request.query["summary"])
        return answered(page)

    def _summary(self, matching: int, names: str) -> dict[str, Any]:
        templates = len(list(self._world.templates))
        counts = {"total_count": matching, "message_template_count": templates, "message_template_limit": 250}
        counts["are_translations_complete"] = False
        return {name: counts[name] for name in names.split(",") if name in counts}

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self._check_account(request)
        name = request.query.get("name")
        if not name:
            raise MetaRefusalError(100, "The parameter name is required.")
        if not self._world.templates.delete(name, request.query.get("hsm_id")):
            raise MetaRefusalError(100, "Message template not found.")
        return answered({"success": True})

    def _check_account(self, request: web.Request) -> None:
        self._door.check_scope(MANAGEMENT)
        if request.match_info["id"] != self._world.settings.account_id:
            raise no_such_object(request, request.match_info["id"])


def decide(world: World, name: str, language: str, status: str, reason: str = "NONE") -> None:
    """Review a template: APPROVED, REJECTED, PAUSED, DISABLED or PENDING again. Raises ValueError."""
    found = world.templates.find(name, language)
    if found is None or status not in STATUSES:
        raise ValueError(f"name an existing template, its language, and one of {', '.join(sorted(STATUSES))}")
    found.status, found.reason = status, reason
    tell_decision(world, found)


def tell_decision(world: World, template: Template) -> None:
    """Post `message_template_status_update` (WHATSAPP.md 2.4)."""
    value = {
        "event": template.status,
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
        "message_template_category": template.category,
        "reason": template.reason,
    }
    if template.status != "PENDING":
        world.tell_account("message_template_status_update", value)


def _matches(template: Template, wanted: dict[str, str]) -> bool:
    facts = {"name": template.name, "language": template.language}
    states = {"status": template.status, "category": template.category}
    exact = all(facts[name] == value for name, value in wanted.items() if name in facts)
    return exact and all(states[name] in value.upper().split(",") for name, value in wanted.items() if name in states)


def _chosen(template: Template, request: web.Request) -> dict[str, Any]:
    facts = template.shown()
    names = [name.strip() for name in request.query.get("fields", "").split(",") if name.strip()]
    return {name: facts[name] for name in names if name in facts} | {"id": template.id} if names else facts

"""What is remembered of customers: show it, and forget it."""

from http import HTTPStatus

from aiohttp import web
from pydantic import BaseModel

from bot.api.businesses import id_of
from bot.api.guard import CALLER
from bot.api.needs import API
from bot.api.paging import cursor_id, cut_page, page_limit
from bot.api.problems import not_found
from bot.api.schemas import Time, answered, rfc3339
from database.contact_facts import ContactFact, erase_facts, facts_of


class FactOut(BaseModel):
    """A fact in the customer's own words. `turn_id` names the turn that heard it."""

    id: str
    fact: str
    turn_id: str | None
    created_at: Time

    @classmethod
    def of(cls, fact: ContactFact) -> "FactOut":
        """From our record."""
        return cls(id=fact.id, fact=fact.fact, turn_id=fact.turn_id, created_at=rfc3339(fact.created_at))


class FactPage(BaseModel):
    """A page of facts, oldest first. `summary` is of what was said in the conversation before its recent lines."""

    facts: list[FactOut]
    summary: str | None
    next_cursor: str | None


async def list_facts(request: web.Request) -> web.Response:
    """A page of the facts about the contact of a conversation."""
    limit, after = page_limit(request), cursor_id(request) or ""
    found = await request.app[API].chat.read(facts_of(id_of(request, "conversation"), limit + 1, after))
    if found is None:
        raise not_found("conversation")
    page, following = cut_page(found.facts, limit, lambda each: (each.id,))
    return answered(FactPage(facts=[FactOut.of(each) for each in page], summary=found.summary, next_cursor=following))


async def delete_facts(request: web.Request) -> web.Response:
    """Forget all of them, and the summary."""
    if await _erased(request, None) is None:
        raise not_found("conversation")
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def delete_fact(request: web.Request) -> web.Response:
    """Forget one, and the summary, which may tell it too."""
    if not await _erased(request, id_of(request, "fact", "fact")):
        raise not_found("fact")
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def _erased(request: web.Request, fact_id: str | None) -> int | None:
    needs = request.app[API]
    conversation_id = id_of(request, "conversation")
    return await needs.chat.write(erase_facts(conversation_id, fact_id, f"api:{request[CALLER]}", needs.clock.now()))

"""Search the knowledge, and ask it."""

from aiohttp import web

from bot.api.bodies import AskRequest, SearchRequest, read_body
from bot.api.businesses import business_of
from bot.api.needs import API
from bot.api.schemas import AnswerOut, PassageOut, PassagesOut, answered


async def search(request: web.Request) -> web.Response:
    """The passages that fit best."""
    business = await business_of(request)
    wanted = await read_body(request, SearchRequest)
    passages = await request.app[API].knowledge.search(business.id, wanted.query, limit=wanted.limit)
    return answered(PassagesOut(passages=[PassageOut.of(passage) for passage in passages[: wanted.limit]]))


async def ask(request: web.Request) -> web.Response:
    """An answer with its sources."""
    business = await business_of(request)
    wanted = await read_body(request, AskRequest)
    return answered(AnswerOut.of(await request.app[API].asker.answer(business.id, wanted.question)))

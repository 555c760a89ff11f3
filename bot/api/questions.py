"""Search the knowledge, and ask it."""

from aiohttp import web

from bot.api.bodies import AskRequest, SearchRequest, read_body
from bot.api.businesses import business_of
from bot.api.needs import API
from bot.api.schemas import AnswerOut, FoundPassageOut, PassagesOut, answered
from vectorstore.knowledge_index import SearchScope


async def search(request: web.Request) -> web.Response:
    """The passages that fit best."""
    business = await business_of(request)
    wanted = await read_body(request, SearchRequest)
    needs = request.app[API]
    passages = await needs.knowledge.search(business.id, wanted.query, limit=wanted.limit, scope=_scope(wanted))
    found = [
        FoundPassageOut.marked(passage, needs.word_marks.of(wanted.query, passage.text, None))
        for passage in passages[: wanted.limit]
    ]
    return answered(PassagesOut(passages=found))


def _scope(wanted: SearchRequest) -> SearchScope | None:
    if wanted.documents is None and wanted.tags is None:
        return None
    return SearchScope(
        document_ids=None if wanted.documents is None else frozenset(wanted.documents),
        tags=None if wanted.tags is None else frozenset(tag.lower() for tag in wanted.tags),
    )


async def ask(request: web.Request) -> web.Response:
    """An answer with its sources."""
    business = await business_of(request)
    wanted = await read_body(request, AskRequest)
    return answered(AnswerOut.of(await request.app[API].asker.answer(business.id, wanted.question)))

"""Look at events that cannot mean anything, and let intake try them again."""

from aiohttp import web

from bot.api.bodies import RetryRequest, read_body
from bot.api.needs import API
from bot.api.paging import cursor_number, cut_page, page_limit
from bot.api.schemas import DeadLetterOut, DeadLetterPage, RetriedOut, answered
from database.inbox import dead_events, retry_dead


async def list_dead_letters(request: web.Request) -> web.Response:
    """A page of dead letters, oldest first."""
    limit, after = page_limit(request), cursor_number(request)
    found = await request.app[API].chat.read(dead_events(limit + 1, after))
    page, following = cut_page(found, limit, lambda each: (each.id,))
    return answered(DeadLetterPage(dead_letters=[DeadLetterOut.of(each) for each in page], next_cursor=following))


async def retry_dead_letters(request: web.Request) -> web.Response:
    """Let intake try dead letters again: some, or all."""
    wanted = await read_body(request, RetryRequest)
    needs = request.app[API]
    retried = await needs.chat.write(retry_dead(wanted.ids))
    needs.wake_intake()
    return answered(RetriedOut(retried=retried))

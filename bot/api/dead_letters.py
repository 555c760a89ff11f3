"""Look at events that cannot mean anything, and let intake try them again."""

from aiohttp import web

from bot.api.bodies import RetryRequest, read_body
from bot.api.needs import API
from bot.api.paging import decode_cursor, encode_cursor, page_cursor, page_limit
from bot.api.schemas import DeadLetterOut, DeadLetterPage, RetriedOut, answered
from database.inbox import dead_events, retry_dead


async def list_dead_letters(request: web.Request) -> web.Response:
    """A page of dead letters, oldest first."""
    limit, cursor = page_limit(request), page_cursor(request)
    after = int(decode_cursor(cursor, int)[0]) if cursor else 0
    found = await request.app[API].chat.read(dead_events(limit + 1, after))
    page = found[:limit]
    following = encode_cursor(page[-1].id) if len(found) > limit else None
    return answered(DeadLetterPage(dead_letters=[DeadLetterOut.of(each) for each in page], next_cursor=following))


async def retry_dead_letters(request: web.Request) -> web.Response:
    """Let intake try dead letters again: some, or all."""
    wanted = await read_body(request, RetryRequest)
    needs = request.app[API]
    retried = await needs.chat.write(retry_dead(wanted.ids))
    needs.wake_intake()
    return answered(RetriedOut(retried=retried))

"""Look at conversations, and hand them to a person and back."""

from aiohttp import web

from bot.api.bodies import ModeRequest, read_body
from bot.api.businesses import business_of, id_of
from bot.api.guard import CALLER
from bot.api.needs import API
from bot.api.paging import cursor_number, cursor_time, cut_page, page_limit
from bot.api.problems import not_found
from bot.api.schemas import ConversationOut, ConversationPage, MessageOut, MessagePage, answered
from database.conversation_views import conversations_of, messages_of, switch_mode


async def list_conversations(request: web.Request) -> web.Response:
    """A page of the conversations of a business; `?contact=` finds those with a phone or BSUID."""
    business = await business_of(request)
    limit, after = page_limit(request), cursor_time(request)
    contact = request.query.get("contact", "").removeprefix("+").strip() or None
    found = await request.app[API].chat.read(conversations_of(business.id, limit + 1, after, contact))
    page, following = cut_page(found, limit, lambda each: (each.created_at, each.id))
    return answered(ConversationPage(conversations=[ConversationOut.of(each) for each in page], next_cursor=following))


async def list_messages(request: web.Request) -> web.Response:
    """A page of the messages of a conversation, newest last."""
    limit, after = page_limit(request), cursor_number(request)
    found = await request.app[API].chat.read(messages_of(id_of(request, "conversation"), limit + 1, after))
    if found is None:
        raise not_found("conversation")
    page, following = cut_page(found, limit, lambda each: (each.seq,))
    return answered(MessagePage(messages=[MessageOut.of(each) for each in page], next_cursor=following))


async def change_mode(request: web.Request) -> web.Response:
    """Take a chat over, or give it back to the bot."""
    conversation_id = id_of(request, "conversation")
    wanted = await read_body(request, ModeRequest)
    needs = request.app[API]
    actor = f"api:{request[CALLER]}"
    view = await needs.chat.write(switch_mode(conversation_id, wanted.mode, actor, needs.clock.now()))
    if view is None:
        raise not_found("conversation")
    return answered(ConversationOut.of(view))

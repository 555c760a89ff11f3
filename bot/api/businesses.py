"""Which business, and which id, an address speaks of."""

import re

from aiohttp import web

from bot.api.needs import API
from bot.api.problems import not_found
from database.businesses import business_by_slug
from database.records import Business


async def business_of(request: web.Request) -> Business:
    """The business in the address. Raises a 404 problem."""
    slug = request.match_info["business"]
    # what cannot be a slug is not looked up: the database could not even store it
    if not re.fullmatch(r"[0-9A-Za-z._-]{1,64}", slug):
        raise not_found("business")
    business = await request.app[API].chat.read(business_by_slug(slug))
    if business is None:
        raise not_found("business")
    return business


def id_of(request: web.Request, what: str, part: str = "id") -> str:
    """The id in a part of the address. Raises a 404 problem for what cannot be one of ours."""
    found = request.match_info[part]
    if not re.fullmatch(r"[0-9a-f-]{36}", found):
        raise not_found(what)
    return found

"""What callers may say of documents in an address: tags, hold, source."""

from aiohttp import web

from bot.api.problems import bad_parameter
from services.document_tags import tidy_tag, tidy_tags

SOURCES = ("upload", "web", "answer", "import")
SWITCH = {"true": True, "1": True, "false": False, "0": False}


def tags_wanted(request: web.Request) -> tuple[str, ...]:
    """`?tags=a,b`: the tags of what is uploaded, each once. Raises a 422 problem."""
    try:
        return tidy_tags(each for each in request.query.get("tags", "").split(",") if each.strip())
    except ValueError as error:
        raise bad_parameter("tags", str(error)) from None


def tag_wanted(request: web.Request) -> str | None:
    """`?tag=a`: the tag that documents must have. Raises a 422 problem."""
    given = request.query.get("tag")
    if given is None:
        return None
    try:
        return tidy_tag(given)
    except ValueError as error:
        raise bad_parameter("tag", str(error)) from None


def source_wanted(request: web.Request) -> str | None:
    """`?source=upload`: where documents must come from. Raises a 422 problem."""
    given = request.query.get("source")
    if given is not None and given not in SOURCES:
        raise bad_parameter("source", f"must be one of {', '.join(SOURCES)}")
    return given


def hold_wanted(request: web.Request) -> bool:
    """`?hold=true`: whether a new version waits to be published. Raises a 422 problem."""
    given = request.query.get("hold", "false")
    if given not in SWITCH:
        raise bad_parameter("hold", "must be true or false")
    return SWITCH[given]

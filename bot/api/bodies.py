"""What callers may send, and how a body becomes one of these: 400 for what is no JSON, 422 for values."""

import json
import re
from http import HTTPStatus
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bot.api.problems import ProblemError, unusable
from database.records import Mode

LARGEST_BODY = 256 * 1024
LONGEST_QUESTION = 4096
MOST_FILTERS = 1_000

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Body = TypeVar("Body", bound=BaseModel)


def spoken(text: str) -> str:
    """Without control characters and outer blanks. Raises ValueError when nothing is left or it cannot be stored."""
    clean = _CONTROLS.sub(" ", text).strip()
    if not clean:
        raise ValueError("must not be blank")
    try:
        clean.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return clean


Words = Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION), AfterValidator(spoken)]


class StrictRequest(BaseModel):
    """What every body is held to: no unknown fields, no guessing of types, no input in errors."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class SearchRequest(StrictRequest):
    """What to look for in the knowledge; with `documents` and `tags` only in documents that are in both.

    A document is in `tags` when it has one of them. What there is not, is found nowhere.
    """

    query: Words
    limit: Annotated[int, Field(ge=1, le=50)] = 5
    documents: Annotated[list[Words], Field(max_length=MOST_FILTERS)] | None = None
    tags: Annotated[list[Words], Field(max_length=MOST_FILTERS)] | None = None


class AskRequest(StrictRequest):
    """A question to answer from the knowledge."""

    question: Words


class ModeRequest(StrictRequest):
    """Who answers a conversation from now on."""

    # JSON has no enums: the strict form would take none
    mode: Annotated[Mode, Field(strict=False)]


class RetryRequest(StrictRequest):
    """Which dead letters to try again; without ids: all of them."""

    ids: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(max_length=1000)] | None = None


async def read_body(request: web.Request, model: type[Body], *, largest: int = LARGEST_BODY) -> Body:
    """The body as `model`, of at most `largest` bytes.

    Raises problems: 413 too large, 400 no JSON, 422 with every value that is wrong.
    """
    raw = await _read(request, largest)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(document, dict):
        raise unusable("", "must be an object with named values")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Some values cannot be used.", errors=_errors(error)
        ) from None


async def _read(request: web.Request, largest: int) -> bytes:
    body = bytearray()
    try:
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > largest:
                detail = f"The body is larger than {largest // 1024} KB."
                raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    except web.RequestPayloadError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body ended too early or is badly encoded.") from None
    return bytes(body)


def _errors(error: ValidationError) -> list[tuple[str, str]]:
    details = error.errors(include_input=False, include_url=False, include_context=False)
    return [
        ("".join(f"/{part}" for part in detail["loc"]), detail["msg"].removeprefix("Value error, "))
        for detail in details
    ]

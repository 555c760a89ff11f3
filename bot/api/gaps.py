"""Knowledge gaps: list them, answer them, ignore them."""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field

from bot.api.bodies import StrictRequest, read_body, spoken
from bot.api.businesses import business_of, id_of
from bot.api.guard import CALLER
from bot.api.needs import API
from bot.api.paging import decode_cursor, encode_cursor, page_cursor, page_limit
from bot.api.problems import ProblemError, bad_parameter, not_found
from bot.api.schemas import DocumentOut, Time, answered, rfc3339
from database.gaps import GapPlace, GapState
from services.answer_pairs import LONGEST_ANSWER, LONGEST_QUESTION, AnswerNotTakenError
from services.gaps import Gap, GapSettledError


class GapAnswerRequest(StrictRequest):
    """The answer, as Markdown or plain text; `question` is another wording than the gap's own."""

    answer: Annotated[str, Field(max_length=LONGEST_ANSWER), AfterValidator(spoken)]
    question: Annotated[str, Field(max_length=LONGEST_QUESTION), AfterValidator(spoken)] | None = None


class GapOut(BaseModel):
    """Questions of customers that mean the same and were not answered.

    `question` is one wording of them, `examples` are up to five; `with_person` of the `count` were asked while a person
    had the chat. `document_id` is the document that answers them, once there is one.
    """

    id: str
    question: str
    language: str
    state: GapState
    count: int
    with_person: int
    first_at: Time
    last_at: Time
    examples: list[str]
    turn_ids: list[str]
    document_id: str | None

    @classmethod
    def of(cls, gap: Gap) -> "GapOut":
        """From what the desk knows."""
        return cls(
            id=gap.id,
            question=gap.question,
            language=gap.language,
            state=gap.state,
            count=gap.count,
            with_person=gap.with_person,
            first_at=rfc3339(gap.first_at),
            last_at=rfc3339(gap.last_at),
            examples=list(gap.examples),
            turn_ids=list(gap.turn_ids),
            document_id=gap.document_id,
        )


class GapPage(BaseModel):
    """A page of gaps, the most asked first."""

    gaps: list[GapOut]
    next_cursor: str | None


class GapAnsweredOut(BaseModel):
    """The gap, and the document that answers it, on its way to the searches."""

    gap: GapOut
    document: DocumentOut


async def list_gaps(request: web.Request) -> web.Response:
    """A page of the gaps of a business: all, or those in one state."""
    business = await business_of(request)
    limit, state, after = page_limit(request), _state(request), _place(request)
    gaps, following = await request.app[API].gaps.list(business.id, limit, state, after)
    cursor = encode_cursor(following.until, following.count, following.id) if following else None
    return answered(GapPage(gaps=[GapOut.of(gap) for gap in gaps], next_cursor=cursor))


async def get_gap(request: web.Request) -> web.Response:
    """One gap."""
    business = await business_of(request)
    gap = await request.app[API].gaps.get(business.id, id_of(request, "gap"))
    if gap is None:
        raise not_found("gap")
    return answered(GapOut.of(gap))


async def answer_gap(request: web.Request) -> web.Response:
    """Turn a gap and its answer into knowledge: 202, 409 when it is answered already or there is no room."""
    business = await business_of(request)
    gap_id = id_of(request, "gap")
    wanted = await read_body(request, GapAnswerRequest)
    actor = f"api:{request[CALLER]}"
    try:
        done = await request.app[API].gaps.answer(business.id, gap_id, wanted.answer, wanted.question, actor)
    except GapSettledError:
        raise _settled() from None
    except AnswerNotTakenError as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from error
    if done is None:
        raise not_found("gap")
    gap, document = done
    return answered(GapAnsweredOut(gap=GapOut.of(gap), document=DocumentOut.of(document)), HTTPStatus.ACCEPTED)


async def ignore_gap(request: web.Request) -> web.Response:
    """Show a gap no more among the open ones."""
    business = await business_of(request)
    try:
        ignored = await request.app[API].gaps.ignore(business.id, id_of(request, "gap"), f"api:{request[CALLER]}")
    except GapSettledError:
        raise _settled() from None
    if not ignored:
        raise not_found("gap")
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _state(request: web.Request) -> GapState | None:
    given = request.query.get("state")
    if not given:
        return None
    try:
        return GapState(given)
    except ValueError:
        names = ", ".join(state.value for state in GapState)
        raise bad_parameter("state", f"must be one of {names}") from None


def _place(request: web.Request) -> GapPlace | None:
    cursor = page_cursor(request)
    if cursor is None:
        return None
    until, count, gap_id = decode_cursor(cursor, int, int, str)
    return GapPlace(int(until), int(count), str(gap_id))


def _settled() -> ProblemError:
    return ProblemError(
        HTTPStatus.CONFLICT, "The gap is answered already: change or delete its document to change the answer."
    )

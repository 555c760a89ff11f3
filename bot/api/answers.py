"""Questions with their answers: add one or many, list, change, forget."""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field

from bot.api.bodies import StrictRequest, read_body, spoken
from bot.api.businesses import business_of, id_of
from bot.api.needs import API
from bot.api.paging import cursor_time, cut_page, page_limit
from bot.api.problems import ProblemError, not_found, unusable
from bot.api.schemas import DocumentOut, Time, answered, rfc3339
from services.answer_pairs import LONGEST_ANSWER, LONGEST_QUESTION, AnswerNotTakenError, AnswerPair, QuestionTakenError
from services.document_tags import MOST_TAGS, tidy_tag

MOST_ANSWERS = 100
LARGEST_LIST = 4 * 1024 * 1024

Question = Annotated[str, Field(max_length=LONGEST_QUESTION), AfterValidator(spoken)]
AnswerText = Annotated[str, Field(max_length=LONGEST_ANSWER), AfterValidator(spoken)]
Tags = Annotated[list[Annotated[str, AfterValidator(tidy_tag)]], Field(max_length=MOST_TAGS)]


class AnswerPairRequest(StrictRequest):
    """A question and its answer, which may be Markdown. The same question again gets the new answer.

    Without `tags` an added question that there is already keeps its own; a pair that is put has none.
    """

    question: Question
    answer: AnswerText
    tags: Tags | None = None


class AnswersRequest(StrictRequest):
    """A pair, or a list of them."""

    question: Question | None = None
    answer: AnswerText | None = None
    tags: Tags | None = None
    answers: Annotated[list[AnswerPairRequest], Field(min_length=1, max_length=MOST_ANSWERS)] | None = None

    def pairs(self) -> list[AnswerPairRequest]:
        """What is to be added. Raises a 422 problem for neither or both forms."""
        if self.answers is not None and self.question is None and self.answer is None and not self.tags:
            return self.answers
        if self.answers is None and self.question is not None and self.answer is not None:
            return [AnswerPairRequest(question=self.question, answer=self.answer, tags=self.tags)]
        raise unusable("", 'send "question" and "answer", or "answers" with a list of them')


class AnswerPairOut(BaseModel):
    """A pair and its document: searches find it once the document is ready."""

    id: str
    question: str
    answer: str
    tags: list[str]
    document: DocumentOut | None
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, pair: AnswerPair) -> "AnswerPairOut":
        """From our record."""
        return cls(
            id=pair.id,
            question=pair.question,
            answer=pair.answer,
            tags=list(pair.tags),
            document=None if pair.document is None else DocumentOut.of(pair.document),
            created_at=rfc3339(pair.created_at),
            updated_at=rfc3339(pair.updated_at),
        )


class AnswerPairsOut(BaseModel):
    """One pair a question of a list, in its order."""

    answers: list[AnswerPairOut]


class AnswerPairPage(AnswerPairsOut):
    """A page of pairs, the oldest first."""

    next_cursor: str | None


class AddedAnswersOut(BaseModel):
    """A pair, for one; `answers`, for a list."""

    id: str | None = None
    question: str | None = None
    answer: str | None = None
    tags: list[str] | None = None
    document: DocumentOut | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    answers: list[AnswerPairOut] | None = None


async def add_answers(request: web.Request) -> web.Response:
    """Add a pair, or each of a list: 201 with what it is now."""
    business = await business_of(request)
    wanted = await read_body(request, AnswersRequest, largest=LARGEST_LIST)
    answers = request.app[API].sources.answers
    try:
        made = [await answers.add(business.id, each.question, each.answer, each.tags) for each in wanted.pairs()]
    except AnswerNotTakenError as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from error
    if wanted.answers is None:
        return answered(AnswerPairOut.of(made[0]), HTTPStatus.CREATED)
    return answered(AnswerPairsOut(answers=[AnswerPairOut.of(each) for each in made]), HTTPStatus.CREATED)


async def list_answers(request: web.Request) -> web.Response:
    """A page of the pairs of a business."""
    business = await business_of(request)
    limit, after = page_limit(request), cursor_time(request)
    found = await request.app[API].sources.answers.page(business.id, limit + 1, after)
    page, following = cut_page(found, limit, lambda each: (each.created_at, each.id))
    return answered(AnswerPairPage(answers=[AnswerPairOut.of(each) for each in page], next_cursor=following))


async def get_answer(request: web.Request) -> web.Response:
    """One pair."""
    business = await business_of(request)
    found = await request.app[API].sources.answers.get(business.id, id_of(request, "answer"))
    if found is None:
        raise not_found("answer")
    return answered(AnswerPairOut.of(found))


async def put_answer(request: web.Request) -> web.Response:
    """Put another content in a pair's place; the old one answers until the new one is ready."""
    business = await business_of(request)
    pair_id = id_of(request, "answer")
    wanted = await read_body(request, AnswerPairRequest)
    answers = request.app[API].sources.answers
    try:
        changed = await answers.change(business.id, pair_id, wanted.question, wanted.answer, wanted.tags or ())
    except (QuestionTakenError, AnswerNotTakenError) as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from error
    if changed is None:
        raise not_found("answer")
    return answered(AnswerPairOut.of(changed))


async def delete_answer(request: web.Request) -> web.Response:
    """Forget a pair, at once for every search."""
    business = await business_of(request)
    if not await request.app[API].sources.answers.remove(business.id, id_of(request, "answer")):
        raise not_found("answer")
    return web.Response(status=HTTPStatus.NO_CONTENT)

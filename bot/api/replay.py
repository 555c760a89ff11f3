"""What a held version would change: recent questions of customers, answered without it and with it."""

from http import HTTPStatus

from aiohttp import web
from pydantic import BaseModel

from agents.ports import Answer
from bot.api.businesses import business_of, id_of
from bot.api.needs import API
from bot.api.paging import page_limit
from bot.api.problems import ProblemError, not_found
from bot.api.schemas import PassageOut, answered
from services.replay import Replayed, ReplayReport
from services.version_errors import NothingHeldError


class ReplayAnswerOut(BaseModel):
    """An answer of the built-in answerer; no language model is asked."""

    answered: bool
    answer: str
    sources: list[PassageOut]

    @classmethod
    def of(cls, answer: Answer) -> "ReplayAnswerOut":
        """From what the agent said."""
        sources = [PassageOut.of(source) for source in answer.sources]
        return cls(answered=answer.answered, answer=answer.text, sources=sources)


class ReplayedOut(BaseModel):
    """A question; `changed` is true where a customer would see another answer."""

    question: str
    before: ReplayAnswerOut
    after: ReplayAnswerOut
    changed: bool

    @classmethod
    def of(cls, replayed: Replayed) -> "ReplayedOut":
        """From the replay."""
        return cls(
            question=replayed.question,
            before=ReplayAnswerOut.of(replayed.before),
            after=ReplayAnswerOut.of(replayed.after),
            changed=replayed.changed,
        )


class ReplayOut(BaseModel):
    """The newest questions first. `complete` is false where time ran out before all were asked."""

    version: int
    asked: int
    changed: int
    complete: bool
    questions: list[ReplayedOut]

    @classmethod
    def of(cls, report: ReplayReport) -> "ReplayOut":
        """From the replay."""
        return cls(
            version=report.version,
            asked=len(report.questions),
            changed=sum(each.changed for each in report.questions),
            complete=report.complete,
            questions=[ReplayedOut.of(each) for each in report.questions],
        )


async def replay(request: web.Request) -> web.Response:
    """Which answers would change: 409 when no version of the document is held."""
    business = await business_of(request)
    document_id = id_of(request, "document")
    replays = request.app[API].replays
    limit = page_limit(request, replays.options.questions)
    try:
        report = await replays.of(business.id, document_id, limit)
    except NothingHeldError as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from None
    if report is None:
        raise not_found("document")
    return answered(ReplayOut.of(report))

"""What `concierge eval` measured: keep a run, list the runs before it."""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field

from bot.api.bodies import StrictRequest, read_body, spoken
from bot.api.businesses import business_of
from bot.api.needs import API
from bot.api.paging import cursor_id, cut_page, page_limit
from bot.api.schemas import Time, answered, rfc3339
from database.evaluations import Evaluation, evaluations_page, keep_evaluation

MOST_FIGURES = 40

Name = Annotated[str, Field(max_length=255), AfterValidator(spoken)]
Figure = Annotated[float, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]


class EvaluationRequest(StrictRequest):
    """A run over a file of questions. A figure is null where no question tells it."""

    name: Name
    questions: Annotated[int, Field(ge=1, le=1_000_000)]
    figures: Annotated[dict[Annotated[str, Field(max_length=64)], Figure | None], Field(max_length=MOST_FIGURES)]


class EvaluationOut(BaseModel):
    """A run over a file of questions."""

    id: str
    name: str
    questions: int
    figures: dict[str, float | None]
    created_at: Time

    @classmethod
    def of(cls, run: Evaluation) -> "EvaluationOut":
        """From our record."""
        return cls(
            id=run.id,
            name=run.name,
            questions=run.questions,
            figures=dict(run.figures),
            created_at=rfc3339(run.created_at),
        )


class EvaluationPage(BaseModel):
    """A page of runs, the newest first."""

    evaluations: list[EvaluationOut]
    next_cursor: str | None


async def list_evaluations(request: web.Request) -> web.Response:
    """A page of runs: all, or those over the file of one name."""
    business = await business_of(request)
    limit, before = page_limit(request), cursor_id(request)
    wanted = evaluations_page(business.id, limit + 1, request.query.get("name") or None, before)
    found = await request.app[API].knowledge_database.read(wanted)
    page, following = cut_page(found, limit, lambda each: (each.id,))
    return answered(EvaluationPage(evaluations=[EvaluationOut.of(run) for run in page], next_cursor=following))


async def add_evaluation(request: web.Request) -> web.Response:
    """Remember a run."""
    business = await business_of(request)
    wanted = await read_body(request, EvaluationRequest)
    needs = request.app[API]
    kept = keep_evaluation(business.id, wanted.name, wanted.questions, wanted.figures, needs.clock.now())
    return answered(EvaluationOut.of(await needs.knowledge_database.write(kept)), HTTPStatus.CREATED)

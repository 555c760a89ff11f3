"""Making both indexes anew over the API: begin, and see how far it is."""

from http import HTTPStatus
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from bot.api.bodies import StrictRequest, read_body
from bot.api.problems import ProblemError
from bot.api.schemas import LONGEST_ERROR, answered
from vectorstore.reindexing import Reindexed, Reindexing

REINDEXING: web.AppKey[Reindexing] = web.AppKey("reindexing", Reindexing)


class ReindexRequest(StrictRequest):
    """A wish for indexes made anew. `embed`: the embeddings, too, which may cost money."""

    embed: bool = False


class ReindexOut(BaseModel):
    """How far it is, or how the last one of this process ended; `idle` when there was none."""

    state: Literal["idle", "running", "done", "failed"]
    progress: Annotated[float, Field(ge=0, le=1)]
    chunks: int
    seconds: float
    error_message: Annotated[str, Field(max_length=LONGEST_ERROR)] | None

    @classmethod
    def of(cls, found: Reindexed | None) -> "ReindexOut":
        """From what the work says of itself."""
        if found is None:
            return cls(state="idle", progress=0.0, chunks=0, seconds=0.0, error_message=None)
        return cls(
            state="running" if found.running else "failed" if found.error else "done",
            progress=round(found.progress, 3),
            chunks=found.chunks,
            seconds=round(found.seconds, 3),
            error_message=found.error[:LONGEST_ERROR] if found.error else None,
        )


async def begin_reindexing(request: web.Request) -> web.Response:
    """Begin: 202; GET the same address to follow it."""
    wanted = await read_body(request, ReindexRequest)
    reindexing = request.app[REINDEXING]
    if not reindexing.start(embed=wanted.embed):
        raise ProblemError(HTTPStatus.CONFLICT, "The indexes are being made anew already.")
    return answered(ReindexOut.of(reindexing.state()), HTTPStatus.ACCEPTED)


async def get_reindexing(request: web.Request) -> web.Response:
    """How far it is."""
    return answered(ReindexOut.of(request.app[REINDEXING].state()))

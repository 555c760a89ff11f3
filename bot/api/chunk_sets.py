"""Chunk sets over the API: begin an export or an import, follow it."""

from http import HTTPStatus
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from bot.api.backups import LONGEST_PLACE, OWNER
from bot.api.bodies import StrictRequest, read_body
from bot.api.businesses import business_of
from bot.api.guard import CALLER
from bot.api.problems import ProblemError, not_found, unusable
from bot.api.schemas import LONGEST_ERROR, Time, answered, rfc3339
from services.chunk_sets.importing import Failure
from services.chunk_sets.manifest import SetFormat
from services.chunk_sets.runs import ChunkSets, RunState, SetRun, SetRunningError
from services.object_stores import StoreError, is_object_store

CHUNK_SETS: web.AppKey[ChunkSets] = web.AppKey("chunk_sets", ChunkSets)
MOST_FAILURES = 1_000

PlaceAddress = Annotated[str, Field(min_length=1, max_length=LONGEST_PLACE)]


class ChunkSetImportRequest(StrictRequest):
    """Where the set lies: an object store. A folder of the server's machine is for `concierge chunks` alone."""

    source: PlaceAddress = Field(alias="from")


class ChunkSetExportRequest(StrictRequest):
    """Where the set is to go, as above, and in which form."""

    to: PlaceAddress
    format: SetFormat = "parquet"


class FailureOut(BaseModel):
    """A file of a set, or a document, that was left out, and why."""

    file: str
    reason: str


class ChunkSetOut(BaseModel):
    """An export or import. `documents` is how many there are so far; of an import, `unchanged` were there already.

    `repeated` rows stood in several files; `embedded_anew` had no embedding of the server's embedder. An import is
    `done` when everything that could be merged is; `failures` are the rest, at most 1,000 of them.
    """

    id: str
    kind: Literal["export", "import"]
    state: RunState
    progress: Annotated[float, Field(ge=0, le=1)]
    place: str
    files: int
    documents: int
    unchanged: int
    chunks: int
    repeated: int
    embedded_anew: int
    failures: list[FailureOut]
    failed: int
    seconds: float
    error_message: Annotated[str, Field(max_length=LONGEST_ERROR)] | None
    created_at: Time

    @classmethod
    def of(cls, run: SetRun) -> "ChunkSetOut":
        """From one of this process."""
        taken, made = run.imported, run.exported
        failures = taken.failures if taken else []
        return cls(
            id=run.id,
            kind="import" if taken else "export",
            state=run.state,
            progress=_progress(run),
            place=run.place,
            files=taken.files if taken else len(made.files) if made else 0,
            documents=taken.documents if taken else made.documents if made else 0,
            unchanged=taken.unchanged if taken else 0,
            chunks=taken.chunks if taken else made.chunks if made else 0,
            repeated=taken.repeated if taken else 0,
            embedded_anew=taken.embedded_anew if taken else 0,
            failures=[_shown(each) for each in failures[:MOST_FAILURES]],
            failed=len(failures),
            seconds=round(run.seconds, 3),
            error_message=run.error[:LONGEST_ERROR] if run.error else None,
            created_at=rfc3339(run.created_at),
        )


async def import_chunk_set(request: web.Request) -> web.Response:
    """Begin: 202; GET its id to follow it."""
    wanted = await read_body(request, ChunkSetImportRequest)
    business = await business_of(request)
    _allowed(request, wanted.source, "/from")
    try:
        run = request.app[CHUNK_SETS].import_(business.id, wanted.source)
    except (SetRunningError, StoreError) as error:
        raise _refused(error) from None
    return answered(ChunkSetOut.of(run), HTTPStatus.ACCEPTED)


async def export_chunk_set(request: web.Request) -> web.Response:
    """Begin: 202; GET its id to follow it."""
    wanted = await read_body(request, ChunkSetExportRequest)
    business = await business_of(request)
    _allowed(request, wanted.to, "/to")
    try:
        run = request.app[CHUNK_SETS].export(business.id, business.slug, wanted.to, wanted.format)
    except (SetRunningError, StoreError) as error:
        raise _refused(error) from None
    return answered(ChunkSetOut.of(run), HTTPStatus.ACCEPTED)


async def get_chunk_set(request: web.Request) -> web.Response:
    """One that began in this process."""
    business = await business_of(request)
    run = request.app[CHUNK_SETS].get(business.id, request.match_info["id"])
    if run is None:
        raise not_found("chunk set")
    return answered(ChunkSetOut.of(run))


def _allowed(request: web.Request, place: str, where: str) -> None:
    """A folder is for the commands of this machine, which may read and write wherever this process may."""
    if request[CALLER] != OWNER and not is_object_store(place):
        wanted = "must be an object store; folders are for `concierge chunks` on the server's machine"
        raise unusable(where, wanted)


def _refused(error: Exception) -> ProblemError:
    if isinstance(error, SetRunningError):
        return ProblemError(HTTPStatus.CONFLICT, "An export or import of chunks runs already.")
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


def _progress(run: SetRun) -> float:
    if run.state is not RunState.RUNNING:
        return 1.0 if run.state is RunState.DONE else 0.0
    taken = run.imported
    if taken is None or not taken.files:
        return 0.0
    fetched = taken.files_done / taken.files
    merged = taken.documents_done / taken.documents if taken.documents else 0.0
    return round(min(0.99, 0.4 * fetched + 0.6 * merged), 3)


def _shown(failure: Failure) -> FailureOut:
    return FailureOut(file=failure.file, reason=failure.reason)

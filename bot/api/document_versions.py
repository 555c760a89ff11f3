"""The versions of a document: look at them, go back to one, publish or discard a held one, try a failed one again."""

from collections.abc import Awaitable
from http import HTTPStatus

from aiohttp import web

from bot.api.bodies import read_body
from bot.api.businesses import business_of, id_of
from bot.api.documents import NOT_UPLOADED
from bot.api.knowledge_schemas import DocumentChangeRequest, RollBackRequest, VersionOut, VersionPage
from bot.api.needs import API
from bot.api.problems import ProblemError, not_found
from bot.api.schemas import DocumentOut, answered
from database.records import Document
from services.version_errors import VersionError

ANSWER = "answer"


async def list_versions(request: web.Request) -> web.Response:
    """The versions of a document that are kept, the newest first: few enough for one page."""
    business = await business_of(request)
    found = await request.app[API].ingestion.versions(business.id, id_of(request, "document"))
    if found is None:
        raise not_found("document")
    return answered(VersionPage(versions=[VersionOut.of(each) for each in found], next_cursor=None))


async def roll_back(request: web.Request) -> web.Response:
    """Make a new version of the content of an earlier one."""
    business = await business_of(request)
    document_id = id_of(request, "document")
    wanted = await read_body(request, RollBackRequest)
    await _refuse_answers(request, business.id, document_id)
    return await _changed(
        request.app[API].ingestion.roll_back(business.id, document_id, wanted.version), HTTPStatus.ACCEPTED
    )


async def publish(request: web.Request) -> web.Response:
    """Make the held version the one that answers."""
    business = await business_of(request)
    return await _changed(request.app[API].ingestion.publish(business.id, id_of(request, "document")))


async def discard(request: web.Request) -> web.Response:
    """Drop the held version."""
    business = await business_of(request)
    return await _changed(request.app[API].ingestion.discard(business.id, id_of(request, "document")))


async def retry(request: web.Request) -> web.Response:
    """Read a failed version again."""
    business = await business_of(request)
    return await _changed(
        request.app[API].ingestion.retry(business.id, id_of(request, "document")), HTTPStatus.ACCEPTED
    )


async def change_document(request: web.Request) -> web.Response:
    """Put other tags on a document."""
    business = await business_of(request)
    document_id = id_of(request, "document")
    wanted = await read_body(request, DocumentChangeRequest)
    await _refuse_answers(request, business.id, document_id)
    return await _changed(request.app[API].ingestion.set_tags(business.id, document_id, wanted.tags))


async def _refuse_answers(request: web.Request, business_id: str, document_id: str) -> None:
    """What is made of a question with its answer says what these say: they are changed, not it."""
    known = await request.app[API].ingestion.get(business_id, document_id)
    if known is not None and known.source == ANSWER:
        raise ProblemError(HTTPStatus.CONFLICT, NOT_UPLOADED[ANSWER])


async def _changed(change: Awaitable[Document | None], status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    try:
        document = await change
    except VersionError as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from None
    if document is None:
        raise not_found("document")
    return answered(DocumentOut.of(document), status)

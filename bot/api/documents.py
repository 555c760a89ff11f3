"""Upload, list, look at and delete documents."""

import logging
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import BodyPartReader, web

from bot.api.businesses import business_of, id_of
from bot.api.needs import API, Ingestion
from bot.api.paging import bad_cursor, page_cursor, page_limit
from bot.api.problems import ProblemError, not_found
from bot.api.schemas import DocumentOut, DocumentPage, DocumentsOut, answered
from database.records import Business, Document

logger = logging.getLogger(__name__)

FIELD = "files"
PIECE_BYTES = 256 * 1024
TRANSFER_ENCODINGS = {"binary", "7bit", "8bit", "base64", "quoted-printable"}


async def upload(request: web.Request) -> web.Response:
    """Take the files of a multipart request as they stream in: 202, one document a file.

    A bad file fails alone. A bad request (cut off, too many files) leaves none of its files behind.
    """
    business = await business_of(request)
    if request.content_type != "multipart/form-data":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f'Send multipart/form-data with one or more files in "{FIELD}".'
        )
    taken: list[Document] = []
    try:
        await _take(request, business, taken)
    except BaseException:
        await _forget(request.app[API].ingestion, business, taken)
        raise
    return answered(DocumentsOut(documents=[DocumentOut.of(document) for document in taken]), HTTPStatus.ACCEPTED)


async def list_documents(request: web.Request) -> web.Response:
    """A page of the documents of a business."""
    business = await business_of(request)
    try:
        documents, following = await request.app[API].ingestion.list(
            business.id, page_limit(request), page_cursor(request)
        )
    except ValueError:
        raise bad_cursor() from None
    return answered(DocumentPage(documents=[DocumentOut.of(each) for each in documents], next_cursor=following))


async def get_document(request: web.Request) -> web.Response:
    """One document."""
    business = await business_of(request)
    document = await request.app[API].ingestion.get(business.id, id_of(request, "document"))
    if document is None:
        raise not_found("document")
    return answered(DocumentOut.of(document))


async def delete_document(request: web.Request) -> web.Response:
    """Forget a document, at once for every search."""
    business = await business_of(request)
    if not await request.app[API].ingestion.delete(business.id, id_of(request, "document")):
        raise not_found("document")
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def _take(request: web.Request, business: Business, taken: list[Document]) -> None:
    needs = request.app[API]
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name != FIELD:
                continue  # the reader skips what nobody read
            if len(taken) == needs.max_upload_files:
                detail = f"At most {needs.max_upload_files} files a request: none of these was taken."
                raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            taken.append(await needs.ingestion.accept(business.id, part.filename or "untitled", _pieces(part)))
    except (ValueError, web.RequestPayloadError, AssertionError) as error:
        # aiohttp's multipart reader says so with any of these
        logger.info("an upload broke off after %d files: %s", len(taken), type(error).__name__)
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The multipart body is broken or ended too early.") from None
    if not taken:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "There is no file in the request.",
            errors=[(FIELD, "is missing: send each file as a part with this name")],
        )


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    if part.headers.get("Content-Transfer-Encoding", "binary").lower() not in TRANSFER_ENCODINGS:
        raise ValueError("unknown transfer encoding")
    while not part.at_eof():
        async for piece in part.decode_iter(await part.read_chunk(PIECE_BYTES)):
            yield bytes(piece)


async def _forget(ingestion: Ingestion, business: Business, taken: list[Document]) -> None:
    for document in taken:
        await ingestion.delete(business.id, document.id)

"""Upload, list, look at, replace and delete documents."""

from http import HTTPStatus

from aiohttp import web

from bot.api.businesses import business_of, id_of
from bot.api.document_queries import hold_wanted, source_wanted, tag_wanted, tags_wanted
from bot.api.needs import API
from bot.api.paging import bad_cursor, page_cursor, page_limit
from bot.api.problems import ProblemError, not_found
from bot.api.schemas import DocumentOut, DocumentPage, DocumentsOut, answered
from bot.api.uploads import FIELD, FORM, UploadedFile, uploaded_files
from bot.api.web_sources import add_web_source
from database.records import Document, new_id
from services.document_errors import REPEATED_NAME
from services.document_files import safe_filename

NAMELESS = "untitled"
UPLOADED = "upload"
NOT_UPLOADED = {
    "import": "The document came with a chunk set: import its new chunks, or delete it and upload a file.",
    "answer": "The document is made of a question with its answer: change that instead.",
    "web": "The document is read from a web page, which it follows: delete it and upload a file instead.",
}
JSON = "application/json"


async def upload(request: web.Request) -> web.Response:
    """Take the files of a form as they stream in: 202, one document a file; or the address of a web page as JSON.

    A bad file fails alone. A bad request (cut off, too many files) leaves none of its files behind.
    """
    if request.content_type == JSON:
        return await add_web_source(request)
    business = await business_of(request)
    tags, hold = tags_wanted(request), hold_wanted(request)
    if request.content_type != FORM:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f'Send multipart/form-data with one or more files in "{FIELD}", or JSON with a "url".',
        )
    taken: list[Document] = []
    names: dict[str, str] = {}
    async with uploaded_files(request, business.id, request.app[API].max_upload_files) as files:
        while files:
            taken.append(await _take(request, business.id, files[0], names, tags=tags, hold=hold))
            del files[0]
    return answered(DocumentsOut(documents=[DocumentOut.of(document) for document in taken]), HTTPStatus.ACCEPTED)


async def _take(
    request: web.Request,
    business_id: str,
    uploaded: UploadedFile,
    names: dict[str, str],
    *,
    tags: tuple[str, ...],
    hold: bool,
) -> Document:
    """The document of one file. `names` are those that this request has brought already, with their content.

    A name with another content would be a version of the document before: which of both is meant, nobody knows.
    """
    ingestion = request.app[API].ingestion
    file, name = uploaded.file, safe_filename(uploaded.name or NAMELESS)
    if uploaded.name is None:
        return await ingestion.take(business_id, name, file, document_id=new_id(), tags=tags, hold=hold)
    if names.get(name, file.sha256) != file.sha256:
        refused = file.refused(REPEATED_NAME)
        await ingestion.forget(file)
        return await ingestion.take(business_id, name, refused, document_id=new_id(), tags=tags)
    if file.refusal is None:
        names[name] = file.sha256
    return await ingestion.take(business_id, name, file, tags=tags, hold=hold)


async def replace_content(request: web.Request) -> web.Response:
    """Make a new version of a document of a raw body, or of a form's one file, which may bring a new name."""
    business = await business_of(request)
    document_id, hold = id_of(request, "document"), hold_wanted(request)
    ingestion = request.app[API].ingestion
    known = await ingestion.get(business.id, document_id)
    if known is None:
        raise not_found("document")
    if known.source != UPLOADED:
        raise ProblemError(HTTPStatus.CONFLICT, NOT_UPLOADED[known.source])
    async with uploaded_files(request, business.id, 1) as files:
        document = await ingestion.take_version(
            business.id, document_id, files[0].file, filename=files[0].name, hold=hold
        )
        if document is None:
            raise not_found("document")
        files.clear()
    return answered(DocumentOut.of(document), HTTPStatus.ACCEPTED)


async def list_documents(request: web.Request) -> web.Response:
    """A page of the documents of a business."""
    business = await business_of(request)
    try:
        documents, following = await request.app[API].ingestion.list(
            business.id,
            page_limit(request),
            page_cursor(request),
            source=source_wanted(request),
            tag=tag_wanted(request),
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

"""Files as they stream in: the parts of a form, or a raw body. Of a request that breaks off nothing is kept."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError, InvalidHeader

from bot.api.needs import API
from bot.api.problems import ProblemError, unusable
from services.document_files import ReceivedFile

logger = logging.getLogger(__name__)

FIELD = "files"
FORM = "multipart/form-data"
PIECE_BYTES = 256 * 1024
# aiohttp says with any of these that a body is no form, broke off, or that its sender has gone
BROKEN = (ValueError, web.RequestPayloadError, HttpProcessingError, AssertionError, ConnectionError)
CONTROLS = "The name of a file, or another header of its part, holds control characters. Rename the file."
TRANSFER_ENCODINGS = {"binary", "7bit", "8bit", "base64", "quoted-printable"}


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of a request, on disk, that no document has yet; its sender may have given it no name."""

    name: str | None
    file: ReceivedFile


@asynccontextmanager
async def uploaded_files(request: web.Request, business_id: str, most: int) -> AsyncIterator[list[UploadedFile]]:
    """The files of a request, in its order: 1 to `most` of a form, or the raw body as the one.

    A file that is still in the list at the end of the block is forgotten.
    Raises problems: 400 for a body that breaks off, 413 for too many files, 422 for none.
    """
    needs = request.app[API]
    files: list[UploadedFile] = []
    try:
        try:
            if request.content_type == FORM:
                await _receive_form(request, business_id, files, most)
            else:
                files.append(UploadedFile(None, await needs.ingestion.receive(business_id, _body(request))))
        except InvalidHeader:
            raise ProblemError(HTTPStatus.BAD_REQUEST, CONTROLS) from None
        except BROKEN as error:
            logger.info("an upload broke off after %d files: %s", len(files), type(error).__name__)
            raise ProblemError(HTTPStatus.BAD_REQUEST, "The body is broken or ended too early.") from None
        yield files
    finally:
        for each in files:
            await needs.ingestion.forget(each.file)


async def _receive_form(request: web.Request, business_id: str, files: list[UploadedFile], most: int) -> None:
    ingestion = request.app[API].ingestion
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name != FIELD:
            continue  # the reader skips what nobody read
        if len(files) == most:
            detail = f"At most {most} file{'s' if most > 1 else ''} a request: nothing of this one was taken."
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        files.append(UploadedFile(part.filename or None, await ingestion.receive(business_id, _part(part))))
    if not files:
        missing = "is missing: send each file as a part with this name"
        raise unusable(FIELD, missing, "There is no file in the request.")


async def _part(part: BodyPartReader) -> AsyncIterator[bytes]:
    if part.headers.get("Content-Transfer-Encoding", "binary").lower() not in TRANSFER_ENCODINGS:
        raise ValueError("unknown transfer encoding")
    while not part.at_eof():
        async for piece in part.decode_iter(await part.read_chunk(PIECE_BYTES)):
            yield bytes(piece)


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_chunked(PIECE_BYTES):
        yield piece

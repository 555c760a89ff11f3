"""Exported WhatsApp chats: read into proposed answers, which a person takes or refuses."""

import asyncio
import tempfile
from http import HTTPStatus
from typing import BinaryIO

from aiohttp import BodyPartReader, web
from pydantic import BaseModel

from bot.api.answers import AnswerPairOut, AnswerText, Question
from bot.api.bodies import StrictRequest, read_body
from bot.api.businesses import business_of, id_of
from bot.api.needs import API
from bot.api.paging import cursor_id, cut_page, page_limit
from bot.api.problems import ProblemError, bad_parameter, not_found, unusable
from bot.api.schemas import Time, answered, rfc3339
from bot.api.uploads import FORM
from database.proposed_answers import ProposedAnswer
from services.answer_pairs import AnswerNotTakenError, QuestionTakenError
from services.chat_export import NotAChatError
from services.chat_pairs import UnclearBusinessError
from services.chat_proposals import ProposalSettledError

FILE_FIELDS = frozenset({"files", "file"})
NAME_FIELD = "business_name"
STATES = ("open", "taken", "refused")
PIECE_BYTES = 256 * 1024
LONGEST_NAME = 200


class ChatExportOut(BaseModel):
    """What a chat brought: pairs that were found, and those of them that are proposed now for the first time."""

    found: int
    proposed: int


class AcceptRequest(StrictRequest):
    """Other words than the proposal's, where it needs them."""

    question: Question | None = None
    answer: AnswerText | None = None


class ProposedAnswerOut(BaseModel):
    """A question that customers asked `times` times, and how it was answered last.

    `asked_at` is the local time of the phone that exported the chat. `answer_id` is the pair's that was made of it.
    """

    id: str
    question: str
    answer: str
    filename: str
    times: int
    asked_at: str | None
    state: str
    answer_id: str | None
    created_at: Time

    @classmethod
    def of(cls, proposed: ProposedAnswer) -> "ProposedAnswerOut":
        """From our record."""
        return cls(
            id=proposed.id,
            question=proposed.question,
            answer=proposed.answer,
            filename=proposed.filename,
            times=proposed.times,
            asked_at=proposed.asked_at,
            state=proposed.state,
            answer_id=proposed.document_id,
            created_at=rfc3339(proposed.created_at),
        )


class ProposedAnswerPage(BaseModel):
    """A page of proposals, of each chat what was asked most often first."""

    proposed_answers: list[ProposedAnswerOut]
    next_cursor: str | None


async def add_chat_export(request: web.Request) -> web.Response:
    """Read a chat: 202 with how much it brought; 422 with the names when it is unclear who answers."""
    business = await business_of(request)
    if request.content_type != FORM:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, 'Send multipart/form-data with the export in "files".')
    with await asyncio.to_thread(tempfile.TemporaryFile) as file:
        filename, business_name = await _received(request, file)
        try:
            read = await request.app[API].sources.chats.read(business.id, filename, file, business_name)
        except NotAChatError as error:
            raise unusable("files", str(error)) from error
        except UnclearBusinessError as error:
            names = ", ".join(error.names)
            raise unusable(NAME_FIELD, f"must be who answers for the business, one of: {names}") from error
    return answered(ChatExportOut(found=read.found, proposed=read.proposed), HTTPStatus.ACCEPTED)


async def list_proposed_answers(request: web.Request) -> web.Response:
    """A page of proposals, of one state or all."""
    business = await business_of(request)
    limit, after = page_limit(request), cursor_id(request) or ""
    state = request.query.get("state")
    if state is not None and state not in STATES:
        raise bad_parameter("state", f"must be one of {', '.join(STATES)}")
    found = await request.app[API].sources.chats.page(business.id, limit + 1, state, after)
    page, following = cut_page(found, limit, lambda each: (each.id,))
    shown = [ProposedAnswerOut.of(each) for each in page]
    return answered(ProposedAnswerPage(proposed_answers=shown, next_cursor=following))


async def accept_proposed_answer(request: web.Request) -> web.Response:
    """Make a proposal a pair: 201 with the pair."""
    business = await business_of(request)
    proposal_id = id_of(request, "proposed answer")
    wanted = await read_body(request, AcceptRequest) if request.can_read_body else AcceptRequest()
    chats = request.app[API].sources.chats
    try:
        pair = await chats.accept(business.id, proposal_id, wanted.question, wanted.answer)
    except (ProposalSettledError, QuestionTakenError, AnswerNotTakenError) as error:
        raise ProblemError(HTTPStatus.CONFLICT, str(error)) from error
    if pair is None:
        raise not_found("proposed answer")
    return answered(AnswerPairOut.of(pair), HTTPStatus.CREATED)


async def refuse_proposed_answer(request: web.Request) -> web.Response:
    """Refuse a proposal: it is not made again."""
    business = await business_of(request)
    if not await request.app[API].sources.chats.refuse(business.id, id_of(request, "proposed answer")):
        raise not_found("open proposed answer")
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def _received(request: web.Request, file: BinaryIO) -> tuple[str, str | None]:
    """The export's name, and who answers; its content goes to `file`."""
    filename: str | None = None
    business_name: str | None = request.query.get(NAME_FIELD)
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            if part.name in FILE_FIELDS and filename is not None:
                raise unusable("files", "must be one chat: send the others one by one")
            if part.name in FILE_FIELDS:
                filename = part.filename or "chat.txt"
                await _copy(part, file, request.app[API].sources.most_upload_bytes)
            elif part.name == NAME_FIELD:
                business_name = (await part.read_chunk(LONGEST_NAME * 4)).decode("utf-8", "replace")
    except (ValueError, web.RequestPayloadError, AssertionError, ConnectionError):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body is broken or ended too early.") from None
    if filename is None:
        raise unusable("files", "is missing: send the exported chat as a part with this name")
    await asyncio.to_thread(file.seek, 0)
    return filename, (business_name or "").strip()[:LONGEST_NAME] or None


async def _copy(part: BodyPartReader, file: BinaryIO, most: int) -> None:
    count = 0
    while piece := await part.read_chunk(PIECE_BYTES):
        count += len(piece)
        if count > most:
            detail = f"The file is larger than {most // 1024 // 1024} MB. Export the chat without media."
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        await asyncio.to_thread(file.write, piece)

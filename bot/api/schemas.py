"""What the API answers: one model a shape, made from our records. Times are RFC 3339 in UTC."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from agents.ports import Answer
from database.conversation_views import ConversationView, MessageView
from database.inbox import DeadEvent
from database.records import Document, DocumentStatus, Mode, Passage

LONGEST_PASSAGE = 1200
LONGEST_ERROR = 300


def rfc3339(milliseconds: int) -> str:
    """Epoch milliseconds as RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_or_none(milliseconds: int | None) -> str | None:
    """The same, for what may not have happened."""
    return None if milliseconds is None else rfc3339(milliseconds)


Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class DocumentOut(BaseModel):
    """A document. `ready` and `failed` end its newest version's way; the live version answers meanwhile."""

    id: str
    filename: str
    status: DocumentStatus
    progress: Annotated[float, Field(ge=0, le=1)]
    is_processed: bool
    chunks_count: int
    error_message: Annotated[str, Field(max_length=LONGEST_ERROR)] | None
    version: int
    bytes: int
    created_at: Time
    updated_at: Time
    live_version: int | None
    held_version: int | None
    source: str
    tags: list[str]
    warning: str | None
    chunks_missing: int
    chunks_dropped: int

    @classmethod
    def of(cls, document: Document) -> "DocumentOut":
        """From our record."""
        return cls(
            id=document.id,
            filename=document.filename,
            status=document.status,
            progress=document.progress,
            is_processed=document.is_processed,
            chunks_count=document.chunks_count,
            error_message=document.error_message[:LONGEST_ERROR] if document.error_message else None,
            version=document.version,
            bytes=document.bytes,
            created_at=rfc3339(document.created_at),
            updated_at=rfc3339(document.updated_at),
            live_version=document.live_version,
            held_version=document.held_version,
            source=document.source,
            tags=list(document.tags),
            warning=document.warning,
            chunks_missing=document.chunks_missing,
            chunks_dropped=document.chunks_dropped,
        )


class DocumentsOut(BaseModel):
    """One document a file of the request, in its order."""

    documents: list[DocumentOut]


class DocumentPage(DocumentsOut):
    """A page of documents."""

    next_cursor: str | None


class PassageOut(BaseModel):
    """A piece of a document, in its own words; `page` only where the document has pages."""

    document_id: str
    filename: str
    text: Annotated[str, Field(max_length=LONGEST_PASSAGE)]
    score: Annotated[float, Field(ge=0, le=1)]
    page: int | None = None
    heading: str | None = None

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}

    @classmethod
    def of(cls, passage: Passage) -> "PassageOut":
        """From our record."""
        return cls(
            document_id=passage.document_id,
            filename=passage.filename,
            text=passage.text[:LONGEST_PASSAGE],
            score=min(1.0, max(0.0, passage.score)),
            page=passage.page,
            heading=passage.heading,
        )


class FoundPassageOut(PassageOut):
    """A passage that a search found."""

    marks: list[tuple[int, int]] = Field(
        description="Where the words of the query stand in the text: [start, end) in Unicode code points."
    )

    @classmethod
    def marked(cls, passage: Passage, marks: list[tuple[int, int]]) -> "FoundPassageOut":
        """From our record and the places."""
        return cls(**PassageOut.of(passage).model_dump(), marks=marks)


class PassagesOut(BaseModel):
    """What a search found, best first."""

    passages: list[FoundPassageOut]


class AnswerOut(BaseModel):
    """An answer from the knowledge; `answered` is false, and `sources` empty, when it does not hold one."""

    answer: str
    answered: bool
    sources: list[PassageOut]

    @classmethod
    def of(cls, answer: Answer) -> "AnswerOut":
        """From what the agent said."""
        return cls(
            answer=answer.text,
            answered=answer.answered,
            sources=[PassageOut.of(source) for source in answer.sources],
        )


class ContactOut(BaseModel):
    """Who writes. `phone` is digits without "+"; either it or `bsuid` may be unknown."""

    id: str
    name: str | None
    username: str | None
    phone: str | None
    bsuid: str | None
    language: str | None
    opted_out: bool


class ConversationOut(BaseModel):
    """A conversation; `waiting` counts messages that are not answered or closed yet."""

    id: str
    number_id: str
    contact: ContactOut
    mode: Mode
    waiting: int
    last_message_at: Time
    last_inbound_at: Time | None
    created_at: Time

    @classmethod
    def of(cls, view: ConversationView) -> "ConversationOut":
        """From our record."""
        contact = view.contact
        return cls(
            id=view.id,
            number_id=view.number_id,
            contact=ContactOut(
                id=contact.id,
                name=contact.name,
                username=contact.username,
                phone=contact.phone,
                bsuid=contact.bsuid,
                language=contact.language,
                opted_out=contact.opted_out,
            ),
            mode=view.mode,
            waiting=view.waiting,
            last_message_at=rfc3339(view.last_message_at),
            last_inbound_at=time_or_none(view.last_inbound_at),
            created_at=rfc3339(view.created_at),
        )


class ConversationPage(BaseModel):
    """A page of conversations, by when they began, the newest first."""

    conversations: list[ConversationOut]
    next_cursor: str | None


class MessageOut(BaseModel):
    """A message of either side. `turn_id` names the turn that answered it, or that it is a reply of."""

    id: str
    wamid: str | None
    direction: Literal["inbound", "outbound"]
    type: str
    text: str | None
    status: str
    reason: str | None
    sent_at: Time
    turn_id: str | None

    @classmethod
    def of(cls, view: MessageView) -> "MessageOut":
        """From our record."""
        return cls(
            id=view.id,
            wamid=view.wamid,
            direction="inbound" if view.direction == "inbound" else "outbound",
            type=view.type,
            text=view.text,
            status=view.status,
            reason=view.reason,
            sent_at=rfc3339(view.sent_at),
            turn_id=view.turn_id,
        )


class MessagePage(BaseModel):
    """A page of messages, newest last."""

    messages: list[MessageOut]
    next_cursor: str | None


class DeadLetterOut(BaseModel):
    """An event that cannot mean anything, and why."""

    id: int
    kind: str
    subject: str | None
    error: str
    received_at: Time

    @classmethod
    def of(cls, event: DeadEvent) -> "DeadLetterOut":
        """From our record."""
        return cls(
            id=event.id,
            kind=event.kind,
            subject=event.subject,
            error=event.error,
            received_at=rfc3339(event.received_at),
        )


class DeadLetterPage(BaseModel):
    """A page of dead letters, in the order in which they came."""

    dead_letters: list[DeadLetterOut]
    next_cursor: str | None


class RetriedOut(BaseModel):
    """How many dead letters wait again."""

    retried: int


class ProblemPart(BaseModel):
    """One value that cannot be used: a JSON pointer or the name of a parameter, and why."""

    where: str
    detail: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemPart] | None = None
    instance: str | None = None


def answered(model: BaseModel, status: int = 200) -> web.Response:
    """The model as a JSON answer."""
    return web.Response(status=status, body=model.model_dump_json().encode(), content_type="application/json")

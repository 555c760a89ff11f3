"""Look at turns: what a burst was taken for, which passages answered it, how long each stage took and what it cost."""

from aiohttp import web
from pydantic import BaseModel, Field

from bot.api.businesses import id_of
from bot.api.needs import API
from bot.api.paging import cursor_id, cut_page, page_limit
from bot.api.problems import not_found
from bot.api.schemas import MessageOut, Time, answered, rfc3339, time_or_none
from database.turn_views import SourceView, TurnView, sources_of, turn_of, turns_of


class TurnOut(BaseModel):
    """A turn. `messages` are what it answered and what it said; `stages` are seconds by stage."""

    id: str
    conversation_id: str
    outcome: str
    intents: list[str]
    topic: str | None
    language: str | None
    model: str | None
    prompt_hash: str | None
    knowledge_version: int | None
    input_tokens: int
    output_tokens: int
    cost_usd: float
    stages: dict[str, float]
    error: str | None
    received_at: Time | None = Field(description="When the first of its messages reached us.")
    started_at: Time
    finished_at: Time
    messages: list[MessageOut]

    @classmethod
    def of(cls, view: TurnView) -> "TurnOut":
        """From our record."""
        kept = ("id", "conversation_id", "outcome", "intents", "topic", "language", "model", "prompt_hash")
        counted = ("knowledge_version", "input_tokens", "output_tokens", "cost_usd", "stages", "error")
        return cls(
            **{name: getattr(view, name) for name in kept + counted},
            received_at=time_or_none(view.received_at),
            started_at=rfc3339(view.started_at),
            finished_at=rfc3339(view.finished_at),
            messages=[MessageOut.of(message) for message in view.messages],
        )


class TurnPage(BaseModel):
    """A page of turns, the newest first."""

    turns: list[TurnOut]
    next_cursor: str | None


class MarkedPassageOut(BaseModel):
    """A passage that a turn answered from."""

    chunk_id: str
    document_id: str
    filename: str
    heading: str | None
    page: int | None
    text: str
    marks: list[tuple[int, int]] = Field(
        description="Where the words of the question stand in the text: [start, end) in Unicode code points."
    )

    @classmethod
    def of(cls, source: SourceView, marks: list[tuple[int, int]]) -> "MarkedPassageOut":
        """From our record."""
        return cls(
            chunk_id=source.chunk_id,
            document_id=source.document_id,
            filename=source.filename,
            heading=source.heading,
            page=source.page,
            text=source.text,
            marks=marks,
        )


class TurnDetailOut(TurnOut):
    """A turn with its passages as they stand in the knowledge now."""

    passages: list[MarkedPassageOut]
    passages_gone: int = Field(description="How many of its passages were deleted or replaced since.")


async def list_turns(request: web.Request) -> web.Response:
    """A page of the turns of a conversation."""
    limit, before = page_limit(request), cursor_id(request)
    found = await request.app[API].chat.read(turns_of(id_of(request, "conversation"), limit + 1, before))
    if found is None:
        raise not_found("conversation")
    page, following = cut_page(found, limit, lambda each: (each.id,))
    return answered(TurnPage(turns=[TurnOut.of(each) for each in page], next_cursor=following))


async def get_turn(request: web.Request) -> web.Response:
    """One turn with the passages that it answered from."""
    needs = request.app[API]
    view = await needs.chat.read(turn_of(id_of(request, "turn")))
    if view is None:
        raise not_found("turn")
    found = await needs.knowledge_database.read(sources_of(view.business_id, view.sources))
    question = "\n".join(message.text or "" for message in view.messages if message.direction == "inbound")
    passages = [
        MarkedPassageOut.of(source, needs.word_marks.of(question, source.text, view.language)) for source in found
    ]
    gone = len(set(view.sources)) - len(found)
    return answered(TurnDetailOut(**TurnOut.of(view).model_dump(), passages=passages, passages_gone=gone))

"""What callers may say of documents and of the knowledge's settings, and what they hear of them."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from bot.api.bodies import StrictRequest
from bot.api.schemas import Time, rfc3339, time_or_none
from database.knowledge_settings import KnowledgeSettingsRow
from database.records import VersionState, VersionView
from services.document_tags import MOST_TAGS, tidy_tag

ChunkCharacters = Annotated[int, Field(ge=200, le=1200)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class KnowledgeSettingsRequest(StrictRequest):
    """What to change: a field that is not there stays as it is, null goes back to the server's default."""

    chunk_characters: ChunkCharacters | None = None
    answer_threshold: Share | None = None
    vector_weight: Share | None = None


class KnowledgeSettingsOut(BaseModel):
    """What a business set for its knowledge; null is the server's default.

    `chunk_characters`: the longest chunk of documents that are read from now on. `answer_threshold`: the least
    answerability that is still answered. `vector_weight`: the share of meaning, beside words, in a passage's score.
    """

    chunk_characters: ChunkCharacters | None
    answer_threshold: Share | None
    vector_weight: Share | None
    updated_at: Time | None

    @classmethod
    def of(cls, row: KnowledgeSettingsRow) -> "KnowledgeSettingsOut":
        """From our record."""
        return cls(
            chunk_characters=row.chunk_characters,
            answer_threshold=row.answer_threshold,
            vector_weight=row.vector_weight,
            updated_at=time_or_none(row.updated_at),
        )


class DocumentChangeRequest(StrictRequest):
    """The tags that the document has from now on, in place of those that it had."""

    tags: Annotated[list[Annotated[str, AfterValidator(tidy_tag)]], Field(max_length=MOST_TAGS)]


class RollBackRequest(StrictRequest):
    """The number of the version whose content is wanted back."""

    version: Annotated[int, Field(ge=1, lt=2**31)]


class VersionOut(BaseModel):
    """A version of a document. `origin` is the number of the version whose content a roll-back brought back.

    `live` answers, `held` is complete and waits to be published, `working` is on its way, `failed` has an
    `error_message`, `old` was live once or was never published.
    """

    number: int
    state: VersionState
    bytes: int
    sha256: str
    chunks_count: int | None
    error_message: str | None
    origin: int | None
    created_at: Time
    completed_at: Time | None
    live_at: Time | None

    @classmethod
    def of(cls, view: VersionView) -> "VersionOut":
        """From our record."""
        return cls(
            number=view.number,
            state=view.state,
            bytes=view.bytes,
            sha256=view.sha256,
            chunks_count=view.chunks_count,
            error_message=view.error_message,
            origin=view.origin,
            created_at=rfc3339(view.created_at),
            completed_at=time_or_none(view.completed_at),
            live_at=time_or_none(view.live_at),
        )


class VersionPage(BaseModel):
    """The versions of a document that are kept, the newest first: always one page."""

    versions: list[VersionOut]
    next_cursor: str | None

"""What callers may say of documents and of the knowledge's settings, and what they hear of them."""

from typing import Annotated

from pydantic import BaseModel, Field

from bot.api.bodies import StrictRequest
from bot.api.schemas import Time, rfc3339
from database.knowledge_settings import KnowledgeSettingsRow

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
            updated_at=None if row.updated_at is None else rfc3339(row.updated_at),
        )

"""What a business set for its knowledge, in knowledge.db; what it did not set follows the server's defaults."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from database.transaction import Transaction, Unit


@dataclass(frozen=True, slots=True)
class KnowledgeSettingsRow:
    """None means the server's default.

    `chunk_characters` is the longest chunk (200..1200), `answer_threshold` the least answerability that is answered
    (0..1), `vector_weight` the share of the vectors in a passage's score (0..1).
    """

    chunk_characters: int | None = None
    answer_threshold: float | None = None
    vector_weight: float | None = None
    updated_at: int | None = None


def knowledge_settings(business_id: str) -> Unit[KnowledgeSettingsRow]:
    """What the business set; all None when it set nothing."""

    async def unit(transaction: Transaction) -> KnowledgeSettingsRow:
        row = await transaction.one(
            "SELECT chunk_characters, answer_threshold, vector_weight, updated_at FROM knowledge_settings"
            " WHERE business_id = :business",
            {"business": business_id},
        )
        return KnowledgeSettingsRow(*row) if row else KnowledgeSettingsRow()

    return unit


def change_knowledge_settings(business_id: str, changes: Mapping[str, Any], now: int) -> Unit[KnowledgeSettingsRow]:
    """Set the fields that `changes` names, and leave the others; what all of them are now."""

    async def unit(transaction: Transaction) -> KnowledgeSettingsRow:
        changed = replace(await knowledge_settings(business_id)(transaction), **changes, updated_at=now)
        await transaction.run(
            "INSERT INTO knowledge_settings"
            " (business_id, chunk_characters, answer_threshold, vector_weight, updated_at)"
            " VALUES (:business, :chunk_characters, :answer_threshold, :vector_weight, :updated_at)"
            " ON CONFLICT (business_id) DO UPDATE SET chunk_characters = excluded.chunk_characters,"
            " answer_threshold = excluded.answer_threshold, vector_weight = excluded.vector_weight,"
            " updated_at = excluded.updated_at",
            {"business": business_id, **asdict(changed)},
        )
        return changed

    return unit

"""The answer thresholds of the businesses, as the agents see them."""

from database.engine import Database
from database.knowledge_settings import knowledge_settings


class BusinessThresholds:
    """Implements agents.ports.AnswerThresholds over knowledge.db: a change holds from the next question on."""

    def __init__(self, knowledge: Database) -> None:
        self._knowledge = knowledge

    async def of(self, business_id: str) -> float | None:
        """As AnswerThresholds.of."""
        return (await self._knowledge.read(knowledge_settings(business_id))).answer_threshold

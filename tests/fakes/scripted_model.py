"""A chat model in memory that says what a test wrote down."""

import json
from collections.abc import Sequence
from typing import Any

from agents.ports import Completion, ModelError, Usage


class ScriptedModel:
    """Implements agents.ports.LanguageModel. Each answer is text, JSON (a dict) or a ModelError; the last one stays."""

    def __init__(self, *answers: str | dict[str, Any] | ModelError) -> None:
        self.answers: list[str | dict[str, Any] | ModelError] = list(answers)
        self.asked: list[tuple[str, str]] = []

    async def complete(
        self, system: str, user: str, *, business_id: str = "", knowledge_version: int | None = None
    ) -> Completion:
        self.asked.append((system, user))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ModelError):
            raise answer
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return Completion(text, Usage("scripted", None, 10, 5, 0.25))

    @property
    def users(self) -> Sequence[str]:
        """What each call asked."""
        return [user for _, user in self.asked]

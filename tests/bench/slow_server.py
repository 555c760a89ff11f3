"""`concierge serve` with a scripted model in it that takes a second a call."""

import json
import random
import sys

from agents.ports import Completion, Usage
from bot.app import Outside
from bot.serve import serve
from bot.settings import load_settings
from database.clock import Clock, SystemClock

MODEL_SECONDS = 1.0
TOKENS_A_CALL = 100


class SlowModel:
    """Implements agents.ports.LanguageModel: everything is a question, and every answer the same."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def complete(
        self,
        system: str,
        user: str,
        *,
        business_id: str = "",
        knowledge_version: int | None = None,
    ) -> Completion:
        await self._clock.sleep(MODEL_SECONDS)
        answer = {"answer": "Yes, gladly.", "answered": True, "sources": [1]}
        sorting = {"intents": ["question"], "language": "en"}
        text = json.dumps(sorting if "You sort messages" in system else answer)
        return Completion(text, Usage("scripted", None, TOKENS_A_CALL))


def main() -> int:
    """Until a signal comes, as the command does."""
    clock = SystemClock()
    return serve(load_settings(), Outside(clock, random.Random(1), SlowModel(clock)))


if __name__ == "__main__":
    sys.exit(main())

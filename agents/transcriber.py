"""The line to a speech-to-text model: OpenAI's /audio/transcriptions, or any server that speaks it."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agents.model_budget import ModelBudget
from agents.ports import ModelError, Usage
from database.clock import Clock
from database.metrics import Metrics

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_FIRST_PAUSE_SECONDS = 0.5
_RETRIED_STATUSES = frozenset({408, 409, 425, 429})
_SERVER_FAULT = 500
_NO_KEY = "not-needed"
# The file's name tells the server its format; WhatsApp's voice notes are ogg with opus (WHATSAPP.md 2.2).
_ENDINGS = {"audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/aac": "m4a", "audio/wav": "wav", "audio/webm": "webm"}


@dataclass(frozen=True, slots=True)
class TranscriberOptions:
    """Which model, and how to call it. `base_url` "" is OpenAI's own; `timeout_seconds` bounds all tries together.

    `prices_usd` are for a million tokens, in and out; a server that counts none costs 0. At most `concurrency` at once.
    """

    model: str
    api_key: str = field(repr=False)
    base_url: str = ""
    timeout_seconds: float = 20.0
    retries: int = 2
    concurrency: int = 4
    prices_usd: tuple[float, float] = (0.0, 0.0)


class OpenAITranscriber:
    """Implements services.voice_notes.Transcriber. The client is imported at the first call, in a thread.

    `budget` None means that nobody counts what a business spends.
    """

    def __init__(
        self,
        options: TranscriberOptions,
        clock: Clock,
        dice: random.Random,
        metrics: Metrics,
        budget: ModelBudget | None = None,
    ) -> None:
        self._budget = budget
        self._places = asyncio.Semaphore(options.concurrency)
        self._options = options
        self._clock = clock
        self._dice = dice
        self._metrics = metrics
        self._opening = asyncio.Lock()
        self._client: AsyncOpenAI | None = None

    async def transcribe(self, sound: bytes, mime_type: str, business_id: str) -> str:
        """What is said in a sound file, "" for silence. Raises ModelError, also when the daily budget is spent."""
        if self._budget is not None and not self._budget.allows(business_id):
            self._count("over_budget")
            raise ModelError("the daily budget is spent")
        client = await self._opened()
        file = (f"voice.{_ENDINGS.get(mime_type.partition(';')[0].strip(), 'ogg')}", sound)
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                async with self._places:
                    return await self._tried(client, file, business_id)
        except TimeoutError as exc:
            self._count("timeout")
            raise ModelError("the transcription failed: timeout") from exc

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.close()

    async def _opened(self) -> "AsyncOpenAI":
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_open, self._options)
            return self._client

    async def _tried(self, client: "AsyncOpenAI", file: tuple[str, bytes], business_id: str) -> str:
        for attempt in range(self._options.retries + 1):
            try:
                said = await client.audio.transcriptions.create(model=self._options.model, file=file)
                text = said.text
            except Exception as exc:  # the border to openai and httpx, which raise anything at a bad answer
                outcome, may_help_again = _failure(exc)
                self._count(outcome)
                if not may_help_again or attempt == self._options.retries:
                    raise ModelError(f"the transcription failed: {outcome}") from exc
                await self._clock.sleep(self._dice.uniform(0.5, 1.0) * _FIRST_PAUSE_SECONDS * 2.0**attempt)
            else:
                self._count("answered")
                self._charge(getattr(said, "usage", None), business_id)
                return text if isinstance(text, str) else ""
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _charge(self, counted: Any, business_id: str) -> None:
        """By the tokens that the server counted; some count seconds, or nothing."""
        tokens_in, tokens_out = (getattr(counted, f"{side}_tokens", None) or 0 for side in ("input", "output"))
        price_in, price_out = self._options.prices_usd
        cost = (tokens_in * price_in + tokens_out * price_out) / 1_000_000
        model = self._options.model
        self._metrics.model_tokens.labels(model, "input").inc(tokens_in)
        self._metrics.model_tokens.labels(model, "output").inc(tokens_out)
        self._metrics.model_cost.labels(model).inc(cost)
        if self._budget is not None:
            usage = Usage(model, None, tokens_in, tokens_out, cost)
            self._budget.charge(business_id, usage)

    def _count(self, outcome: str) -> None:
        self._metrics.model_calls.labels(self._options.model, outcome).inc()


def _open(options: TranscriberOptions) -> "AsyncOpenAI":
    from openai import AsyncOpenAI  # noqa: PLC0415 - takes its time to import; only where voice notes are heard

    return AsyncOpenAI(
        api_key=options.api_key or _NO_KEY,
        base_url=options.base_url or None,
        timeout=options.timeout_seconds,
        max_retries=0,  # we retry ourselves, on our own clock
    )


def _failure(exc: Exception) -> tuple[str, bool]:
    """What to call it, and whether another try may help."""
    status: Any = getattr(exc, "status_code", None)
    if isinstance(status, int):
        return f"status_{status}", status in _RETRIED_STATUSES or status >= _SERVER_FAULT
    return type(exc).__name__, True

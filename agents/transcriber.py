"""The line to a speech-to-text model: OpenAI's /audio/transcriptions, or any server that speaks it."""

import asyncio
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agents.model_budget import ModelBudget
from agents.model_costs import cost_usd, record
from agents.ports import ModelError, Usage
from database.clock import Clock
from database.metrics import Metrics
from vectorstore.model_attempts import Attempts, FailedAttemptError, failure_of
from vectorstore.openai_embedder import NO_KEY

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Of a sound whose answer nobody heard: OpenAI's price table takes a minute for 1,000 tokens, and a minute of speech in
# opus at 16 kbit/s has 120 kB. In other formats it is more bytes a minute: then too much is counted, never nothing.
_SOUND_BYTES_A_TOKEN = 120
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
        self._metrics = metrics
        self._attempts = Attempts(options.retries, clock, dice, self._count)
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
        seconds = self._options.timeout_seconds
        try:
            text = await self._attempts.until_answered(
                lambda: self._attempt(client, file, business_id), seconds=seconds
            )
        except FailedAttemptError as exc:
            raise ModelError(f"the transcription failed: {exc.outcome}") from exc.__cause__
        self._count("answered")
        return text

    async def _attempt(self, client: "AsyncOpenAI", file: tuple[str, bytes], business_id: str) -> str:
        async with self._places:
            try:
                said = await client.audio.transcriptions.create(model=self._options.model, file=file)
                text = said.text
            except asyncio.CancelledError:  # out of time, or nobody waits: the server goes on, and bills it
                self._bill(business_id, _unheard(file), 0)
                raise
            except Exception as exc:  # the border to openai and httpx, which raise anything at a bad answer
                failed = failure_of(exc)
                if failed.is_billed:
                    self._bill(business_id, _unheard(file), 0)
                raise failed from exc
        counted = getattr(said, "usage", None)  # in tokens; some count seconds, or nothing
        tokens_in, tokens_out = (getattr(counted, f"{side}_tokens", None) or 0 for side in ("input", "output"))
        self._bill(business_id, tokens_in, tokens_out)
        return text if isinstance(text, str) else ""

    def _bill(self, business_id: str, tokens_in: int, tokens_out: int) -> None:
        cost = cost_usd(tokens_in, tokens_out, self._options.prices_usd)
        usage = Usage(self._options.model, None, tokens_in, tokens_out, cost)
        record(self._metrics, usage)
        if self._budget is not None:
            self._budget.charge(business_id, usage)

    def _count(self, outcome: str) -> None:
        self._metrics.model_calls.labels(self._options.model, outcome).inc()


def _unheard(file: tuple[str, bytes]) -> int:
    """The tokens of a sound whose answer was not heard, roughly."""
    return math.ceil(len(file[1]) / _SOUND_BYTES_A_TOKEN)


def _open(options: TranscriberOptions) -> "AsyncOpenAI":
    from openai import AsyncOpenAI  # noqa: PLC0415 - takes its time to import; only where voice notes are heard

    return AsyncOpenAI(
        api_key=options.api_key or NO_KEY,
        base_url=options.base_url or None,
        timeout=options.timeout_seconds,
        max_retries=0,  # we retry ourselves, on our own clock
    )

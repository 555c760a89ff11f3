"""What a conversation remembers: recent lines within a budget of tokens, and a running summary of those before."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, Field

from agents.grounding import grounded
from agents.model_answers import NonsenseError, as_lines, as_material, read_answer, with_prompt
from agents.ports import Burst, LanguageModel, ModelError, Summary, Usage, Utterance
from agents.prompt_files import load_prompt

DEFAULT_TOKENS = 1000
LONGEST_SUMMARY = 600
_PROMPT = load_prompt("summarize")
_CHARACTERS_A_TOKEN = 4  # an estimate that holds for Latin letters; other scripts take more
_MOST_LINES = 40
_LONGEST_LINE = 500
_LONGEST_QUESTION = 100
_MODEL_SECONDS = 2.5  # what the customer's reply may wait for it
_FIRST_SENTENCE = re.compile(r".+?[.!?…。！？।؟]|.+", re.DOTALL)  # noqa: RUF001 - ends in other scripts


class _Summarized(BaseModel):
    """What the model was asked for (agents/prompts/summarize.md)."""

    summary: str = Field(min_length=1, max_length=2 * LONGEST_SUMMARY)


@dataclass(frozen=True, slots=True)
class Remembered:
    """The new summary, None while none is needed; what it cost; why the model's word was not used."""

    summary: Summary | None = None
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    error: str | None = None


class ConversationMemory:
    """`model` None means a summary of the customer's own questions; `tokens` is the budget of the recent lines.

    A reply waits `model_seconds` for the model's summary; beyond that it is made of the customer's questions.
    """

    def __init__(
        self, model: LanguageModel | None, tokens: int = DEFAULT_TOKENS, *, model_seconds: float = _MODEL_SECONDS
    ) -> None:
        self._model = model
        self._model_seconds = model_seconds
        self._tokens = tokens

    def recalled(self, burst: Burst) -> Burst:
        """The burst with the recent lines that fit into the budget, long ones cut; of those before, the questions.

        The summary that is stored follows with the reply (`summarized`): this turn has the lines that just left in
        short, so that none is out of sight meanwhile.
        """
        older = _beyond(burst.history, self._tokens, _MOST_LINES)
        extract = _extracted(burst.summary, older) if older else None
        recent = tuple(replace(line, text=_cut(line.text)) for line in burst.history[len(older) :])
        return replace(burst, history=recent, summary=extract.text if extract else burst.summary)

    async def summarized(self, burst: Burst, *, use_model: bool) -> Remembered:
        """When the lines outgrow the budget: a summary of the older ones, down to half of it. Never raises."""
        if not _beyond(burst.history, self._tokens, _MOST_LINES):
            return Remembered()
        older = _beyond(burst.history, self._tokens // 2, _MOST_LINES // 2)
        if self._model is None or not use_model:
            return Remembered(_extracted(burst.summary, older))
        try:
            async with asyncio.timeout(self._model_seconds):
                return await self._by_model(self._model, burst, older)
        except TimeoutError:
            return Remembered(_extracted(burst.summary, older), error="summary: the model was slow")
        except NonsenseError as exc:
            return Remembered(_extracted(burst.summary, older), exc.usage, f"summary: {exc}")
        except ModelError as exc:
            return Remembered(_extracted(burst.summary, older), error=f"summary: {exc}")

    async def _by_model(self, model: LanguageModel, burst: Burst, older: Sequence[Utterance]) -> Remembered:
        lines = as_lines(replace(line, text=_cut(line.text)) for line in older)
        material = as_material(summary=burst.summary, lines=lines)
        completion = with_prompt(await model.complete(_PROMPT.text, material, business_id=burst.business_id), _PROMPT)
        said = read_answer(completion, _Summarized).summary
        checked = grounded(said, [burst.summary or "", *(line.text for line in older)])
        if checked.text is None:
            raise NonsenseError(completion.usage)
        return Remembered(Summary(checked.text[:LONGEST_SUMMARY], older[-1].seq), completion.usage)


def _beyond(history: Sequence[Utterance], tokens: int, most_lines: int) -> Sequence[Utterance]:
    """The older lines, which the budget does not hold."""
    left = tokens * _CHARACTERS_A_TOKEN
    kept = 0
    for line in reversed(history[-most_lines:]):
        left -= len(_cut(line.text))
        if left < 0:
            break
        kept += 1
    return history[: len(history) - kept]


def _cut(line: str) -> str:
    """What one line may take of the budget, so that a long one does not push all the others out."""
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"


def _extracted(before: str | None, older: Sequence[Utterance]) -> Summary | None:
    """What the customer wrote, a sentence a message; the newest where not all of it has room."""
    asked = [_FIRST_SENTENCE.match(line.text.strip()) for line in older if line.by_customer]
    sentences = [" ".join(found[0].split())[:_LONGEST_QUESTION] for found in asked if found]
    text = "\n".join(filter(None, [before, *sentences]))
    if len(text) > LONGEST_SUMMARY:
        text = text[-LONGEST_SUMMARY:].partition("\n")[2] or text[-LONGEST_SUMMARY:]
    return Summary(text, older[-1].seq) if text else None

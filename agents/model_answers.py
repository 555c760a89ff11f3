"""Reads the JSON that a chat model was asked for, and nothing else."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agents.ports import Completion, ModelError, Usage, Utterance
from agents.prompt_files import Prompt

_FENCED = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)
T = TypeVar("T", bound=BaseModel)


class NonsenseError(ModelError):
    """The model answered, but not what it was asked for. `usage` is what the answer cost all the same."""

    def __init__(self, usage: Usage) -> None:
        super().__init__("the model's answer is not the JSON that it was asked for")
        self.usage = usage


def read_answer(completion: Completion, kind: type[T]) -> T:
    """The completion as a `kind`; a code fence around it is forgiven, anything else is not. Raises NonsenseError."""
    fenced = _FENCED.match(completion.text)
    try:
        return kind.model_validate_json(fenced.group(1) if fenced else completion.text)
    except ValidationError as exc:
        completion.reject()
        raise NonsenseError(completion.usage) from exc


def with_prompt(completion: Completion, prompt: Prompt) -> Completion:
    """The completion, with the hash of its system prompt in its usage: as it was sent, or else as it is on file."""
    return replace(completion, usage=replace(completion.usage, prompt_hash=completion.usage.prompt_hash or prompt.hash))


def as_lines(history: Iterable[Utterance]) -> list[dict[str, str]]:
    """What was said before, as a prompt's material has it: each line under the name of who said it."""
    return [{"customer" if line.by_customer else "business": line.text} for line in history]


def as_material(**parts: object) -> str:
    """What a prompt's user message carries: JSON, so that no text can pass for another part of it."""
    return json.dumps(parts, ensure_ascii=False, indent=1)

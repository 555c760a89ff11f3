"""Reads what the Graph API answers, and its errors: `{"error": {"code", "message", "error_data": {"details"}}}`."""

import json
from dataclasses import dataclass
from typing import Any

_LONGEST_WORDS = 500


@dataclass(frozen=True, slots=True)
class GraphError:
    """What Meta says went wrong. `code` is None when it told none; `words` are "" when it told nothing."""

    code: int | None = None
    words: str = ""

    def without(self, *secrets: str | None) -> str:
        """The words, shortened. Meta may quote a malformed token in them: what is secret is cut out."""
        told = self.words
        for secret in secrets:
            told = told.replace(secret, "[token]") if secret else told
        return told[:_LONGEST_WORDS]


def answered(body: bytes) -> dict[str, Any] | None:
    """The answer, None when it is no JSON object: a proxy's page, or one cut off."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def error_of(answer: dict[str, Any] | None) -> GraphError:
    """The error that an answer tells; an empty one when it tells none."""
    error = answer.get("error") if answer else None
    if not isinstance(error, dict):
        return GraphError()
    code, inner = error.get("code"), error.get("error_data")
    texts = (error.get("message"), inner.get("details") if isinstance(inner, dict) else None)
    return GraphError(
        code=code if type(code) is int else None,
        words=": ".join(text for text in texts if isinstance(text, str) and text),
    )

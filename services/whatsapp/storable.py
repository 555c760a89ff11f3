"""Text and JSON from outside, made fit for a database: nothing is refused, only what cannot be stored is replaced."""

import math
from typing import Any

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_DEEPEST = 40
_LARGEST = 2**63


def storable_text(text: str) -> str:
    """The same text; lone surrogates (which UTF-8 cannot hold) and NUL (which PostgreSQL refuses) become U+FFFD."""
    if text.isascii():
        return text if "\0" not in text else text.replace("\0", _REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", _REPLACEMENT)


def storable(value: Any, depth: int = 0) -> Any:
    """The same JSON with storable texts; integers beyond 64 bits become text, NaN and infinities null.

    What lies deeper than 40 levels is left out (None): no message of Meta's comes near it, and every reader
    downstream would have to fear for its stack.
    """
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        if depth >= _DEEPEST:
            return None
        return {storable_text(key): storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item, depth + 1) for item in value] if depth < _DEEPEST else None
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else str(value)
    return value if isinstance(value, float) and math.isfinite(value) else None

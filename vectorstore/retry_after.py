"""What a server says about when to come again."""

import math
from contextlib import suppress
from email.utils import parsedate_to_datetime


def retry_after_seconds(said: str, now: int) -> float:
    """Of a Retry-After header (RFC 9110, 10.2.3: seconds or a date), at `now`; 0 when it does not say."""
    said = said.strip()
    with suppress(ValueError):
        seconds = float(said)
        return max(0.0, seconds) if math.isfinite(seconds) else 0.0
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(said).timestamp() - now / 1000)
    return 0.0

"""Proof that a webhook comes from Meta."""

import hmac
from collections.abc import Sequence
from functools import lru_cache

_PREFIX = b"sha256="


def signature_matches(body: bytes, header: str, secrets: Sequence[str]) -> bool:
    """Whether `header` (X-Hub-Signature-256) signs the raw `body` with any of the app secrets (WHATSAPP.md 1.2).

    Every secret is compared in constant time, also after a match. Odd headers are False, never an error; so is no
    secret at all.
    """
    given = header.encode("utf-8", "replace")  # compare_digest takes no text beyond ASCII
    matches = False
    for secret in secrets:
        keyed = _keyed(secret).copy()
        keyed.update(body)
        expected = _PREFIX + keyed.hexdigest().encode()
        matches |= bool(secret) and hmac.compare_digest(expected, given)
    return matches


@lru_cache(maxsize=64)
def _keyed(secret: str) -> hmac.HMAC:
    """Setting up the key costs more than a webhook's digest; a copy does not."""
    return hmac.new(secret.encode(), digestmod="sha256")

"""Proof that a webhook comes from Meta."""

import hmac
from collections.abc import Sequence

_PREFIX = b"sha256="


def signature_matches(body: bytes, header: str, secrets: Sequence[str]) -> bool:
    """Whether `header` (X-Hub-Signature-256) signs the raw `body` with any of the app secrets (WHATSAPP.md 1.2).

    Every secret is compared in constant time, also after a match. Odd headers are False, never an error; so is no
    secret at all.
    """
    given = header.encode("utf-8", "replace")  # compare_digest takes no text beyond ASCII
    matches = False
    for secret in secrets:
        expected = _PREFIX + hmac.digest(secret.encode(), body, "sha256").hex().encode()
        matches |= bool(secret) and hmac.compare_digest(expected, given)
    return matches

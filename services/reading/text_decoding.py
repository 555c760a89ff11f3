"""Bytes of a text to characters: by byte order mark, by what a page says of itself, as UTF-8, else by a guess."""

import re
from collections.abc import Callable

from services.file_signatures import looks_like_utf16

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SAMPLE_BYTES = 4_096
# HTML Living Standard, 13.2.3.2: a page names its encoding within the first 1,024 bytes.
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_CHARSET_BYTES = 1_024


def decoded(content: bytes, guess: Callable[[bytes], str]) -> str:
    """The text. `guess` decodes what says nothing of its encoding and is not UTF-8."""
    for encoding in _stated(content):
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return guess(content)


def _stated(content: bytes) -> list[str]:
    encodings = [encoding for mark, encoding in _BOMS if content.startswith(mark)]
    pattern = looks_like_utf16(content[:_SAMPLE_BYTES])
    if pattern:
        encodings.append(pattern)
    encodings.append("utf-8")
    charset = _CHARSET.search(content[:_CHARSET_BYTES])
    if charset:
        encodings.append(charset.group(1).decode("ascii"))
    return encodings

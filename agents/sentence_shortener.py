"""Shortens a text that is too long to the part that speaks most of what was asked."""

import re
from collections.abc import Collection

from agents.words import is_unspaced, stem, words

_RUN = re.compile(r"\S+\s*")
_ELLIPSIS = "…"


def shortened(text: str, wanted: Collection[str], room: int) -> str:
    """At most `room` characters of the text, cut between words, around the densest stretch of wanted stems."""
    if len(text) <= room:
        return text
    pieces = list(text) if is_unspaced(text) else _RUN.findall(text)
    hits = [any(stem(word) in wanted for word in words(piece)) for piece in pieces]
    if is_unspaced(text):
        hits = [any(pair in wanted for pair in words("".join(pieces[at : at + 2]))) for at in range(len(pieces))]
    start, end = _best_stretch([len(piece) for piece in pieces], hits, room - 2 * len(_ELLIPSIS))
    before = _ELLIPSIS if start else ""
    after = _ELLIPSIS if end < len(pieces) else ""
    return (before + "".join(pieces[start:end]).strip() + after)[:room]


def _best_stretch(lengths: list[int], hits: list[bool], room: int) -> tuple[int, int]:
    """The stretch that fits with the most hits; of several the middle one, so that what was found has both its sides.

    A beginning that has them all is kept: a text is read from its beginning.
    """
    best, stretches = -1, [(0, 1)]
    end, size, found = 0, 0, 0
    for start, length in enumerate(lengths):
        while end < len(lengths) and size + lengths[end] <= room:
            size += lengths[end]
            found += hits[end]
            end += 1
        if found > best:
            best, stretches = found, []
        if found == best:
            stretches.append((start, max(end, start + 1)))
        if end > start:
            size -= length
            found -= hits[start]
        else:
            end = start + 1
    return stretches[0] if stretches[0][0] == 0 else stretches[len(stretches) // 2]

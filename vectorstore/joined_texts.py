"""Fills a passage up with what stands beside it: the answer is often in the next sentence, in the next chunk."""

import re

from database.live_chunks import LiveChunk

TEXT_CHARACTERS = 1_200
# Chunks that are shorter together were not cut apart for their length (services/chunker.py): they speak of two things.
_ONE_CHUNK = 800
_BETWEEN = "\n\n"
# Where a sentence or a line ends; the pieces keep what is between them.
_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？।؟۔])|\n+")  # noqa: RUF001 - the full stops of other scripts


def joined_text(chunk: LiveChunk) -> str:
    """The chunk's text with as many whole sentences of its neighbours as 1,200 characters hold, first of what follows.

    Each sentence is as it stands in the document; nothing is left out between them.
    """
    text = chunk.text[:TEXT_CHARACTERS]
    if _cut_apart(chunk, chunk.after):
        text = _with(text, _beginning(chunk.after or "", _room(text)), before=False)
    if _cut_apart(chunk, chunk.before):
        text = _with(text, _ending(chunk.before or "", _room(text)), before=True)
    return text


def _cut_apart(chunk: LiveChunk, neighbour: str | None) -> bool:
    return neighbour is not None and len(chunk.text) + len(neighbour) > _ONE_CHUNK


def _room(text: str) -> int:
    return TEXT_CHARACTERS - len(text) - len(_BETWEEN)


def _with(text: str, part: str, *, before: bool) -> str:
    if not part:
        return text
    return f"{part}{_BETWEEN}{text}" if before else f"{text}{_BETWEEN}{part}"


def _beginning(text: str, room: int) -> str:
    """The whole sentences from the beginning that fit."""
    if len(text) <= room:
        return text
    return text[: max((end.start() for end in _END.finditer(text) if end.start() <= room), default=0)].strip()


def _ending(text: str, room: int) -> str:
    """The whole sentences at the end that fit."""
    if len(text) <= room:
        return text
    starts = (end.end() for end in _END.finditer(text))
    return text[min((start for start in starts if len(text) - start <= room), default=len(text)) :].strip()

"""What a reader sees of a web page, as a digest: it stays when only scripts, tags, remarks and blanks change."""

import hashlib
from collections.abc import Iterator

_UNSEEN = ("script", "style", "noscript", "template", "svg")
# The one of them that "/>" closes (HTML Living Standard, 13.1.2.1).
_MAY_BE_EMPTY = "svg"
_NO_NAME = ("/", "!", "?")
# A page of the largest size may hold millions of tags. Beyond these the rest counts as it is written.
_MOST_TAGS = 100_000
_PIECE = 64 * 1024
_NAME_LENGTH = 12


def digest_of_words(text: str) -> str:
    """SHA-256, hexadecimal. Linear in time, and holds no more than a piece of the text a second time."""
    digest = hashlib.sha256()
    for begin, end in _seen(text):
        for at in range(begin, end, _PIECE):
            words = text[at : min(at + _PIECE, end)].split()
            if words:
                digest.update(f" {' '.join(words)}".encode("utf-8", "replace"))
    return digest.hexdigest()


def _seen(text: str) -> Iterator[tuple[int, int]]:
    """Where what stands between the tags begins and ends."""
    at = tags = 0
    while (tag := text.find("<", at)) >= 0 and tags < _MOST_TAGS:
        yield at, tag
        at = _behind(text, tag)
        tags += 1
    yield at, len(text)


def _behind(text: str, tag: int) -> int:
    """Where reading goes on behind a tag, a remark, or an element that nobody sees."""
    if text.startswith("<!--", tag):
        return _end(text, "-->", tag + len("<!--"))
    name = text[tag + 1 : tag + 1 + _NAME_LENGTH].lower()
    if not (name[:1].isalpha() or name.startswith(_NO_NAME)):
        return tag + 1
    end = _end(text, ">", tag)
    hidden = next((each for each in _UNSEEN if name.startswith(each)), None)
    if hidden is None or (hidden == _MAY_BE_EMPTY and text.startswith("/>", end - 2)):
        return end
    return _closing(text, hidden, end)


def _closing(text: str, hidden: str, at: int) -> int:
    """Behind the tag that closes a hidden element; the end of the text where none does."""
    while (tag := text.find("</", at)) >= 0:
        at = tag + 2
        if text[at : at + len(hidden)].lower() == hidden:
            return _end(text, ">", at)
    return len(text)


def _end(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found + len(mark)

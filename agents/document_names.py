"""What people call a document: by its own title, or by its file's name without what machines need."""

import re

from database.records import Passage

LONGEST_NAME = 60
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
_SEPARATORS = re.compile(r"[_\s]+|(?<=[^\W\d])-(?=[^\W\d])")
_MARKUP = re.compile(r"[*_`~#]+(?=\S)|(?<=\S)[*_`~#]+")


def document_name(passage: Passage) -> str:
    """At most 60 characters, plain text: `returns-policy_2024.pdf` without a title is `Returns policy 2024`."""
    title = _MARKUP.sub("", passage.title or "").strip()
    if any(letter.isalpha() for letter in title) and len(title) <= LONGEST_NAME:
        return title
    return _from_filename(passage.filename)


def section_name(passage: Passage) -> str:
    """What a passage is about: the nearest heading above it, or its document's name."""
    nearest = (passage.heading or "").rsplit(" > ", 1)[-1].strip()
    if any(letter.isalpha() for letter in nearest) and len(nearest) <= LONGEST_NAME:
        return _MARKUP.sub("", nearest)
    return document_name(passage)


def _from_filename(filename: str) -> str:
    bare = filename.replace("\\", "/").rsplit("/", 1)[-1]
    name = " ".join(_SEPARATORS.sub(" ", _ENDING.sub("", bare)).split()) or bare or filename
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 1].rstrip()}…"
    return name[:1].upper() + name[1:]

"""The pieces of a document's structure, as every reader gives them and the chunker takes them."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class BlockKind(StrEnum):
    """What a piece is; each is kept whole as long as it fits."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"
    HEADER_ROW = "header_row"
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece. `level` is 1..6 for headings, less for the names of documents in a document.

    `page` counts from 1, where the format has pages, sheets or slides.
    """

    kind: BlockKind
    text: str
    level: int = 0
    page: int | None = None


_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c]")
# Controls, lone surrogates, soft hyphens, byte order marks, and the overrides that show text in a false order.
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\u00ad\ufeff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_SPACES = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u3000]+")
_EMPTY_LINES = re.compile(r"\n{3,}")
# Letters as PDFs draw them: Latin ligatures and the joined forms of Arabic letters, which nobody types.
_DRAWN_FORMS = re.compile(r"[\ufb00-\ufb06\ufb50-\ufdff\ufe70-\ufefc]+")


def clean(text: str) -> str:
    """The text as a person would type it: no invisible characters, single spaces, no space at line ends."""
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    text = _DRAWN_FORMS.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text)
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()

"""Checks the rows of one file of a chunk set; what is wrong with any of them is wrong with the file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.chunk_files import KeptChunk
from services.chunk_sets.errors import BrokenFileError
from services.document_files import safe_filename
from services.document_tags import tidy_tags

LONGEST_TEXT = 1_200
LONGEST_HEADING = 2_000
LONGEST_ID = 200
MOST_NUMBER = 10_000_000
MOST_DIMENSION = 16_384


@dataclass(frozen=True, slots=True)
class SetRow:
    """A chunk of a set. `document` tells documents of the set apart; `of`: how many chunks it has, if that is said."""

    id: str | None
    document: str
    filename: str
    tags: tuple[str, ...]
    ordinal: int
    of: int | None
    chunk: KeptChunk


@dataclass(frozen=True, slots=True)
class OurEmbedder:
    """Who answers here. Embeddings of another one are not taken."""

    name: str
    dimension: int


class RowCheck:
    """For one file. `embedder` made its embeddings where its rows do not say who did."""

    def __init__(self, file: str, ours: OurEmbedder, embedder: str | None) -> None:
        self._file = file
        self._ours = ours
        self._embedder = embedder
        self._ids: set[str] = set()
        self._dimension: int | None = None
        self._number = 0

    def row(self, raw: Mapping[str, Any]) -> SetRow:
        """The next row. Raises BrokenFileError."""
        self._number += 1
        document_id = self._text(raw, "document_id", LONGEST_ID)
        filename = safe_filename(self._text(raw, "filename", LONGEST_HEADING) or self._file)
        ordinal = self._whole(raw, "ordinal")
        return SetRow(
            id=self._id(raw),
            document=document_id or filename,
            filename=filename,
            tags=self._tags(raw.get("tags")),
            ordinal=self._number if ordinal is None else ordinal,
            of=self._whole(raw, "document_chunks"),
            chunk=self._chunk(raw),
        )

    def _chunk(self, raw: Mapping[str, Any]) -> KeptChunk:
        text = self._text(raw, "text", LONGEST_TEXT)
        if text is None or not text.strip():
            raise self._broken("has no text")
        embedder = self._text(raw, "embedder", LONGEST_ID) or self._embedder or ""
        vector = self._vector(raw.get("embedding"), embedder)
        # of whom nobody knows: the text is embedded anew
        kept = vector.tobytes() if vector is not None and embedder else None
        heading = self._text(raw, "heading", LONGEST_HEADING) or None
        return KeptChunk(text, heading, self._whole(raw, "page"), embedder if kept else "", kept)

    def _vector(self, given: Any, embedder: str) -> Any:
        if given is None:
            return None
        if self._dimension is None:
            self._dimension = len(given)
        if len(given) != self._dimension or not 0 < len(given) <= MOST_DIMENSION:
            raise self._broken(f"has an embedding of {len(given)} numbers, others of {self._dimension}")
        if embedder == self._ours.name and len(given) != self._ours.dimension:
            raise self._broken(f"has an embedding of {len(given)} numbers; {embedder} makes {self._ours.dimension}")
        vector = np.asarray(given, np.float64)
        with np.errstate(all="ignore"):
            length = float(np.sqrt(vector @ vector))
        if not math.isfinite(length):
            raise self._broken("has an embedding with a number that is not finite")
        if length == 0:
            raise self._broken("has an embedding of zeros alone")
        return (vector / length).astype("<f4")

    def _id(self, raw: Mapping[str, Any]) -> str | None:
        key = self._text(raw, "id", LONGEST_ID)
        if key is None:
            return None
        if not key or key in self._ids:
            raise self._broken("has an id that is empty, or another row's")
        self._ids.add(key)
        return key

    def _text(self, raw: Mapping[str, Any], name: str, longest: int) -> str | None:
        value = raw.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._broken(f"has a {name} that is no text")
        if len(value) > longest:
            raise self._broken(f"has a {name} of {len(value):,} characters; {longest:,} are allowed")
        if "\0" in value:
            raise self._broken(f"has a {name} with a character that no text has")
        return value

    def _whole(self, raw: Mapping[str, Any], name: str) -> int | None:
        value = raw.get(name)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= MOST_NUMBER:
            raise self._broken(f"has a {name} that is no whole number from 0 to {MOST_NUMBER:,}")
        return value

    def _tags(self, given: Any) -> tuple[str, ...]:
        if given is None:
            return ()
        if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
            raise self._broken("has tags that are no list of texts")
        try:
            return tidy_tags(given)
        except ValueError as error:
            raise self._broken(f"has tags that cannot be used: they {error}") from error

    def _broken(self, what: str) -> BrokenFileError:
        return BrokenFileError(f"row {self._number} {what}")

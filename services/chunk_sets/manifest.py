"""What a chunk set says of itself in manifest.json, which is written last; and the names of its files."""

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from services.chunk_sets.errors import ChunkSetError
from services.snapshots.places import Place, Stored

MANIFEST = "manifest.json"
SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz")
SCHEMA_VERSION = 1
MOST_MANIFEST_BYTES = 16 * 1024 * 1024

_OWN_NAME = re.compile(r"chunks-([0-9a-zA-Z]{12})-[0-9]{5,}\.(?:parquet|jsonl|jsonl\.gz)")

SetFormat = Literal["parquet", "jsonl", "jsonl.gz"]
Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class SetFile(_Strict):
    """A file of the set; `path` is beside the manifest."""

    path: str
    bytes: Count
    sha256: str
    chunks: Count

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        if not value.endswith(SUFFIXES) or value.startswith("/") or ".." in PurePosixPath(value).parts:
            raise ValueError("is no file of this set")
        return value


class Manifest(_Strict):
    """`embedder` made the embeddings, of `dimension` numbers each; None of both without any."""

    format: Literal["concierge-chunk-set"] = "concierge-chunk-set"
    schema_version: int = SCHEMA_VERSION
    concierge: str
    business: str
    created_at: str
    embedder: str | None
    dimension: int | None
    documents: Count
    chunks: Count
    files: list[SetFile]


def file_name(mark: str, number: int, kind: SetFormat) -> str:
    """What a file of a set is called; `mark` is its export's, twelve characters."""
    return f"chunks-{mark}-{number:05}.{kind}"


def own_mark(path: str) -> str | None:
    """The mark of the export that wrote a file; None for a name that we do not give."""
    found = _OWN_NAME.fullmatch(path)
    return found[1] if found else None


def read_manifest(place: Place, found: list[Stored]) -> Manifest | None:
    """The manifest among the files of a place; None without one. Raises ChunkSetError, StoreError."""
    stored = next((each for each in found if each.path == MANIFEST), None)
    if stored is None:
        return None
    if stored.bytes > MOST_MANIFEST_BYTES:
        raise ChunkSetError(f"{MANIFEST} is larger than any chunk set's.")
    try:
        manifest = Manifest.model_validate_json(b"".join(place.read(stored)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ChunkSetError(f"{MANIFEST} is no chunk set's: {where} {first['msg']}.") from error
    if manifest.schema_version > SCHEMA_VERSION:
        raise ChunkSetError(
            f"The chunk set was written by a newer Concierge (schema {manifest.schema_version}, known is "
            f"{SCHEMA_VERSION}). Update this one first."
        )
    return manifest


def sha256_of(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""What a snapshot is: a manifest that names each file with its size and checksum, written when all of it is there.

A place holds `snapshots/<id>.json` and `content/<ab>/<sha256>`, so that snapshots share what they have in common, and
`damaged/<sha256>`, empty, for content that a restore found to be other than it should.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from database.records import new_id

FORMAT = 1
MANIFESTS = "snapshots"
CONTENT = "content"
DAMAGED = "damaged"
FOLDERS = (MANIFESTS, CONTENT, DAMAGED)
CHAT, KNOWLEDGE = "concierge.db", "knowledge.db"
# by the name of their migrations; lexical.db is made from knowledge.db
DATABASES = {"chat": CHAT, "knowledge": KNOWLEDGE}
UPLOADS, INDEX = "uploads", "chroma"
LARGEST_MANIFEST = 256 * 1024 * 1024
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9]{3}-[0-9a-f]{6}")


class BrokenManifestError(Exception):
    """What is written there is no manifest of ours, or is damaged. The text says why."""


def _ours(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path != "/".join(parts) or ".." in parts or "\0" in path or "\\" in path:
        raise ValueError("leads elsewhere")
    if path not in DATABASES.values() and (len(parts) == 1 or parts[0] not in {UPLOADS, INDEX}):
        raise ValueError("is no file of a data directory")
    return path


class SnapshotFile(BaseModel):
    """A file of a snapshot: `path` is relative to the data directory."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    path: Annotated[str, AfterValidator(_ours)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @property
    def stored(self) -> str:
        """Where its content lies in a place."""
        return content_path(self.sha256)


class Manifest(BaseModel):
    """`schemas` are the numbers of the databases' last migrations; `origin` tells one installation from another.

    `versions_without_file` counts uploads that knowledge.db needs and the disk no longer had.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int
    id: Annotated[str, Field(pattern=f"^{_ID.pattern}$")]
    concierge: str
    created_at: Annotated[int, Field(ge=0)]
    origin: str
    schemas: dict[str, int]
    with_index: bool
    versions_without_file: int
    files: list[SnapshotFile]

    @property
    def total_bytes(self) -> int:
        """Of all files together."""
        return sum(file.bytes for file in self.files)

    def written(self) -> bytes:
        """The file's content: the manifest and its own checksum."""
        inner = _canonical(self.model_dump(mode="json"))
        digest = hashlib.sha256(inner).hexdigest()
        return b'{"sha256": "' + digest.encode() + b'",\n"manifest": ' + inner + b"}\n"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as it is listed. `complete`: every file that it names is in the place, as far as sizes tell."""

    id: str
    created_at: int
    concierge: str
    files: int
    bytes: int
    with_index: bool
    complete: bool

    @classmethod
    def of(cls, manifest: Manifest, *, complete: bool) -> "Snapshot":
        """What is shown of a manifest."""
        return cls(
            manifest.id,
            manifest.created_at,
            manifest.concierge,
            len(manifest.files),
            manifest.total_bytes,
            manifest.with_index,
            complete,
        )

    def shown(self) -> dict[str, Any]:
        """For programs; `created_at` as RFC 3339."""
        moment = datetime.fromtimestamp(self.created_at / 1000, UTC).isoformat(timespec="milliseconds")
        return asdict(self) | {"created_at": moment.replace("+00:00", "Z")}


def new_snapshot_id(now: int) -> str:
    """An id that sorts by time, and tells it: 20261122-031500-000-1f2e3d."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{now % 1000:03d}-{new_id()[-6:]}"


def dated(snapshot_id: str) -> int:
    """When a snapshot was made, by its id: epoch milliseconds, 0 for an id with no such day."""
    try:
        moment = datetime.strptime(snapshot_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(moment.timestamp()) * 1000 + int(snapshot_id[16:19])


def is_snapshot_id(text: str) -> bool:
    """Whether this may be a snapshot's id."""
    return _ID.fullmatch(text) is not None


def manifest_path(snapshot_id: str) -> str:
    """Where a snapshot's manifest lies in a place."""
    return f"{MANIFESTS}/{snapshot_id}.json"


def content_path(sha256: str) -> str:
    """Where content with this checksum lies in a place."""
    return f"{CONTENT}/{sha256[:2]}/{sha256}"


def damage_mark(sha256: str) -> str:
    """Where a place notes that content of this name is other than it should be."""
    return f"{DAMAGED}/{sha256}"


def read_manifest(content: bytes) -> Manifest:
    """The manifest of a file's content. Raises BrokenManifestError, also for a format that is newer than ours."""
    try:
        found = json.loads(content)
        inner, digest = found["manifest"], found["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BrokenManifestError("it is no manifest of a snapshot, or was cut off") from None
    if hashlib.sha256(_canonical(inner)).hexdigest() != digest:
        raise BrokenManifestError("its checksum does not fit its content")
    if isinstance(inner, dict) and isinstance(inner.get("format"), int) and inner["format"] > FORMAT:
        raise BrokenManifestError("it was written by a newer version of Concierge: use that version")
    try:
        manifest = Manifest.model_validate(inner)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise BrokenManifestError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    paths = [file.path for file in manifest.files]
    if len(set(paths)) < len(paths) or not set(DATABASES.values()) <= set(paths):
        raise BrokenManifestError("it does not name each file of a data directory once")
    return manifest


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

"""What a place holds, and what of it may go: old snapshots, and content that none of the others needs."""

import logging
from dataclasses import dataclass, field

from services.object_stores import StoreError
from services.snapshots.manifest import (
    CONTENT,
    LARGEST_MANIFEST,
    MANIFESTS,
    BrokenManifestError,
    Manifest,
    Snapshot,
    is_snapshot_id,
    manifest_path,
    read_manifest,
)
from services.snapshots.places import Place, Stored

logger = logging.getLogger(__name__)

# what a writer that was killed has left; younger content may belong to a snapshot that is being made
ORPHAN_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a manifest: of hundreds, each with thousands of files, not all can be in memory at once."""

    snapshot: Snapshot
    origin: str
    contents: frozenset[str]


@dataclass(slots=True)
class Inventory:
    """`manifests` by id, oldest first; `broken` says why a manifest cannot be read; `content` by path."""

    manifests: dict[str, Known] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    content: dict[str, Stored] = field(default_factory=dict)

    def holds(self, path: str, size: int) -> bool:
        """Whether content is there, as far as its size tells."""
        found = self.content.get(path)
        return found is not None and found.bytes == size

    def complete(self, manifest: Manifest) -> bool:
        """Whether all that a snapshot names is there."""
        return all(self.holds(file.stored, file.bytes) for file in manifest.files)

    def add(self, manifest: Manifest) -> None:
        """Remember a manifest that the place holds."""
        # the listing's own texts: snapshots have most of their content in common
        contents = (self.content.get(path) for path in {file.stored for file in manifest.files})
        self.manifests[manifest.id] = Known(
            Snapshot.of(manifest, complete=self.complete(manifest)),
            manifest.origin,
            frozenset(stored.path for stored in contents if stored is not None),
        )

    @property
    def whole(self) -> list[str]:
        """The ids of the snapshots that are complete, oldest first."""
        return [each for each, known in self.manifests.items() if known.snapshot.complete]

    def snapshots(self) -> list[Snapshot]:
        """Newest first."""
        return [known.snapshot for known in reversed(self.manifests.values())]


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many snapshots and contents were removed."""

    snapshots: int = 0
    contents: int = 0


def take_inventory(place: Place) -> Inventory:
    """Read every manifest, list all content. Raises StoreError."""
    found = Inventory(content={stored.path: stored for stored in place.list(CONTENT)})
    for stored in sorted(place.list(MANIFESTS), key=lambda each: each.path):
        snapshot_id = stored.path.removeprefix(f"{MANIFESTS}/").removesuffix(".json")
        if not is_snapshot_id(snapshot_id):
            continue
        try:
            found.add(fetch_manifest(place, stored))
        except FileNotFoundError:
            continue  # pruned meanwhile
        except BrokenManifestError as error:
            found.broken[snapshot_id] = str(error)
            logger.warning("snapshot %s cannot be used: %s", snapshot_id, error)
    return found


def fetch_manifest(place: Place, stored: Stored) -> Manifest:
    """Raises BrokenManifestError, FileNotFoundError, StoreError."""
    if stored.bytes > LARGEST_MANIFEST:
        raise BrokenManifestError("it is far too large")
    return read_manifest(b"".join(place.read(stored)))


def need_own_place(place: Place, inventory: Inventory, origin: str) -> None:
    """Raise StoreError when another installation keeps its snapshots here: each would take the other's away."""
    if any(each.origin and origin and each.origin != origin for each in inventory.manifests.values()):
        raise StoreError(f"{place.shown} holds the snapshots of another installation. Give each a place of its own.")


def prune(place: Place, inventory: Inventory, *, keep: int, now: int) -> Pruned:
    """Remove all but the newest `keep` complete snapshots, then the content that nothing names any more.

    Snapshots go first: one that is cut off leaves content too much, never too little. What is not complete counts
    as none; it goes when it is older than all that stay.
    """
    if not inventory.whole:
        return Pruned()
    oldest_kept = inventory.whole[-keep:][0]
    gone = [each for each in inventory.manifests if each < oldest_kept]
    place.remove([manifest_path(each) for each in gone])
    if inventory.broken:
        # what they named is unknown
        return Pruned(len(gone))
    needed = {path for each, known in inventory.manifests.items() if each not in gone for path in known.contents}
    named = {path for each in gone for path in inventory.manifests[each].contents}
    contents = [
        path
        for path, stored in inventory.content.items()
        if path not in needed and (path in named or stored.modified_at < now - ORPHAN_MS)
    ]
    place.remove(contents)
    return Pruned(len(gone), len(contents))

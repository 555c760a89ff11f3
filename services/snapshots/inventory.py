"""What a place holds, and what of it may go: old snapshots, and content that none of the others needs."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.object_stores import StoreError
from services.snapshots.manifest import (
    CONTENT,
    DAMAGED,
    LARGEST_MANIFEST,
    MANIFESTS,
    BrokenManifestError,
    Manifest,
    Snapshot,
    content_path,
    damage_mark,
    is_snapshot_id,
    manifest_path,
    read_manifest,
)
from services.snapshots.places import Place, Stored

logger = logging.getLogger(__name__)

# what a writer that was killed has left; younger content may belong to a snapshot that is being made
ORPHAN_MS = 24 * 3600 * 1000
# how long somebody may find out what a manifest that cannot be read was
BROKEN_MS = 7 * 24 * 3600 * 1000
# what is dated later than this is of a clock that was wrong
AHEAD_MS = 3600 * 1000


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a manifest: of hundreds, each with thousands of files, not all can be in memory at once."""

    snapshot: Snapshot
    origin: str
    contents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Broken:
    """A manifest that cannot be read. `modified_at` in epoch milliseconds."""

    reason: str
    modified_at: int


@dataclass(slots=True)
class Inventory:
    """`manifests` and `broken` by id; `content` by path, of which `damaged` was found to be other than it should."""

    manifests: dict[str, Known] = field(default_factory=dict)
    broken: dict[str, Broken] = field(default_factory=dict)
    content: dict[str, Stored] = field(default_factory=dict)
    damaged: frozenset[str] = frozenset()

    def holds(self, path: str, size: int) -> bool:
        """Whether content is there, as far as its size and former looks at it tell."""
        found = self.content.get(path)
        return found is not None and found.bytes == size and path not in self.damaged

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
        return sorted(each for each, known in self.manifests.items() if known.snapshot.complete)

    def snapshots(self) -> list[Snapshot]:
        """Newest first."""
        return [self.manifests[each].snapshot for each in sorted(self.manifests, reverse=True)]


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many snapshots and contents were removed."""

    snapshots: int = 0
    contents: int = 0


def take_inventory(place: Place, only: str | None = None) -> Inventory:
    """Read every manifest, or `only` the one with this id; list all content. Raises StoreError."""
    found = Inventory(content={stored.path: stored for stored in place.list(CONTENT)}, damaged=_damaged(place))
    for stored in sorted(place.list(MANIFESTS), key=lambda each: each.path):
        snapshot_id = stored.path.removeprefix(f"{MANIFESTS}/").removesuffix(".json")
        if not is_snapshot_id(snapshot_id) or only not in {None, snapshot_id}:
            continue
        try:
            found.add(fetch_manifest(place, stored))
        except FileNotFoundError:
            continue  # pruned meanwhile
        except BrokenManifestError as error:
            found.broken[snapshot_id] = Broken(str(error), stored.modified_at)
            logger.warning("snapshot %s cannot be used: %s", snapshot_id, error)
    return found


def _damaged(place: Place) -> frozenset[str]:
    marks = (stored.path.removeprefix(f"{DAMAGED}/") for stored in place.list(DAMAGED))
    return frozenset(content_path(sha256) for sha256 in marks)


def mark_damaged(place: Place, sha256: str) -> None:
    """Note that content has another checksum than its name: the next backup stores it again. Raises StoreError."""
    place.put(damage_mark(sha256), b"", lambda: False)


def unmark_damaged(place: Place, contents: Iterable[str]) -> None:
    """Content, by its path, is as it should be again, or gone. Raises StoreError."""
    place.remove([damage_mark(path.rpartition("/")[2]) for path in contents])


def fetch_manifest(place: Place, stored: Stored) -> Manifest:
    """Raises BrokenManifestError, FileNotFoundError, StoreError."""
    if stored.bytes > LARGEST_MANIFEST:
        raise BrokenManifestError("it is far too large")
    return read_manifest(b"".join(place.read(stored)))


def need_own_place(place: Place, inventory: Inventory, origin: str) -> None:
    """Raise StoreError when another installation keeps its snapshots here: each would take the other's away."""
    if any(each.origin and origin and each.origin != origin for each in inventory.manifests.values()):
        raise StoreError(f"{place.shown} holds the snapshots of another installation. Give each a place of its own.")


def prune(place: Place, inventory: Inventory, *, keep: int, now: int, made: str = "") -> Pruned:
    """Remove all but the newest `keep` complete snapshots, then the content that nothing names any more.

    Snapshots go first: one that is cut off leaves content too much, never too little. What is not complete or cannot
    be read counts as none; it goes when it is older than all that stay. Neither does what is dated in the future, and
    `made`, the one that was just made, stays whatever its date.
    """
    place.remove_parts(now - ORPHAN_MS)
    dated = [each for each in inventory.whole if inventory.manifests[each].snapshot.created_at <= now + AHEAD_MS]
    if not dated:
        return Pruned()
    oldest_kept = dated[-keep:][0]
    gone = [each for each in inventory.manifests if each < oldest_kept and each != made]
    unread = [
        each for each, broken in inventory.broken.items() if each < oldest_kept and broken.modified_at < now - BROKEN_MS
    ]
    place.remove([manifest_path(each) for each in (*gone, *unread)])
    for each in unread:
        del inventory.broken[each]
    removed = len(gone) + len(unread)
    if inventory.broken:
        # what they named is unknown
        return Pruned(removed)
    return Pruned(removed, _sweep(place, inventory, gone, now))


def _sweep(place: Place, inventory: Inventory, gone: list[str], now: int) -> int:
    """Remove the content that only the manifests named which are gone, or none for a day; how many."""
    needed = {path for each, known in inventory.manifests.items() if each not in gone for path in known.contents}
    named = {path for each in gone for path in inventory.manifests[each].contents}
    contents = [
        path
        for path, stored in inventory.content.items()
        if path not in needed and (path in named or stored.modified_at < now - ORPHAN_MS)
    ]
    place.remove(contents)
    unmark_damaged(place, inventory.damaged.intersection(contents) | (inventory.damaged - inventory.content.keys()))
    return len(contents)

"""What stays in a place for snapshots, what is removed from it, and what is put right."""

from dataclasses import replace

import pytest

from services.snapshots.inventory import BROKEN_MS, ORPHAN_MS, mark_damaged, prune, take_inventory
from services.snapshots.manifest import content_path, manifest_path
from services.snapshots.restoring import UnusableSnapshotError
from tests.fakes.fake_clock import FakeClock
from tests.fakes.snapshot_desk import bring_back, opened

pytestmark = pytest.mark.blocking_allowed  # the tests themselves look into folders


async def test_old_snapshots_go_and_take_with_them_what_only_they_needed(tmp_path, clock):
    """The newest stay; content that none of them names is removed, content that they share stays."""
    async with opened(tmp_path, clock, keep=2) as desk:
        shared = await desk.data.upload(b"shared")
        gone = await desk.data.upload(b"only in the first")
        made = [await desk.back_up()]
        await desk.data.run("DELETE FROM versions WHERE id = :id", id=gone)
        made += [await desk.back_up() for _ in range(3)]
    inventory = take_inventory(desk.place)
    assert list(inventory.manifests) == [each.id for each in made[-2:]]
    assert set(inventory.content) == {file.stored for each in made[-2:] for file in each.files}
    bring_back(desk.place, tmp_path / "new")
    assert (tmp_path / "new/uploads" / shared).exists()
    assert not (tmp_path / "new/uploads" / gone).exists()


async def test_the_newest_good_snapshot_is_never_removed(tmp_path, clock):
    """Damaged ones do not count: when the newest have lost files, the last whole one stays."""
    async with opened(tmp_path, clock) as desk:
        made = [await desk.back_up()]
        for n in range(2):
            version = await desk.data.upload(b"soon lost %d" % n)
            made.append(await desk.back_up())
            lost = next(file for file in made[-1].files if file.path == f"uploads/{version}")
            (desk.folder / lost.stored).unlink()
            desk.data.file(version).unlink()
    prune(desk.place, take_inventory(desk.place), keep=1, now=clock.now())
    inventory = take_inventory(desk.place)
    assert made[0].id in inventory.manifests
    assert inventory.whole == [made[0].id]
    assert bring_back(desk.place, tmp_path / "new").manifest.id == made[0].id


async def test_what_a_broken_manifest_named_is_not_swept(tmp_path, clock):
    """As long as one cannot be read nobody knows what it needs."""
    async with opened(tmp_path, clock) as desk:
        first = await desk.back_up()
        await desk.data.upload(b"more")
        await desk.back_up()
    path = desk.folder / manifest_path(first.id)
    path.write_bytes(path.read_bytes()[:50])
    before = len(desk.stored("content"))
    prune(desk.place, take_inventory(desk.place), keep=1, now=clock.now() + 10 * ORPHAN_MS)
    assert len(desk.stored("content")) == before
    assert take_inventory(desk.place).broken.keys() == {first.id}


async def test_leftovers_of_a_backup_that_was_killed_go_after_a_day(tmp_path, clock):
    """Content that no manifest ever named stays as long as it may still be needed by one that is being made."""
    async with opened(tmp_path, clock, keep=3) as desk:
        await desk.back_up()
        orphan = content_path("ab" * 32)
        desk.place.put(orphan, b"left", lambda: False)
        stored = take_inventory(desk.place).content[orphan].modified_at
        prune(desk.place, take_inventory(desk.place), keep=3, now=stored + ORPHAN_MS // 2)
        assert orphan in take_inventory(desk.place).content
        prune(desk.place, take_inventory(desk.place), keep=3, now=stored + 2 * ORPHAN_MS)
        assert orphan not in take_inventory(desk.place).content


async def test_a_broken_manifest_goes_in_the_end(tmp_path, clock):
    """Once it is older than all that stay, and a week has passed: then what nobody needs is removed again."""
    async with opened(tmp_path, clock) as desk:
        first = await desk.back_up()
        await desk.data.upload(b"more")
        newest = await desk.back_up()
    path = desk.folder / manifest_path(first.id)
    path.write_bytes(path.read_bytes()[:50])
    broken = take_inventory(desk.place).broken[first.id]
    prune(desk.place, take_inventory(desk.place), keep=1, now=broken.modified_at + BROKEN_MS + 1)
    inventory = take_inventory(desk.place)
    assert (inventory.broken, list(inventory.manifests)) == ({}, [newest.id])
    assert inventory.content.keys() == {file.stored for file in newest.files}


async def test_what_killed_writers_left_goes_after_a_day(tmp_path, clock):
    """Parts of files stay as long as they may still be written; then they are removed."""
    async with opened(tmp_path, clock) as desk:
        await desk.back_up()
        part = desk.folder / "content" / "ab" / "left.0123456789ab.part"
        part.parent.mkdir(exist_ok=True)
        part.write_bytes(b"half")
        written = int(part.stat().st_mtime * 1000)
        prune(desk.place, take_inventory(desk.place), keep=1, now=written + ORPHAN_MS - 1000)
        assert part.exists()
        prune(desk.place, take_inventory(desk.place), keep=1, now=written + ORPHAN_MS + 1000)
        assert not part.exists()


async def test_the_snapshot_just_made_is_never_removed(tmp_path, clock):
    """Beside snapshots of a clock that was years ahead, the newest of those that are dated rightly stay."""
    async with opened(tmp_path, clock, keep=2) as desk:
        desk.clock = FakeClock(clock.now() + 10 * 365 * ORPHAN_MS)
        desk.maker = replace(desk.maker, clock=desk.clock)
        ahead = [(await desk.back_up()).id for _ in range(2)]
        desk.maker = replace(desk.maker, clock=clock)
        desk.clock = clock
        made = [(await desk.back_up()).id for _ in range(3)]
    assert list(take_inventory(desk.place).manifests) == [*made[-2:], *ahead]


async def test_damaged_content_is_stored_again_once_a_restore_has_found_it(tmp_path, clock):
    """Its size says nothing; the checksum does. Until then the snapshot counts as damaged, and afterwards as whole."""
    async with opened(tmp_path, clock) as desk:
        version = await desk.data.upload(b"what was uploaded")
        manifest = await desk.back_up()
        path = desk.folder / next(file.stored for file in manifest.files if file.path == f"uploads/{version}")
        path.write_bytes(b"what was changed.")
        with pytest.raises(UnusableSnapshotError, match="damaged"):
            bring_back(desk.place, tmp_path / "new")
        assert take_inventory(desk.place).whole == []
        await desk.back_up()
        assert path.read_bytes() == b"what was uploaded"
        assert len(take_inventory(desk.place).whole) == 2
        assert desk.stored("damaged") == []
    assert bring_back(desk.place, tmp_path / "new", manifest.id).manifest == manifest


async def test_a_mark_goes_with_the_content_that_it_speaks_of(tmp_path, clock):
    """What no snapshot needs is removed, damaged or not; nothing is left of it."""
    async with opened(tmp_path, clock) as desk:
        version = await desk.data.upload(b"what was uploaded")
        manifest = await desk.back_up()
        file = next(file for file in manifest.files if file.path == f"uploads/{version}")
        mark_damaged(desk.place, file.sha256)
        await desk.data.run("DELETE FROM versions WHERE id = :id", id=version)
        await desk.back_up()
        prune(desk.place, take_inventory(desk.place), keep=1, now=clock.now())
    assert not (desk.folder / file.stored).exists()
    assert desk.stored("damaged") == []

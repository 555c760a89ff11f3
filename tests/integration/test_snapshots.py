"""Snapshots of a data directory that is written meanwhile, and what comes back of them."""

import asyncio
import json
import shutil
import stat
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from database.copying import UnsoundDatabaseError
from database.records import new_id
from services.object_stores import StoreError
from services.snapshots.backups import NoIndex
from services.snapshots.inventory import take_inventory
from services.snapshots.making import Order
from services.snapshots.manifest import Manifest, manifest_path
from services.snapshots.places import StoppedError
from services.snapshots.restoring import UnusableSnapshotError, split_address
from services.snapshots.staging import STAGE
from services.snapshots.work import Progress
from tests.fakes.small_data import small_data
from tests.fakes.snapshot_desk import bring_back, opened, rows
from vectorstore.index_files import IndexFiles

pytestmark = pytest.mark.blocking_allowed  # the tests themselves look into folders


async def test_what_was_backed_up_comes_back(tmp_path, clock):
    """Both databases and every uploaded file, into a directory that did not exist."""
    async with opened(tmp_path, clock) as desk:
        versions = [await desk.data.upload(b"text %d" % n) for n in range(5)]
        manifest = await desk.back_up()
    done = bring_back(desk.place, tmp_path / "new")
    assert (done.manifest.id, done.aside) == (manifest.id, None)
    assert [(tmp_path / "new/uploads" / each).read_bytes() for each in versions] == [b"text %d" % n for n in range(5)]
    assert rows(tmp_path / "new/concierge.db", "SELECT slug FROM businesses") == [("default",)]
    async with small_data(tmp_path / "new", clock) as again:
        assert len(list((again.directory / "uploads").iterdir())) == 5
    assert sorted(each.name for each in (tmp_path / "data").iterdir() if "wal" not in each.name) == [
        "concierge.db",
        "knowledge.db",
        "uploads",
    ]


async def test_a_snapshot_is_for_its_owner_alone(tmp_path, clock):
    """Files have mode 600 and folders 700, in the place and after a restore; no key or lock is in it."""
    async with opened(tmp_path, clock) as desk:
        await desk.data.upload(b"text")
        for name in ("run.json", "owner.lock", "demo.json"):
            (desk.data.directory / name).write_text("secret-token")
        await desk.back_up()
    bring_back(desk.place, tmp_path / "new")
    for folder in (desk.folder, tmp_path / "new"):
        for path in folder.rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
            assert path.is_dir() or b"secret-token" not in path.read_bytes()


async def test_only_what_is_new_is_stored_again(tmp_path, clock):
    """The second snapshot costs the new file and the databases, not what was there."""
    async with opened(tmp_path, clock) as desk:
        await desk.data.upload(b"x" * 3_000_000)
        await desk.back_up()
        assert desk.progress.written > 3_000_000
        await desk.data.upload(b"y" * 1000)
        manifest = await desk.back_up()
        assert 1000 < desk.progress.written < 1_000_000
        assert manifest.total_bytes > 3_001_000
        shutil.rmtree(desk.data.directory / "uploads")  # as long as the place has it, it is not even read
        assert (await desk.back_up()).versions_without_file == 2


async def test_a_copy_is_of_one_moment_while_others_write(tmp_path, clock):
    """Rows that are always written in pairs are in pairs in every snapshot, and writers do not wait for it."""
    async with opened(tmp_path, clock) as desk:
        await desk.data.run("CREATE TABLE pairs (n INTEGER, half INTEGER)")
        done = asyncio.Event()

        async def write() -> int:
            n = 0
            while not done.is_set():
                n += 1
                await desk.data.run("INSERT INTO pairs VALUES (:n, 1), (:n, 2)", n=n)
            return n

        writing = asyncio.create_task(write())
        for _ in range(3):
            await desk.back_up()
        done.set()
        assert await writing > 10
    for number, snapshot in enumerate(take_inventory(desk.place).manifests):
        bring_back(desk.place, tmp_path / f"new{number}", snapshot)
        found = rows(tmp_path / f"new{number}/knowledge.db", "SELECT count(*), 2 * count(DISTINCT n) FROM pairs")
        assert found[0][0] == found[0][1]


async def test_a_document_deleted_meanwhile_is_still_whole_in_the_snapshot(tmp_path, clock):
    """A file that goes after the snapshot has begun is in it: it was linked before the database was copied."""
    async with opened(tmp_path, clock) as desk:
        version = await desk.data.upload(b"soon gone")

        class Deleting(NoIndex):
            @asynccontextmanager
            async def closed(self) -> AsyncIterator[None]:
                desk.data.file(version).unlink()
                yield None

        desk.maker = replace(desk.maker, index=Deleting())
        manifest = await desk.back_up(with_index=True)
    assert manifest.versions_without_file == 0
    bring_back(desk.place, tmp_path / "new")
    assert (tmp_path / "new/uploads" / version).read_bytes() == b"soon gone"


async def test_a_damaged_database_is_never_named(tmp_path, clock):
    """A copy that is not sound ends the backup: no manifest, and the data go on as they are."""
    async with opened(tmp_path, clock) as desk:
        for n in range(200):
            await desk.data.upload(b"%d" % n)
    path = desk.data.directory / "knowledge.db"
    content = bytearray(path.read_bytes())
    for start in range(20_000, len(content), 4096):
        content[start : start + 600] = b"\xff" * 600
    path.write_bytes(content)
    with ThreadPoolExecutor(2) as threads, pytest.raises(UnsoundDatabaseError, match=r"knowledge\.db is damaged"):
        await replace(desk.maker, threads=threads).make(Order.new(clock.now()), desk.place, Progress())
    assert desk.stored("snapshots") == []
    assert not (desk.data.directory / STAGE).exists()


async def test_a_snapshot_without_manifest_does_not_exist(tmp_path, clock):
    """Content alone is neither listed nor restored."""
    async with opened(tmp_path, clock) as desk:
        manifest = await desk.back_up()
    (desk.folder / manifest_path(manifest.id)).unlink()
    assert take_inventory(desk.place).snapshots() == []
    with pytest.raises(UnusableSnapshotError, match="no snapshot"):
        bring_back(desk.place, tmp_path / "new")
    with pytest.raises(UnusableSnapshotError, match="no snapshot"):
        bring_back(desk.place, tmp_path / "new", manifest.id)


def corrupt_manifest(folder: Path, manifest: Manifest) -> None:
    path = folder / manifest_path(manifest.id)
    path.write_bytes(path.read_bytes().replace(b'"format"', b'"formal"'))


def cut_off_manifest(folder: Path, manifest: Manifest) -> None:
    path = folder / manifest_path(manifest.id)
    path.write_bytes(path.read_bytes()[:-100])


def missing_file(folder: Path, manifest: Manifest) -> None:
    (folder / manifest.files[-1].stored).unlink()


def short_file(folder: Path, manifest: Manifest) -> None:
    path = folder / manifest.files[-1].stored
    path.write_bytes(path.read_bytes()[:-1])


def changed_file(folder: Path, manifest: Manifest) -> None:
    path = folder / next(file.stored for file in manifest.files if file.path == "knowledge.db")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def newer_schema(folder: Path, manifest: Manifest) -> None:
    schemas = manifest.schemas | {"concierge.db": 9999}
    (folder / manifest_path(manifest.id)).write_bytes(manifest.model_copy(update={"schemas": schemas}).written())


def newer_format(folder: Path, manifest: Manifest) -> None:
    (folder / manifest_path(manifest.id)).write_bytes(manifest.model_copy(update={"format": 2}).written())


def leading_elsewhere(folder: Path, manifest: Manifest) -> None:
    files = [manifest.files[-1].model_copy(update={"path": "uploads/../../x"}), *manifest.files]
    (folder / manifest_path(manifest.id)).write_bytes(manifest.model_copy(update={"files": files}).written())


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (corrupt_manifest, "checksum"),
        (cut_off_manifest, "cut off"),
        (missing_file, "missing or cut off"),
        (short_file, "missing or cut off"),
        (changed_file, "damaged"),
        (newer_schema, "newer version"),
        (newer_format, "newer version"),
        (leading_elsewhere, "leads elsewhere"),
    ],
)
async def test_a_snapshot_that_is_not_whole_is_refused_before_anything_is_touched(tmp_path, clock, harm, said):
    """The data stay as they are, to the byte, and a sentence says what is wrong."""
    async with opened(tmp_path, clock) as desk:
        await desk.data.upload(b"text")
        manifest = await desk.back_up()
        await desk.data.upload(b"later")
    harm(desk.folder, manifest)
    before = {path: path.read_bytes() for path in desk.data.directory.rglob("*") if path.is_file()}
    with pytest.raises(UnusableSnapshotError, match=said):
        bring_back(desk.place, desk.data.directory, manifest.id)
    assert {path: path.read_bytes() for path in desk.data.directory.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir() if "before-restore" in path.name] == []


async def test_two_installations_do_not_share_a_place(tmp_path, clock):
    """The second one is refused before it stores or removes anything."""
    async with opened(tmp_path, clock, keep=1) as desk:
        await desk.back_up()
    (tmp_path / "other").mkdir()
    async with opened(tmp_path / "other", clock, keep=1) as other:
        other.place = desk.place
        with pytest.raises(StoreError, match="another installation"):
            await other.back_up()
    assert len(take_inventory(desk.place).manifests) == 1


async def test_a_backup_that_is_stopped_names_nothing(tmp_path, clock):
    """What was asked to stop leaves neither manifest nor staged files."""
    async with opened(tmp_path, clock) as desk:
        for n in range(20):
            await desk.data.upload(b"%d" % n)
        progress = Progress()
        progress.stop()
        with pytest.raises(StoppedError):
            await desk.maker.make(Order.new(clock.now()), desk.place, progress)
    assert desk.stored("snapshots") == []
    assert not (desk.data.directory / STAGE).exists()


async def test_without_room_nothing_is_begun(tmp_path, clock):
    """A disk that cannot take it is told before anything is copied or fetched."""
    (tmp_path / "chroma").mkdir()
    with (tmp_path / "chroma" / "huge").open("wb") as sparse:
        sparse.truncate(2**43)
    async with opened(tmp_path, clock) as desk:
        manifest = await desk.back_up()
        desk.maker = replace(desk.maker, index=IndexFiles(tmp_path / "chroma", clock))
        with pytest.raises(StoreError, match="not enough space"):
            await desk.back_up(with_index=True)
        assert not (desk.data.directory / STAGE).exists()
    huge = manifest.files[0].model_copy(update={"path": "uploads/huge", "bytes": 2**50})
    files = manifest.model_copy(update={"files": [*manifest.files, huge]})
    desk.place.put(manifest_path(manifest.id), files.written(), lambda: False)
    with pytest.raises(StoreError, match="not enough space"):
        bring_back(desk.place, tmp_path / "new", manifest.id)
    assert list((tmp_path / "new").iterdir()) == []


def test_what_may_be_asked_for():
    """An id, latest, a place, or a place with an id at its end."""
    one = "20261122-031500-000-1f2e3d"
    assert split_address(one, "s3://b/p") == ("s3://b/p", one)
    assert split_address("latest", "/x") == ("/x", "latest")
    assert split_address(f"s3://b/p/{one}", "") == ("s3://b/p", one)
    assert split_address(f"/backups/{one}/", "/x") == ("/backups", one)
    assert split_address("s3://b/p", "/x") == ("s3://b/p", "latest")
    with pytest.raises(StoreError, match="--from"):
        split_address(one, "")


async def test_a_manifest_reads_as_what_was_written(tmp_path, clock):
    """Any program may read it: JSON, each file with size and checksum, and who wrote it."""
    async with opened(tmp_path, clock) as desk:
        version = await desk.data.upload(b"text")
        manifest = await desk.back_up()
    document = json.loads((desk.folder / manifest_path(manifest.id)).read_bytes())
    inner = document["manifest"]
    assert inner["concierge"] == "1.2.3"
    assert inner["created_at"] == manifest.created_at
    assert set(inner["schemas"]) == {"concierge.db", "knowledge.db"}
    assert [file["path"] for file in inner["files"]] == ["concierge.db", "knowledge.db", f"uploads/{version}"]
    assert all(len(file["sha256"]) == 64 and file["bytes"] for file in inner["files"])
    assert new_id()[-6:] != manifest.id[-6:]

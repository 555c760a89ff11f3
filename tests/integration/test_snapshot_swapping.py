"""What a restore moves: the former data aside, the restored ones in their place, whenever and wherever it stops."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.data_directory import DataDirectoryError, owned_directory
from services.snapshots.restoring import fetch
from services.snapshots.staging import STAGE
from services.snapshots.swapping import JOURNAL, UnfinishedSwapError, begin_swap, finish_swap
from services.snapshots.swapping import STAGE as SWAP_STAGE
from services.snapshots.work import Progress
from tests.fakes.snapshot_desk import bring_back, opened, rows

pytestmark = pytest.mark.blocking_allowed  # the tests themselves look into folders


async def test_the_former_data_are_kept_aside(tmp_path, clock):
    """A restore moves them, whole, to a folder beside, and says where."""
    async with opened(tmp_path, clock) as desk:
        first = await desk.data.upload(b"first")
        await desk.back_up()
        later = await desk.data.upload(b"later")
        (desk.data.directory / "lexical.db").write_text("derived")
    done = bring_back(desk.place, desk.data.directory)
    assert done.aside is not None
    assert done.aside == tmp_path / f"data.before-restore-{done.manifest.id}"
    assert {path.name for path in (done.aside / "uploads").iterdir()} == {first, later}
    assert {path.name for path in done.aside.iterdir()} == {"concierge.db", "knowledge.db", "uploads", "lexical.db"}
    assert {path.name for path in desk.data.directory.iterdir()} == {"concierge.db", "knowledge.db", "uploads"}
    assert [path.name for path in (desk.data.directory / "uploads").iterdir()] == [first]
    assert rows(done.aside / "knowledge.db", "SELECT count(*) FROM documents") == [(2,)]


def apart(directory: Path) -> Callable[[Path, Path], object]:
    """Renames as the kernel does them where a directory is mounted: none leads out of it, whatever its device."""

    def move(source: Path, target: Path) -> None:
        if not target.is_relative_to(directory):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        source.rename(target)

    return move


async def test_a_directory_that_nothing_can_be_moved_out_of_keeps_them_inside(tmp_path, clock):
    """A container's volume: the folder aside is in the directory itself, also of a second restore."""
    async with opened(tmp_path, clock) as desk:
        first = await desk.data.upload(b"first")
        manifest = await desk.back_up()
    directory = desk.data.directory
    for name in ("before-restore-now", "before-restore-now-2"):
        (directory / SWAP_STAGE).mkdir()
        fetch(desk.place, manifest, directory / SWAP_STAGE, Progress())
        assert begin_swap(directory, "now", apart(directory)).aside == directory / name
        assert (directory / name / "knowledge.db").exists()
        assert (directory / "uploads" / first).exists()
    assert [path.name for path in tmp_path.iterdir() if "before-restore" in path.name] == []


async def test_a_snapshot_may_be_restored_again_and_again(tmp_path, clock):
    """Each time the former data have a folder of their own."""
    async with opened(tmp_path, clock) as desk:
        manifest = await desk.back_up()
    asides = [bring_back(desk.place, desk.data.directory, manifest.id).aside for _ in range(3)]
    assert [aside.name.removeprefix(f"data.before-restore-{manifest.id}") for aside in asides if aside] == [
        "",
        "-2",
        "-3",
    ]
    assert all((aside / "knowledge.db").exists() for aside in asides if aside)


async def test_a_restore_that_cannot_even_begin_leaves_nothing(tmp_path, clock):
    """Without a journal on the disk the data are as they were, and there is no folder aside."""
    async with opened(tmp_path, clock) as desk:
        await desk.back_up()
    directory = desk.data.directory
    (directory / SWAP_STAGE).mkdir()

    def full(source: Path, target: Path) -> None:
        if target.name == JOURNAL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        source.rename(target)

    with pytest.raises(OSError, match="No space"):
        begin_swap(directory, "now", full)
    assert [path.name for path in tmp_path.iterdir() if "before-restore" in path.name] == []
    assert (directory / "knowledge.db").exists()


async def test_a_restore_that_stops_half_way_says_what_will_be(tmp_path, clock):
    """A disk that fails after the journal: the error says that the next start goes on, and where the data are."""
    async with opened(tmp_path, clock) as desk:
        manifest = await desk.back_up()
    directory = desk.data.directory
    (directory / SWAP_STAGE).mkdir()
    fetch(desk.place, manifest, directory / SWAP_STAGE, Progress())

    def failing(source: Path, target: Path) -> None:
        if source.name == "knowledge.db":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        source.rename(target)

    with pytest.raises(UnfinishedSwapError, match=r"next start or restore goes on.*data\.before-restore-now"):
        begin_swap(directory, "now", failing)
    assert finish_swap(directory) is not None
    assert (directory / "knowledge.db").exists()


async def test_what_went_aside_is_on_disk_before_its_successors_come(tmp_path, clock):
    """A power cut between the renames never lets the restored data be taken for the former ones."""
    async with opened(tmp_path, clock) as desk:
        manifest = await desk.back_up()
    directory, events = desk.data.directory, list[str]()
    (directory / SWAP_STAGE).mkdir()
    fetch(desk.place, manifest, directory / SWAP_STAGE, Progress())

    def move(source: Path, target: Path) -> None:
        events.append(f"{source.parent.name} > {target.parent.name}")
        source.rename(target)

    begin_swap(directory, "now", move, lambda folder: events.append(folder.name))
    out, back = "data > data.before-restore-now", f"{SWAP_STAGE} > data"
    between = events[len(events) - events[::-1].index(out) : events.index(back)]
    assert between == ["data.before-restore-now", "data"]


class CutOffError(Exception):
    """The instant at which a process is killed."""


class Renames:
    """Renames, until it is killed before the one with this number."""

    def __init__(self, killed_before: int) -> None:
        self.left = killed_before

    def __call__(self, source: Path, target: Path) -> None:
        self.left -= 1
        if self.left < 0:
            raise CutOffError
        source.rename(target)


async def test_a_crash_at_any_rename_is_made_good_by_the_next_owner(tmp_path, clock):
    """Killed before any rename: until the journal is there the old data are whole, afterwards the new ones."""
    async with opened(tmp_path, clock) as desk:
        first = await desk.data.upload(b"first")
        manifest = await desk.back_up()
        later = await desk.data.upload(b"later")
        (desk.data.directory / "lexical.db").write_text("derived")
    outcomes = set()
    for instant in range(13):  # the first rename tries the way, the second names the journal
        directory = tmp_path / f"crash{instant}" / "data"
        shutil.copytree(desk.data.directory, directory)
        (directory / SWAP_STAGE).mkdir()
        fetch(desk.place, manifest, directory / SWAP_STAGE, Progress())
        renames = Renames(instant)
        with contextlib.suppress(CutOffError):
            begin_swap(directory, "now", renames)
        finish_swap(directory)
        uploads = {path.name for path in (directory / "uploads").iterdir()}
        count = rows(directory / "knowledge.db", "SELECT count(*) FROM documents")[0][0]
        assert (uploads, count) == (({first, later}, 2) if instant < 2 else ({first}, 1))
        assert not (directory / JOURNAL).exists()
        assert (directory / SWAP_STAGE).exists() == (instant < 2)
        if instant >= 2:
            aside = directory.with_name("data.before-restore-now")
            assert {path.name for path in (aside / "uploads").iterdir()} == {first, later}
            assert rows(aside / "knowledge.db", "SELECT count(*) FROM documents") == [(2,)]
        outcomes.add(renames.left < 0)
    assert outcomes == {True, False}


async def test_a_restore_that_was_cut_off_is_finished_by_whoever_owns_the_directory(tmp_path, clock, caplog):
    """The next start goes on by itself, and says where the former data are; a damaged journal refuses the start."""
    async with opened(tmp_path, clock) as desk:
        manifest = await desk.back_up()
        await desk.data.upload(b"later")
    directory = desk.data.directory
    (directory / SWAP_STAGE).mkdir()
    fetch(desk.place, manifest, directory / SWAP_STAGE, Progress())
    with pytest.raises(CutOffError):
        begin_swap(directory, "now", Renames(4))
    async with owned_directory(directory, clock=clock, wait_seconds=0):
        assert rows(directory / "knowledge.db", "SELECT count(*) FROM documents") == [(0,)]
    assert "before-restore-now" in caplog.text
    (directory / STAGE).mkdir()
    async with owned_directory(directory, clock=clock, wait_seconds=0):
        assert not (directory / STAGE).exists()
    (directory / JOURNAL).write_text("{")
    with pytest.raises(DataDirectoryError, match=r"restore\.json cannot be read"):
        async with owned_directory(directory, clock=clock, wait_seconds=0):
            pass

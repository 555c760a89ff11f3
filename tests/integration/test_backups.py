"""Backups beside a running server: one at a time, by the schedule, and every failure in a sentence."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from database.metrics import Metrics
from services.object_stores import StoreAccess, StoreError
from services.snapshots.backups import (
    RETRY_SECONDS,
    SETTLING_SECONDS,
    Backup,
    BackupOptions,
    BackupRunningError,
    Backups,
    BackupState,
)
from services.snapshots.inventory import take_inventory
from services.snapshots.places import open_place
from services.snapshots.restoring import find_snapshot
from services.snapshots.staging import STAGE
from tests.fakes.fake_clock import FakeClock
from tests.fakes.object_server import ObjectServer, object_server
from tests.fakes.small_data import SmallData, small_data
from vectorstore.chroma_manager import VectorStoreUnavailableError
from vectorstore.index_files import IndexFiles

pytestmark = pytest.mark.blocking_allowed  # the tests themselves look into folders

DAY_MS = 24 * 3600 * 1000


@asynccontextmanager
async def running(
    data: SmallData, clock: FakeClock, metrics: Metrics, options: BackupOptions, index: IndexFiles | None = None
) -> AsyncIterator[Backups]:
    index = index or IndexFiles(data.directory / "chroma", clock)
    async with Backups.running(data.directory, index, "1.2.3", options, clock, metrics) as backups:
        yield backups


async def made(backups: Backups, *, to: str = "", with_index: bool = False) -> Backup:
    backup = await backups.start(to=to, with_index=with_index)
    await backups.wait()
    return backup


@asynccontextmanager
async def silent_store() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Takes requests and never answers; its address, and what it was asked."""
    asked: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        asked.append(await reader.read(4096))

    server = await asyncio.start_server(ask, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        for writer in writers:
            writer.close()


async def seen(look: Callable[[], bool]) -> None:
    """Return once it is so: what happens in threads takes its own time."""
    async with asyncio.timeout(30):
        while not look():
            await asyncio.sleep(0.01)


async def test_one_backup_at_a_time(tmp_path, clock, metrics):
    """A second one is refused while the first is made; afterwards it is welcome, and both are known."""
    options = BackupOptions(str(tmp_path / "backups"))
    async with small_data(tmp_path / "data", clock) as data, running(data, clock, metrics, options) as backups:
        first = await backups.start()
        with pytest.raises(BackupRunningError):
            await backups.start()
        await backups.wait()
        await clock.advance(1)
        second = await made(backups)
        assert [each.state for each in (first, second)] == [BackupState.DONE] * 2
        assert [each.order.snapshot_id for each in backups.recent()] == [
            second.order.snapshot_id,
            first.order.snapshot_id,
        ]
        assert [each.id for each in (await backups.snapshots()).snapshots()] == [
            second.order.snapshot_id,
            first.order.snapshot_id,
        ]
        assert metrics.registry.get_sample_value("concierge_backups_total", {"outcome": "done"}) == 2
        assert metrics.registry.get_sample_value("concierge_last_backup_timestamp_seconds") == clock.now() / 1000


async def test_a_place_inside_the_data_directory_is_refused(tmp_path, clock, metrics):
    """A snapshot there would be lost with the data, and be part of the next."""
    async with (
        small_data(tmp_path / "data", clock) as data,
        running(data, clock, metrics, BackupOptions()) as backups,
    ):
        with pytest.raises(StoreError, match="inside the data directory"):
            await backups.start(to=str(tmp_path / "data" / "backups"))
        with pytest.raises(StoreError, match="CONCIERGE_BACKUP_TO"):
            await backups.start()


async def test_a_place_that_is_named_once_is_never_pruned(tmp_path, clock, metrics):
    """Retention holds for the usual place only."""
    options = BackupOptions(str(tmp_path / "usual"), keep=1)
    async with small_data(tmp_path / "data", clock) as data, running(data, clock, metrics, options) as backups:
        for _ in range(3):
            await clock.advance(1)
            await made(backups)
            await clock.advance(1)
            await made(backups, to=str(tmp_path / "other"))
    assert len(take_inventory(open_place(str(tmp_path / "usual"), StoreAccess())).manifests) == 1
    assert len(take_inventory(open_place(str(tmp_path / "other"), StoreAccess())).manifests) == 3


async def test_the_schedule_is_kept(tmp_path, clock, metrics):
    """One a day at the hour that was set, and one that was missed while nothing ran soon after the start."""
    options = BackupOptions(str(tmp_path / "backups"), schedule="0 3 * * *")
    async with small_data(tmp_path / "data", clock) as data:
        async with running(data, clock, metrics, options) as backups:
            await clock.advance(SETTLING_SECONDS)
            await seen(lambda: clock.sleepers == 1)
            await clock.advance(24 * 3600)
            await seen(lambda: len(backups.recent()) == 1)
            await backups.wait()
            [only] = backups.recent()
            at = datetime.fromtimestamp(only.order.created_at / 1000, UTC)
            assert (at.hour, at.minute, only.state) == (3, 0, BackupState.DONE)
        later = FakeClock(only.order.created_at + 3 * DAY_MS + 1000)
        async with running(data, later, metrics, options) as backups:
            await later.advance(SETTLING_SECONDS)
            await seen(lambda: len(backups.recent()) == 1)
            await backups.wait()
            assert backups.recent()[0].state is BackupState.DONE


async def test_a_clock_that_was_wrong_stops_no_schedule(tmp_path, clock, metrics):
    """After a snapshot dated a year ahead, and when the clock is set back meanwhile, the next one is a day away."""
    options = BackupOptions(str(tmp_path / "backups"), schedule="0 3 * * *")
    async with small_data(tmp_path / "data", clock) as data:
        ahead = FakeClock(clock.now() + 365 * DAY_MS)
        async with running(data, ahead, Metrics(), options) as backups:
            await made(backups)
        async with running(data, clock, metrics, options) as backups:
            await clock.advance(SETTLING_SECONDS)
            await seen(lambda: clock.sleepers == 1)
            assert backups.last_success == clock.now()
            await clock.advance(24 * 3600)
            await seen(lambda: len(backups.recent()) == 1)
            await backups.wait()
            await seen(lambda: clock.sleepers == 1)
            assert backups.last_success == backups.recent()[0].order.created_at
            clock.set_back(40 * 24 * 3600)
            await clock.advance(60)
            await seen(lambda: clock.sleepers == 1)
            await clock.advance(24 * 3600)
            await seen(lambda: len(backups.recent()) == 2)
            await backups.wait()
            told = metrics.registry.get_sample_value("concierge_last_backup_timestamp_seconds")
            assert told is not None
            assert told <= clock.now() / 1000


async def test_a_scheduled_backup_that_fails_is_tried_again(tmp_path, clock, metrics):
    """A store that is away for some minutes costs no day."""
    async with small_data(tmp_path / "data", clock) as data:
        blocked = tmp_path / "backups"
        blocked.write_text("no folder")
        options = BackupOptions(str(blocked), schedule="* * * * *")
        async with running(data, clock, metrics, options) as backups:
            await clock.advance(SETTLING_SECONDS)
            await seen(lambda: clock.sleepers == 1)
            await clock.advance(60)
            await seen(lambda: bool(backups.recent()) and backups.recent()[0].state is BackupState.FAILED)
            blocked.unlink()
            await clock.advance(RETRY_SECONDS[0])
            await seen(lambda: backups.recent()[0].state is BackupState.DONE)
            assert backups.last_failure is None
            assert len(backups.recent()) == 2


async def test_the_index_is_in_a_snapshot_when_asked_for(tmp_path, clock, metrics):
    """Its files as they are once nobody has it open; on a Chroma server it is refused."""
    async with small_data(tmp_path / "data", clock) as data:
        (data.directory / "chroma" / "segment").mkdir(parents=True)
        (data.directory / "chroma" / "segment" / "data.bin").write_bytes(b"vectors")
        options = BackupOptions(str(tmp_path / "backups"))
        async with running(data, clock, metrics, options) as backups:
            backup = await made(backups, with_index=True)
            assert backup.error is None
            manifest = find_snapshot(open_place(options.place, StoreAccess()), "latest")
            assert [file.path for file in manifest.files if "chroma" in file.path] == ["chroma/segment/data.bin"]
        async with Backups.running(data.directory, None, "1", options, clock, metrics) as backups:
            with pytest.raises(StoreError, match="Chroma server"):
                await backups.start(with_index=True)


async def test_an_index_that_somebody_has_open_is_not_copied(tmp_path, clock, metrics):
    """A child of a server that was killed may still write: the backup waits, then fails with a sentence."""
    async with small_data(tmp_path / "data", clock) as data:
        (data.directory / "chroma").mkdir()
        index = IndexFiles(data.directory / "chroma", clock)
        async with index.closed():
            waiting = asyncio.create_task(_open(IndexFiles(data.directory / "chroma", clock, patience_seconds=5)))
            while not waiting.done():
                await clock.advance(1)
            with pytest.raises(VectorStoreUnavailableError, match="another process"):
                await waiting
        assert await _open(index) == data.directory / "chroma"


async def _open(index: IndexFiles) -> Path | None:
    async with index.closed() as directory:
        return directory


async def test_an_object_store_takes_and_gives_back(tmp_path, clock, metrics):
    """To a real S3 server and back, big files in parts; what is there is not sent again."""
    async with object_server(tmp_path / "s3") as server, small_data(tmp_path / "data", clock) as data:
        await data.upload(b"x" * 20_000_000)
        for n in range(30):
            await data.upload(b"small %d" % n)
        async with running(data, clock, metrics, BackupOptions(server.address, access=server.access())) as backups:
            first = await made(backups)
            assert (first.state, first.error) == (BackupState.DONE, None)
            assert first.progress.written > 20_000_000
            await clock.advance(1)
            assert (await made(backups)).progress.written < 1_000_000


async def test_wrong_keys_are_told_without_being_shown(tmp_path, clock, metrics, caplog):
    """A sentence that says what to check; neither it nor the log holds a key."""
    async with object_server(tmp_path / "s3") as server, small_data(tmp_path / "data", clock) as data:
        access = server.access(secret="quite-another-secret")
        async with running(data, clock, metrics, BackupOptions(server.address, access=access)) as backups:
            backup = await made(backups)
            with pytest.raises(StoreError, match="refuses our credentials"):
                await backups.snapshots()
    assert backup.state is BackupState.FAILED
    assert backup.error is not None
    assert "refuses our credentials (403 SignatureDoesNotMatch)" in backup.error
    assert "quite-another-secret" not in caplog.text + backup.error + repr(access)


async def test_a_missing_bucket_is_told(tmp_path, clock, metrics):
    """The sentence says to make it first."""
    async with object_server(tmp_path / "s3") as server, small_data(tmp_path / "data", clock) as data:
        access = server.access()
        async with running(data, clock, metrics, BackupOptions("s3://nowhere/x", access=access)) as backups:
            assert "does not exist" in str((await made(backups)).error)


async def test_a_store_that_dies_in_the_middle_costs_only_that_snapshot(tmp_path, clock, metrics):
    """Killed while files go there: a sentence, no manifest, nothing staged; once it is back the next one succeeds."""
    async with object_server(tmp_path / "s3") as server, small_data(tmp_path / "data", clock) as data:
        for n in range(40):
            await data.upload(b"%d" % n * 500_000)
        async with running(data, clock, metrics, BackupOptions(server.address, access=server.access())) as backups:
            backup = await backups.start()
            await seen(lambda: backup.progress.stage == "storing" and backup.progress.written > 0)
            await server.kill()
            await backups.wait()
            assert backup.state is BackupState.FAILED
            assert "cannot be reached" in str(backup.error)
            assert not (data.directory / "snapshot.partial").exists()
            await server.start()
            assert (await backups.snapshots()).snapshots() == []
            await clock.advance(1)
            again = await made(backups)
            assert again.state is BackupState.DONE
            assert [each.complete for each in (await backups.snapshots()).snapshots()] == [True]


async def test_the_end_of_the_server_ends_a_backup(tmp_path, clock, metrics):
    """It is given up between two files, not waited for; nothing of it is named or left."""
    async with object_server(tmp_path / "s3") as server, small_data(tmp_path / "data", clock) as data:
        for n in range(40):
            await data.upload(b"%d" % n * 500_000)
        async with running(data, clock, metrics, BackupOptions(server.address, access=server.access())) as backups:
            backup = await backups.start()
            await seen(lambda: backup.progress.written > 0)
        assert (backup.state, backup.error) == (BackupState.FAILED, "It was given up because the server stopped.")
        assert not (data.directory / "snapshot.partial").exists()
        assert _manifests(server) == []


async def test_a_silent_store_delays_nobody(tmp_path, clock, metrics):
    """Lists that hang leave the threads to the work, and the end waits for neither; no collector clears up later."""
    async with silent_store() as (url, asked):
        access = StoreAccess("key", "secret", endpoint_url=url, timeout_seconds=8, retries=0)
        options = BackupOptions("s3://b/p", stop_seconds=0.2, access=access)
        async with small_data(tmp_path / "data", clock) as data:
            async with running(data, clock, metrics, options) as backups:
                lists = [asyncio.create_task(backups.snapshots()) for _ in range(3)]
                await backups.start(to="s3://b/elsewhere")
                await seen(lambda: any(b"elsewhere" in request for request in asked))
                began = time.perf_counter()
            assert time.perf_counter() - began < access.timeout_seconds - 2
        for each in lists:
            each.cancel()
        await asyncio.wait(lists)
    del backups, lists
    gc.collect()
    # a thread may still read it: it goes with the next backup
    assert (data.directory / STAGE).is_dir()


async def test_one_snapshot_is_looked_up_alone(tmp_path, clock, metrics):
    """Its id reads its manifest and no other; what cannot be read is counted by a look at all of them."""
    options = BackupOptions(str(tmp_path / "backups"))
    async with small_data(tmp_path / "data", clock) as data, running(data, clock, metrics, options) as backups:
        first = await made(backups)
        await clock.advance(1)
        second = await made(backups)
        ids = [each.order.snapshot_id for each in (first, second)]
        (tmp_path / "backups" / "snapshots" / f"{ids[0]}.json").write_text("{")
        assert list((await backups.snapshots(ids[1])).manifests) == [ids[1]]
        assert (await backups.snapshots(ids[1])).broken == {}
        assert backups.unusable == 0
        assert list((await backups.snapshots()).broken) == [ids[0]]
        assert backups.unusable == 1


def _manifests(server: ObjectServer) -> list[Path]:
    return list((server.folder / "snapshots" / "concierge" / "snapshots").glob("*.json"))

"""`concierge backup` and `restore` as people run them, on a data directory that no server owns."""

import asyncio
import json
import resource
import sys
from pathlib import Path

import pytest

from bot.commands.backup import backup
from bot.commands.failures import CommandError
from bot.commands.restore import Wanted, restore_data
from bot.settings import Settings
from database.clock import SystemClock
from tests.e2e.processes import Server, concierge
from tests.fakes.fake_clock import FakeClock
from tests.fakes.object_server import object_server
from tests.fakes.small_data import small_data

pytestmark = pytest.mark.blocking_allowed  # the tests wait for processes

# of the owner, and of SQLite itself, which cannot even put its log away
LOCKS = {"owner.lock", *(f"{name}.db-{tail}" for name in ("concierge", "knowledge") for tail in ("wal", "shm"))}


async def filled(directory: Path, *contents: bytes) -> Server:
    """A data directory with these uploads, closed."""
    async with small_data(directory, FakeClock()) as data:
        for content in contents:
            await data.upload(content)
    return Server(directory, "http://127.0.0.1:1")


def settings_of(server: Server, *, to: Path | str = "") -> Settings:
    return Settings(
        concierge_data_dir=server.directory,
        concierge_backup_to=str(to),
        concierge_lock_wait_seconds=0,
    )


async def test_to_an_object_store_and_back(tmp_path):
    """With keys from the environment, into a directory that did not exist; wrong keys are a sentence."""
    async with object_server(tmp_path / "s3") as store:
        server = await filled(tmp_path / "data", b"text", b"x" * 10_000_000)
        code, out, err = await concierge(
            server, "backup", "--json", CONCIERGE_BACKUP_TO=store.address, **store.environment()
        )
        assert code == 0, err
        made = json.loads(out)
        assert (made["state"], made["files"], made["place"]) == ("done", 4, store.address)
        fresh = Server(tmp_path / "elsewhere", server.api_url)
        code, out, err = await concierge(fresh, "restore", f"{store.address}/{made['id']}", **store.environment())
        assert code == 0, err
        assert "former data" not in out
        names = sorted(path.name for path in fresh.directory.iterdir())
        assert names == ["concierge.db", "knowledge.db", "owner.lock", "uploads"]
        assert len(list((fresh.directory / "uploads").iterdir())) == 2
        wrong = store.environment() | {"AWS_SECRET_ACCESS_KEY": "no-such-secret"}
        code, _, err = await concierge(fresh, "restore", "--list", "--from", store.address, **wrong)
        assert code == 1
        assert "refuses our credentials" in err
        assert "Traceback" not in err
        assert "no-such-secret" not in err


async def test_what_there_is_can_be_listed(tmp_path, capsys):
    """Newest first, for people and for programs; what is not whole says so."""
    server = await filled(tmp_path / "data", b"text")
    settings = settings_of(server, to=tmp_path / "backups")
    ids = []
    for _ in range(2):
        await backup(settings, SystemClock(), "", with_index=False, as_json=True)
        ids.append(json.loads(capsys.readouterr().out)["id"])
    await restore_data(settings, SystemClock(), Wanted(None, listed=True), as_json=False)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ids[::-1]
    (tmp_path / "backups" / "snapshots" / f"{ids[0]}.json").write_text("{")
    next((tmp_path / "backups" / "content").rglob("[0-9a-f]" * 64)).unlink()
    await restore_data(settings, SystemClock(), Wanted(None, listed=True), as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [(each["id"], each["complete"]) for each in listed["snapshots"]] == [(ids[1], False)]
    assert list(listed["unusable"]) == [ids[0]]
    with pytest.raises(CommandError, match=r"no usable snapshot in .*; of 2, files are missing"):
        await restore_data(settings, SystemClock(), Wanted("latest"), as_json=True)


async def test_what_is_missing_is_asked_for(tmp_path):
    """Neither place nor snapshot: a sentence, and nothing made."""
    settings = settings_of(Server(tmp_path / "data", ""))
    clock = SystemClock()
    with pytest.raises(CommandError, match="Say where the snapshot is to go"):
        await backup(settings, clock, "", with_index=False, as_json=False)
    for wanted, said in (
        (Wanted("latest"), "Say where the snapshots are"),
        (Wanted(None), "Say where the snapshots are"),
        (Wanted(None, str(tmp_path)), "Say which snapshot"),
        (Wanted("latest", str(tmp_path)), "There is no snapshot in"),
    ):
        with pytest.raises(CommandError, match=said):
            await restore_data(settings, clock, wanted, as_json=False)
    with pytest.raises(CommandError, match="no server has ever run there"):
        await backup(settings, clock, str(tmp_path / "backups"), with_index=False, as_json=False)
    assert not (tmp_path / "backups").exists()


async def test_settings_that_cannot_be_kept_are_named(tmp_path):
    """A schedule that is none, or a place with a password, ends a command with code 78 and no value."""
    server = Server(tmp_path / "data", "http://127.0.0.1:1")
    wrong = {"CONCIERGE_BACKUP_SCHEDULE": "at three", "CONCIERGE_BACKUP_TO": "s3://user:pass-word@bucket/x"}
    code, _, err = await concierge(server, "backup", **wrong, AWS_ENDPOINT_URL="ftp://x")
    assert code == 78
    for name in ("CONCIERGE_BACKUP_SCHEDULE", "CONCIERGE_BACKUP_TO", "AWS_ENDPOINT_URL"):
        assert name in err
    assert "pass-word" not in err


@pytest.mark.skipif(sys.platform != "linux", reason="limits of file sizes")
@pytest.mark.parametrize(("limit", "said"), [(16 * 1024, b"database cannot be copied"), (1_000_000, b"no space left")])
async def test_a_full_disk_is_said_in_a_sentence(tmp_path, limit, said):
    """No room for a copy of a database, or for a file at its place: no traceback, nothing half-made left behind."""
    server = await filled(tmp_path / "data", b"x" * 2_000_000)
    before = {path.name for path in server.directory.iterdir()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "backup", "--json", "--to", str(tmp_path / "backups")),
        env=server.environment(),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert said in err
    assert b"Traceback" not in err
    assert {path.name for path in server.directory.iterdir()} - LOCKS == before
    assert not list((tmp_path / "backups").rglob("*.part"))
    assert not (tmp_path / "backups" / "snapshots").exists()

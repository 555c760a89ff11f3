"""One owner a data directory, proven with real processes; time stands still, so nothing waits for long."""

import asyncio
import json
import stat

import pytest

from bot.data_directory import DataDirectoryError, OwnedError, Owner, find_owner, own_url, owned_directory
from tests.fakes.fake_clock import settle
from tests.fakes.owner_process import owner_process

pytestmark = pytest.mark.blocking_allowed  # the tests wait for processes


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_directory_is_for_its_owner_only(tmp_path, clock):
    """Made with mode 700, with parents; lock and run.json with 600."""
    path = tmp_path / "deep" / "data"
    async with owned_directory(path, clock=clock, wait_seconds=0) as directory:
        await directory.announce("0.0.0.0", 8080, clock.now())  # noqa: S104 - a name, not a socket
        assert (mode_of(path), mode_of(path / "owner.lock"), mode_of(path / "run.json")) == (0o700, 0o600, 0o600)
        run = json.loads((path / "run.json").read_text())
        assert (run["url"], run["started_at"]) == ("http://127.0.0.1:8080", "2025-10-09T08:53:20+00:00")
    assert not (path / "run.json").exists()


async def test_a_second_process_is_refused_after_the_wait(tmp_path, clock):
    """With the owner's pid and the way out."""
    with owner_process(tmp_path) as owner:
        second = asyncio.create_task(_own_for_a_moment(tmp_path, clock, wait_seconds=10))
        await _until_it_waits(clock)
        await clock.advance(9.5)
        assert not second.done()
        await clock.advance(1)
        with pytest.raises(OwnedError) as caught:
            await second
        assert str(owner.pid) in str(caught.value)
        assert "CONCIERGE_DATA_DIR" in str(caught.value)
        assert caught.value.pid == owner.pid


async def test_a_predecessor_that_is_still_closing_is_waited_for(tmp_path, clock):
    """Its end within the wait lets the next one in."""
    with owner_process(tmp_path) as owner:
        second = asyncio.create_task(_own_for_a_moment(tmp_path, clock, wait_seconds=10))
        await _until_it_waits(clock)
        owner.communicate("end\n")
        await clock.advance(1)
        await second
        assert owner.poll() is not None


async def test_a_killed_owner_leaves_nothing_in_the_way(tmp_path, clock):
    """SIGKILL frees the lock; its run.json is not believed, and goes."""
    with owner_process(tmp_path, port=1) as owner:
        assert _found(tmp_path).url == "http://127.0.0.1:1"
        owner.kill()
        owner.wait()
    assert (tmp_path / "run.json").exists()
    assert find_owner(tmp_path) is None
    async with owned_directory(tmp_path, clock=clock, wait_seconds=0):
        assert not (tmp_path / "run.json").exists()


async def test_commands_find_the_owner_and_its_token(tmp_path):
    """Also one that does not serve yet."""
    assert find_owner(tmp_path) is None
    with owner_process(tmp_path) as owner:
        assert (_found(tmp_path).pid, _found(tmp_path).url) == (owner.pid, None)
    with owner_process(tmp_path, port=4711) as owner:
        found = _found(tmp_path)
        assert (found.pid, found.url) == (owner.pid, "http://127.0.0.1:4711")
        assert len(found.token or "") > 30


async def test_looking_for_the_owner_takes_nothing_from_it(tmp_path, clock):
    """A command that looks does not keep the next owner out."""
    (tmp_path / "owner.lock").touch()
    find_owner(tmp_path)
    async with owned_directory(tmp_path, clock=clock, wait_seconds=0):
        assert find_owner(tmp_path) is not None


async def test_a_path_that_is_no_directory_is_said(tmp_path, clock):
    """A sentence that names it."""
    path = tmp_path / "file"
    path.write_text("here first")
    with pytest.raises(DataDirectoryError, match="file"):
        await _own_for_a_moment(path, clock, wait_seconds=0)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("::", "http://[::1]:80"), ("box.example", "http://box.example:80")],
)
def test_the_address_for_this_machine(host, url):
    """What listens everywhere is reached over loopback."""
    assert own_url(host, 80) == url


def _found(path) -> Owner:
    owner = find_owner(path)
    assert owner
    return owner


async def _own_for_a_moment(path, clock, *, wait_seconds: float) -> None:
    async with owned_directory(path, clock=clock, wait_seconds=wait_seconds):
        pass


async def _until_it_waits(clock) -> None:
    while not clock.sleepers:
        await asyncio.sleep(0.01)
        await settle()

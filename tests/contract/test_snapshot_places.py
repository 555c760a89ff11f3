"""Every place for snapshots behaves alike: a folder, and an S3 bucket on a real server."""

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.object_stores import PART_BYTES, StoreAccess, StoreError
from services.snapshots.places import Place, StoppedError, Stored, open_place
from tests.fakes.object_server import object_server

pytestmark = pytest.mark.blocking_allowed  # places are for threads


def never() -> bool:
    return False


@pytest.fixture(params=["folder", "file address", "s3"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "folder":
        yield open_place(str(tmp_path / "backups"), StoreAccess())
    elif request.param == "file address":
        yield open_place(f"file://{tmp_path}/back%20ups", StoreAccess())
    else:
        async with object_server(tmp_path / "s3") as server:
            yield open_place(server.address, server.access())


def read(place: Place, stored: Stored) -> bytes:
    return b"".join(place.read(stored))


def test_an_empty_place_holds_nothing(place):
    """Nothing has to be made before the first snapshot."""
    assert place.list("snapshots") == []
    place.remove(["content/none"])


@pytest.mark.parametrize("size", [0, 1, 1000, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7])
def test_what_is_put_comes_back(place, tmp_path, size):
    """Files of every size, in one piece or in parts, to the byte."""
    content = os.urandom(size)
    (tmp_path / "source").write_bytes(content)
    place.put("content/ab/one", tmp_path / "source", never)
    [stored] = place.list("content")
    assert (stored.path, stored.bytes) == ("content/ab/one", size)
    assert stored.modified_at > 1_600_000_000_000
    assert read(place, stored) == content


def test_a_second_put_replaces_the_first(place):
    """The newer content counts."""
    place.put("snapshots/a.json", b"first and longer", never)
    place.put("snapshots/a.json", b"second", never)
    [stored] = place.list("snapshots")
    assert read(place, stored) == b"second"


def test_folders_are_listed_apart(place):
    """Only what lies below the folder, however deep."""
    for path in ("content/aa/1", "content/bb/2", "snapshots/x.json"):
        place.put(path, path.encode(), never)
    assert {each.path for each in place.list("content")} == {"content/aa/1", "content/bb/2"}
    place.remove(["content/aa/1", "content/aa/none"])
    assert {each.path for each in place.list("content")} == {"content/bb/2"}


def test_what_is_stopped_is_not_there(place, tmp_path):
    """A file whose way was cut off half-way has no name."""
    (tmp_path / "big").write_bytes(os.urandom(3 * PART_BYTES))
    asked: list[int] = []

    def after_one() -> bool:
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(StoppedError):
        place.put("content/ab/big", tmp_path / "big", after_one)
    assert place.list("content") == []


def test_what_is_not_there_is_told_apart(place):
    """FileNotFoundError, not an empty file."""
    with pytest.raises(FileNotFoundError):
        read(place, Stored("content/ab/none", 10, 0))


def test_what_is_no_folder_is_not_an_empty_one(tmp_path):
    """A sentence for a link that leads nowhere but to itself, and for a file in the folder's place."""
    place = open_place(str(tmp_path), StoreAccess())
    (tmp_path / "content").symlink_to("content")
    (tmp_path / "snapshots").write_text("a file")
    for folder in ("content", "snapshots"):
        with pytest.raises(StoreError):
            place.list(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
@pytest.mark.parametrize("closed", ["backups/content/aa", "backups/content", "backups", "."])
def test_a_folder_that_may_not_be_listed_is_not_empty(closed):
    """A sentence, never a list with less in it: what no listed snapshot needs would be removed."""
    with tempfile.TemporaryDirectory() as name:
        place = open_place(f"{name}/backups", StoreAccess())
        place.put("content/aa/one", b"one", never)
        place.put("content/bb/two", b"two", never)
        for folder in (Path(name), *(path for path in Path(name).rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        (Path(name) / closed).chmod(0o700)
        os.seteuid(65534)
        try:
            with pytest.raises(StoreError):
                place.list("content")
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("address", ["ftp://host/x", "s3://", "s3://user:word@bucket/x", "s3://bucket/x?key=1"])
def test_odd_addresses_are_refused(address):
    """A sentence, without what may be a password."""
    with pytest.raises(StoreError) as refused:
        open_place(address, StoreAccess())
    assert "word" not in str(refused.value).replace("password", "")

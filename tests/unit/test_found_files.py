"""Which files `concierge ingest` takes, and that the same file always gets the same name."""

import errno
import os
from pathlib import Path

import pytest

from bot.commands.failures import CommandError
from bot.commands.found_files import FoundFile, found_files, sharing_a_name


def made(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_what_is_taken(tmp_path):
    """A named file whatever its kind; in folders the kinds that can be read, nothing hidden, each once."""
    made(tmp_path, "a.TXT", "b.bin", ".hidden.txt", "sub/c.pdf", ".git/d.md")
    files, skipped, _ = found_files([tmp_path, tmp_path / "b.bin", tmp_path / "a.TXT"])
    assert [file.path.relative_to(tmp_path).as_posix() for file in files] == ["a.TXT", "sub/c.pdf", "b.bin"]
    assert skipped == 1
    with pytest.raises(CommandError, match="nowhere"):
        found_files([tmp_path / "nowhere"])


def test_only_files_that_are_files(tmp_path):
    """Links and pipes below a folder are left out and counted: a link may lead anywhere, a pipe may never end."""
    made(tmp_path, "inside/a.txt", "outside/secret.txt")
    folder = tmp_path / "inside"
    (folder / "link.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (folder / "nowhere.txt").symlink_to(tmp_path / "nothing")
    (folder / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe.txt")
    files, skipped, _ = found_files([folder])
    assert [file.path.name for file in files] == ["a.txt"]
    assert skipped == 4


def test_a_named_pipe_or_device_is_refused(tmp_path):
    """In a sentence; a link that somebody names himself is followed."""
    made(tmp_path, "a.txt")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    assert [file.name for file in found_files([tmp_path / "link.txt"])[0]] == ["link.txt"]
    for path in (tmp_path / "pipe.txt", Path(os.devnull)):
        with pytest.raises(CommandError, match="no file or folder"):
            found_files([path])


def test_folders_that_cannot_be_read_are_told(tmp_path):
    """Here one whose path is longer than the system takes; what can be read is taken."""
    made(tmp_path, "a.txt", "z.txt")
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=place)
        inside = os.open("x" * 250, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inside
    os.close(place)
    found = found_files([tmp_path])
    assert [file.name for file in found.files] == ["a.txt", "z.txt"]
    assert [error.errno for error in found.unread] == [errno.ENAMETOOLONG]
    assert str(found.unread[0].filename).startswith(str(tmp_path))


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path):
    """With the system's reason, not a traceback."""
    with pytest.raises(CommandError, match="name too long"):
        found_files([tmp_path / ("x" * 300)])


def test_a_file_below_a_folder_is_called_by_its_path(tmp_path):
    """Two readme.md of one folder are two documents, at every call the same two."""
    made(tmp_path, "readme.md", "sub/readme.md", "sub/deep/readme.md")
    names = ["readme.md", "sub - readme.md", "sub - deep - readme.md"]
    for _ in range(2):
        files, *_ = found_files([tmp_path])
        assert sorted(file.name for file in files) == sorted(names)


def test_names_are_what_the_server_would_make_of_them(tmp_path):
    """A line end in a name would break the request."""
    made(tmp_path, "two\nlines.md")
    assert [file.name for file in found_files([tmp_path])[0]] == ["two lines.md"]


def test_a_path_that_is_too_long_keeps_its_end_and_its_difference(tmp_path):
    """Deep folders whose names differ only at their beginning are still two documents."""
    deep = "/".join(["a folder with quite a long name"] * 7)
    made(tmp_path, f"one/{deep}/readme.md", f"two/{deep}/readme.md")
    first, second = (file.name for file in found_files([tmp_path])[0])
    assert first != second
    assert first.endswith("readme.md")
    assert len(first) <= 255


def test_files_of_one_name_are_found_out(tmp_path):
    """They would be versions of one document: whoever asks for that must say so."""
    made(tmp_path, "docs/readme.md", "faq/readme.md", "faq/prices.md")
    docs, faq = tmp_path / "docs", tmp_path / "faq"
    files, *_ = found_files([docs, faq])
    first, second = FoundFile(docs / "readme.md", "readme.md"), FoundFile(faq / "readme.md", "readme.md")
    assert list(sharing_a_name(files)) == [(second, first)]
    assert list(sharing_a_name(found_files([tmp_path])[0])) == []

"""Uploaded files are on disk whole or not at all, and their names do no harm."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.document_errors import UnreadableDocumentError
from services.document_files import DocumentFiles, safe_filename


async def pieces(*parts: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if then is not None:
        raise then


@pytest.fixture
async def files(tmp_path: Path) -> DocumentFiles:
    files = DocumentFiles(tmp_path / "files")
    await files.prepare(set())
    return files


async def test_a_file_is_stored_whole(files):
    """Content of many pieces arrives as it was, with its size and hash."""
    content = bytes(range(256)) * 20_000
    stored = await files.store(
        "v1", pieces(*(content[at : at + 70_000] for at in range(0, len(content), 70_000))), 2**30
    )
    assert (stored.bytes, stored.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert files.path("v1").read_bytes() == content


async def test_a_file_beyond_the_limit_leaves_nothing(files, tmp_path):
    """One byte too many refuses the file, and the disk is as before."""
    assert (await files.store("v0", pieces(b"12345"), 5)).bytes == 5
    with pytest.raises(UnreadableDocumentError, match="larger than 5 bytes"):
        await files.store("v1", pieces(b"123", b"456"), 5)
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["v0"]


async def test_an_upload_that_breaks_off_leaves_nothing(files, tmp_path):
    """A client that hangs up in the middle leaves no half file."""
    with pytest.raises(ConnectionResetError):
        await files.store("v1", pieces(b"123", then=ConnectionResetError("gone")), 100)
    assert list((tmp_path / "files").iterdir()) == []


async def test_strays_are_taken_away_at_the_start(files, tmp_path):
    """What a crash left between file and row does not fill the disk."""
    for name in ("known", "stray", "cut-off.part"):
        (tmp_path / "files" / name).write_bytes(b"x")
    await files.prepare({"known"})
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["known"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("price list.pdf", "price list.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\menu.docx", "menu.docx"),
        ("a\x00b\r\nc\ud83d.txt", "ab c.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("cafe\u0301.md", "café.md"),
        ("", "document"),
        ("..", "document"),
        ("folder/", "document"),
    ],
)
def test_names_are_made_safe_to_show(name, shown):
    """Folders, invisible characters and tricks with the reading direction are gone; the name is still known."""
    assert safe_filename(name) == shown


@given(st.text(st.characters(), max_size=600))
def test_no_name_is_too_long_or_empty(name):
    """Any name at all becomes 1 to 255 characters that can be stored and shown on one line."""
    shown = safe_filename(name)
    assert 0 < len(shown) <= 255
    assert shown.encode()
    assert shown.splitlines() == [shown]


def test_a_long_name_keeps_its_ending():
    """Cutting a name does not change what kind of file it says it is."""
    assert safe_filename("x" * 300 + ".docx") == "x" * 250 + ".docx"

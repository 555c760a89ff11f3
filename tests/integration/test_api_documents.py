"""Documents through the API: streamed uploads, pages, and nothing of anybody else's."""

import sqlite3

import aiohttp
import pytest

from database.records import new_id
from tests.fakes.api_desk import ADMIN, api_desk


@pytest.fixture
async def desk(chat, clock, metrics):
    async with api_desk(chat, clock, metrics) as desk:
        yield desk


def full_database() -> sqlite3.OperationalError:
    """What SQLite raises when a database may not grow."""
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count = 1")
    try:
        connection.execute("CREATE TABLE wide AS SELECT randomblob(100000)")
    except sqlite3.OperationalError as error:
        return error
    finally:
        connection.close()
    raise AssertionError("the database grew")


def form(*files: tuple[str, bytes]) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, content in files:
        made.add_field("files", content, filename=name)
    return made


async def test_each_file_becomes_a_document_in_order(desk):
    """202, one document a file; a bad file fails alone."""
    files = form(("a.txt", b"first"), ("b.txt", b"bad"), ("c.txt", b"x" * 700_000))
    response = await desk.client.post(f"{desk.path}/documents", data=files)
    documents = (await response.json())["documents"]
    assert response.status == 202
    assert [(each["filename"], each["status"], each["bytes"]) for each in documents] == [
        ("a.txt", "queued", 5),
        ("b.txt", "failed", 3),
        ("c.txt", "queued", 700_000),
    ]
    assert documents[1]["error_message"] == "The file is bad."
    assert desk.knowledge.contents[documents[2]["id"]] == b"x" * 700_000


async def test_a_document_has_exactly_the_promised_fields(desk):
    """Programs rely on these names; times are RFC 3339 in UTC."""
    response = await desk.client.post(f"{desk.path}/documents", data=form(("a.txt", b"first")))
    (document,) = (await response.json())["documents"]
    assert set(document) == {
        *("id", "filename", "status", "progress", "is_processed", "chunks_count", "error_message", "version"),
        *("bytes", "created_at", "updated_at", "live_version", "held_version", "source", "tags", "warning"),
        *("chunks_missing", "chunks_dropped"),
    }
    assert document["created_at"] == "2025-10-09T08:53:20.000Z"


async def test_other_parts_of_the_form_are_passed_over(desk):
    """A browser's form may carry more than the files."""
    files = form(("a.txt", b"first"))
    files.add_field("comment", "hello")
    response = await desk.client.post(f"{desk.path}/documents", data=files)
    assert len((await response.json())["documents"]) == 1


async def test_a_base64_part_is_decoded(desk):
    """RFC 2046: a part may say how it travels."""
    body = (
        '--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--x--\r\n"
    )
    response = await desk.client.post(
        f"{desk.path}/documents", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status == 202
    assert [*desk.knowledge.contents.values()] == [b"hello"]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"--x", 400),
        ("multipart/form-data; boundary=x", b"nothing of the kind", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422),
        ("multipart/form-data; boundary=x", b"", 400),
    ],
)
async def test_a_broken_request_is_refused(desk, content_type, body, status):
    """A request that is no upload says what is wrong with it."""
    response = await desk.client.post(f"{desk.path}/documents", data=body, headers={"Content-Type": content_type})
    assert response.status == status
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "tail",
    [
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="b.txt"\r\n\r\nhalf of',
        (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="b.txt"\r\n'
            b"Content-Transfer-Encoding: rot13\r\n\r\nuryyb\r\n--x--\r\n"
        ),
    ],
)
async def test_a_request_that_breaks_off_leaves_nothing_behind(desk, tail):
    """The sender will send all of it again: half of it must not stay."""
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nfirst\r\n' + tail
    response = await desk.client.post(
        f"{desk.path}/documents", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status == 400
    assert not desk.knowledge.documents


async def test_too_many_files_are_refused_whole(desk):
    """Beyond the limit nobody has to find out which were taken: none."""
    response = await desk.client.post(f"{desk.path}/documents", data=form(*[("a.txt", b"x")] * 4))
    assert response.status == 413
    assert not desk.knowledge.documents


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), full_database()])
async def test_a_full_disk_is_said(desk, fault):
    """507: nothing is wrong with the file, whether the file or its row had no room."""
    desk.knowledge.fault = fault
    response = await desk.client.post(f"{desk.path}/documents", data=form(("a.txt", b"x")))
    assert response.status == 507


async def test_pages_show_every_document_once(desk):
    """Following next_cursor to its end meets each document once."""
    for _ in range(3):
        await desk.client.post(f"{desk.path}/documents", data=form(*[("a.txt", b"x")] * 3))
    seen, cursor = [], ""
    while cursor is not None:
        page = await (await desk.client.get(f"{desk.path}/documents", params={"limit": "4", "cursor": cursor})).json()
        seen += [each["id"] for each in page["documents"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(desk.knowledge.documents)
    assert len(seen) == 9


async def test_a_deleted_document_is_gone(desk):
    """204, then 404 for look and delete."""
    response = await desk.client.post(f"{desk.path}/documents", data=form(("a.txt", b"x")))
    address = f"{desk.path}/documents/{(await response.json())['documents'][0]['id']}"
    assert (await (await desk.client.get(address)).json())["filename"] == "a.txt"
    assert (await desk.client.delete(address)).status == 204
    assert (await desk.client.get(address)).status == 404
    assert (await desk.client.delete(address)).status == 404


async def test_what_belongs_to_another_business_is_not_there(desk):
    """404, as if it did not exist."""
    theirs = await desk.knowledge.accept("another-business", "theirs.txt", _nothing())
    for address in (f"{desk.path}/documents/{theirs.id}", f"{desk.path}/documents/{new_id()}"):
        assert (await desk.client.get(address)).status == 404
        assert (await desk.client.delete(address)).status == 404
    assert theirs.id in desk.knowledge.documents
    assert (await (await desk.client.get(f"{desk.path}/documents")).json())["documents"] == []
    assert (await desk.client.get(f"/api/v1/businesses/another/documents/{theirs.id}")).status == 404


async def test_an_upload_needs_no_memory_for_the_whole_file(desk):
    """The file streams through: what is sent first is taken before the rest has come."""

    async def slowly():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
        for _ in range(64):
            yield b"y" * 65_536
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x", "Authorization": f"Bearer {ADMIN}"}
    response = await desk.client.post(f"{desk.path}/documents", data=slowly(), headers=headers)
    assert (await response.json())["documents"][0]["bytes"] == 64 * 65_536


async def _nothing():
    yield b""

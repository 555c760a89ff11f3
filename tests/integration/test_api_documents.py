"""Documents through the API: streamed uploads, pages, and nothing of anybody else's."""

import asyncio

import pytest

from database.records import new_id
from database.transaction import Transaction
from services.ingestion import IngestionOptions
from tests.fakes.api_desk import ADMIN
from tests.fakes.document_desk import document_desk, form
from tests.fakes.fake_clock import settle

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
FIRST = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nfirst\r\n'
SECOND = b'--x\r\nContent-Disposition: form-data; name="files"; filename="b.txt"\r\n\r\n'


@pytest.fixture
async def desk(chat, knowledge, clock, metrics, tmp_path):
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "uploads") as desk:
        yield desk


async def count(transaction: Transaction) -> int:
    row = await transaction.one("SELECT count(*) AS n FROM documents")
    assert row is not None
    return int(row["n"])


async def fill_up(transaction: Transaction) -> None:
    """The database may not grow any more, and has no room left."""
    pages = await transaction.one("PRAGMA page_count")
    assert pages is not None
    await transaction.one(f"PRAGMA max_page_count = {pages[0]}")


async def test_each_file_becomes_a_document_in_order(desk):
    """202, one document a file; a bad file fails alone."""
    documents = await desk.upload(("a.txt", b"first"), ("b.txt", b""), ("c.txt", b"word " * 140_000))
    assert [(each["filename"], each["status"], each["bytes"]) for each in documents] == [
        ("a.txt", "queued", 5),
        ("b.txt", "failed", 0),
        ("c.txt", "queued", 700_000),
    ]
    assert documents[1]["error_message"] == "The file is empty."
    assert (await desk.ended(documents[0]))[0]["status"] == "ready"


async def test_a_document_has_exactly_the_promised_fields(desk):
    """Programs rely on these names; times are RFC 3339 in UTC."""
    (document,) = await desk.upload(("a.txt", b"first"))
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
    async with desk.client.post(desk.documents, data=files) as response:
        assert len((await response.json())["documents"]) == 1


async def test_a_base64_part_is_decoded(desk):
    """RFC 2046: a part may say how it travels."""
    body = (
        '--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--x--\r\n"
    )
    taken = await desk.call("POST", "", 202, data=body, headers=FORM)
    assert taken["documents"][0]["bytes"] == len(b"hello")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 422),
        ("multipart/form-data", b"--x", 400),
        ("multipart/form-data; boundary=x", b"nothing of the kind", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422),
        ("multipart/form-data; boundary=x", b"", 400),
    ],
)
async def test_a_broken_request_is_refused(desk, content_type, body, status):
    """A request that is no upload says what is wrong with it."""
    response = await desk.client.post(desk.documents, data=body, headers={"Content-Type": content_type})
    assert response.status == status
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "tail",
    [
        SECOND + b"half of",
        (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="b.txt"\r\n'
            b"Content-Transfer-Encoding: rot13\r\n\r\nuryyb\r\n--x--\r\n"
        ),
    ],
)
async def test_a_request_that_breaks_off_leaves_nothing_behind(desk, knowledge, tail):
    """The sender will send all of it again: half of it must not stay, neither rows nor files."""
    await desk.call("POST", "", 400, data=FIRST + tail, headers=FORM)
    assert (await knowledge.read(count), desk.stored()) == (0, [])


async def test_a_request_that_breaks_off_leaves_what_was_there(desk):
    """Neither the document of the same name nor its new version under way is touched."""
    (live,) = await desk.ended(*await desk.upload(("a.txt", b"first")))
    desk.embedder.gate.clear()
    (coming,) = await desk.upload(("b.txt", b"other"))
    for content in (b"first", b"changed"):
        body = FIRST.replace(b"first", content) + SECOND + b"other\r\n--x\r\nContent-Disp"
        await desk.call("POST", "", 400, data=body, headers=FORM)
    assert await desk.call("GET", f"/{live['id']}") == live
    desk.embedder.gate.set()
    assert (await desk.ended(coming))[0]["status"] == "ready"


@pytest.mark.parametrize("sent", [FIRST, FIRST + SECOND, FIRST + SECOND + b"half of it" * 100_000])
async def test_a_client_that_hangs_up_leaves_nothing_behind(desk, knowledge, caplog, sent):
    """Half an upload is none, wherever it ends; the log knows of no error."""
    reader, writer = await asyncio.open_connection(desk.client.host, desk.client.port)
    head = (
        f"POST {desk.documents} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000000\r\n\r\n"
    )
    writer.write(head.encode() + sent)
    await writer.drain()
    while not any(name.endswith(".part") for name in desk.stored()) and len(sent) > len(FIRST + SECOND):
        await asyncio.sleep(0)
    writer.transport.abort()
    del reader
    await until_idle(desk)
    assert (await knowledge.read(count), desk.stored()) == (0, [])
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


async def until_idle(desk):
    """No request is being handled any more."""
    server = desk.client.server.runner.server
    while any(each._request_in_progress for each in server.connections):
        await asyncio.sleep(0)


async def test_too_many_files_are_refused_whole(chat, knowledge, clock, metrics, tmp_path):
    """Beyond the limit nobody has to find out which were taken: none."""
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "uploads", max_upload_files=100) as desk:
        files = [(f"{number}.txt", b"text %d" % number) for number in range(101)]
        (problem,) = await desk.upload(*files, status=413)
        assert problem["detail"] == "At most 100 files a request: nothing of this one was taken."
        assert (await knowledge.read(count), desk.stored()) == (0, [])


async def test_a_full_disk_is_said(desk, knowledge):
    """507: nothing is wrong with the file when its row had no room; the file goes again."""
    await knowledge.write(fill_up)
    names = [f"{number:0250}.txt" for number in range(60)]
    for name in names:
        response = await desk.client.post(desk.documents, data=form((name, b"")))
        if response.status != 202:
            break
    assert response.status == 507
    response = await desk.client.post(desk.documents, data=form((f"{'y' * 250}.txt", b"content")))
    assert (response.status, desk.stored()) == (507, [])


async def test_pages_show_every_document_once(desk):
    """Following next_cursor to its end meets each document once."""
    sent = []
    for number in range(3):
        sent += await desk.upload(*[(f"{number}{each}.txt", b"") for each in "abc"])
    seen, cursor = [], ""
    while cursor is not None:
        page = await desk.call("GET", "", params={"limit": "4", "cursor": cursor})
        seen += [each["id"] for each in page["documents"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(each["id"] for each in sent)
    assert len(seen) == 9


async def test_a_deleted_document_is_gone(desk):
    """204, then 404 for look and delete."""
    (document,) = await desk.upload(("a.txt", b"x"))
    address = f"/{document['id']}"
    assert (await desk.call("GET", address))["filename"] == "a.txt"
    await desk.call("DELETE", address, 204)
    await desk.call("GET", address, 404)
    await desk.call("DELETE", address, 404)


async def test_what_belongs_to_another_business_is_not_there(desk):
    """404, as if it did not exist."""
    theirs = await desk.ingestion.accept("another-business", "theirs.txt", _content())
    for found in (theirs.id, new_id(), "events-not"):
        for method, path in OF_ONE:
            arguments = {"data": b"x"} if method == "PUT" else {"json": BODIES.get(path, {})}
            await desk.call(method, f"/{found}{path}", 404, **arguments)
    assert await desk.ingestion.get("another-business", theirs.id) is not None
    assert (await desk.call("GET", ""))["documents"] == []
    assert (await desk.client.get(f"/api/v1/businesses/another/documents/{theirs.id}")).status == 404


OF_ONE = (
    *(("GET", ""), ("DELETE", ""), ("PATCH", ""), ("PUT", "/content"), ("GET", "/versions"), ("POST", "/rollback")),
    *(("POST", "/publish"), ("POST", "/discard"), ("POST", "/retry")),
)
BODIES = {"": {"tags": []}, "/rollback": {"version": 1}}


async def test_an_upload_needs_no_memory_for_the_whole_file(desk):
    """The file streams through: what is sent first is on disk before the rest has come."""
    early = []

    async def slowly():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
        for _ in range(64):
            yield b"y" * 65_536
            early.append(bool(desk.stored()))
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    taken = await desk.call("POST", "", 202, data=slowly(), headers=headers)
    assert taken["documents"][0]["bytes"] == 64 * 65_536
    assert True in early


async def test_the_same_file_twice_is_one_document(desk):
    """The same name and content twice in one upload: the same document twice in the answer."""
    first, other, second = await desk.upload(("a.txt", b"first"), ("b.txt", b"first"), ("a.txt", b"first"))
    assert first["id"] == second["id"] != other["id"]
    (ready,) = await desk.ended(first)
    assert (ready["status"], ready["version"]) == ("ready", 1)
    assert len(desk.stored()) == 2


@pytest.mark.parametrize("second", [b"other", b""])
async def test_two_files_of_one_name_are_not_guessed_at(desk, second):
    """The second fails with a sentence and leaves the first alone, now and when the name comes again."""
    first, refused = await desk.upload(("a.txt", b"first"), ("folder/a.txt", second))
    assert (refused["status"], refused["filename"]) == ("failed", "a.txt")
    assert refused["error_message"].startswith("Another file of this upload has the same name")
    assert await desk.call("GET", f"/{refused['id']}") == refused
    (ready,) = await desk.ended(first)
    assert (ready["status"], ready["version"]) == ("ready", 1)
    (again,) = await desk.upload(("a.txt", b"first"))
    assert (again["id"], again["version"]) == (first["id"], 1)
    assert len(desk.stored()) == 1


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('filename="../../etc/passwd.txt"', "passwd.txt"),
        ('filename="C:\\\\Users\\\\me\\\\prices.md"', "prices.md"),
        ('filename="tab\tand\u0085next line.txt"', "tab andnext line.txt"),
        ("filename*=utf-8''nul%00bell%07line%0D%0Aend.txt", "nulbellline end.txt"),
        ('filename="\u202egnp.txt"', "gnp.txt"),
        (f'filename="{"x" * 300}.txt"', "x" * 251 + ".txt"),
        ('filename="Öffnungszeiten \\"neu\\" 営業.txt"', 'Öffnungszeiten "neu" 営業.txt'),
        ('filename="..."', "document"),
    ],
)
async def test_names_are_made_harmless(desk, sent, kept):
    """No folders, no control characters, at most 255 characters; the file lies under our own name."""
    body = f'--x\r\nContent-Disposition: form-data; name="files"; {sent}\r\n\r\ntext\r\n--x--\r\n'.encode()
    taken = await desk.call("POST", "", 202, data=body, headers=FORM)
    assert taken["documents"][0]["filename"] == kept
    assert [len(name) for name in desk.stored()] == [36]


async def test_control_characters_that_no_header_may_hold_are_refused(desk):
    """RFC 9110, 5.5: NUL and its kind make the form a broken one; the sentence says what to do."""
    body = FIRST.replace(b"a.txt", b"a\x00\x07.txt") + b"--x--\r\n"
    problem = await desk.call("POST", "", 400, data=body, headers=FORM)
    assert "Rename the file" in problem["detail"]
    assert desk.stored() == []


async def test_a_file_without_a_name_is_a_document_of_its_own(desk):
    """Nobody can mean the one before by it."""
    body = (b'--x\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\ntext\r\n') * 2 + b"--x--\r\n"
    first, second = (await desk.call("POST", "", 202, data=body, headers=FORM))["documents"]
    assert first["id"] != second["id"]
    assert first["filename"] == second["filename"] == "untitled"


async def test_quotas_are_sentences(chat, knowledge, clock, metrics, tmp_path):
    """A file beyond the size, a document beyond the number, a file beyond the storage: each fails alone."""
    options = IngestionOptions(max_file_bytes=100, max_documents=3, max_storage_bytes=150)
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "uploads", options=options) as desk:
        found = await desk.upload(("a.txt", b"a" * 101), ("b.txt", b"b" * 100), ("c.txt", b"c" * 100))
        found += await desk.upload(("d.txt", b"d"))
        assert [each["status"] for each in found] == ["failed", "queued", "failed", "failed"]
        assert len({each["error_message"] for each in found}) == 4
        await desk.ended(found[1])
        assert len(desk.stored()) == 1


async def test_documents_have_tags_and_sources(desk):
    """Tags come with the upload or later, tidied; lists are filtered by them and by source."""
    first, _ = await desk.upload(("a.txt", b"first"), ("b.txt", b"second"), tags=" Prices ,2026,prices")
    assert sorted(first["tags"]) == ["2026", "prices"]
    await desk.upload(("c.txt", b"third"))
    changed = await desk.call("PATCH", f"/{first['id']}", json={"tags": ["Winter", "winter"]})
    assert changed["tags"] == ["winter"]
    for query, names in (
        ({"tag": "PRICES"}, ["b.txt"]),
        ({"tag": "winter", "source": "upload"}, ["a.txt"]),
        ({"source": "web"}, []),
    ):
        page = await desk.call("GET", "", params=query)
        assert [each["filename"] for each in page["documents"]] == names


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"tag": ""}, "tag"),
        ({"tag": "x" * 65}, "tag"),
        ({"source": "elsewhere"}, "source"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "mine"}, "cursor"),
    ],
)
async def test_a_list_says_what_it_cannot_use(desk, query, where):
    """422 names the parameter."""
    problem = await desk.call("GET", "", 422, params=query)
    assert [error["where"] for error in problem["errors"]] == [where]


@pytest.mark.parametrize(
    "query", [{"tags": ",".join("abcdefghijklmnopqrstu")}, {"tags": "x" * 65}, {"hold": "perhaps"}]
)
async def test_an_upload_says_what_it_cannot_use(desk, query):
    """422 before anything is taken."""
    await desk.upload(("a.txt", b"first"), status=422, **query)
    assert desk.stored() == []


@pytest.mark.parametrize("tags", [["x" * 65], [""], ["a,b"], ["a\nb"], [f"{n}" for n in range(21)], "prices", None])
async def test_tags_that_cannot_be_used_are_refused(desk, tags):
    """422, and the tags stay as they were."""
    (document,) = await desk.upload(("a.txt", b"first"), tags="old")
    await desk.call("PATCH", f"/{document['id']}", 422, json={"tags": tags})
    assert (await desk.call("GET", f"/{document['id']}"))["tags"] == ["old"]


async def _content():
    yield b"text"
    await settle(1)

"""Chunk sets between two knowledge bases: whole, in part, again, and through an object store that goes down."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from database.records import Document
from database.transaction import Transaction
from services.chunk_sets.exporting import ExportCount
from services.chunk_sets.importing import ImportCount, Importer, ImportOrder
from services.chunk_sets.manifest import MANIFEST
from services.chunk_sets.rows import OurEmbedder
from services.chunk_sets.runs import ChunkSets, RunState, SetOptions, SetRunningError
from services.object_stores import StoreAccess
from services.snapshots.directory_place import DirectoryPlace
from services.snapshots.places import Stored
from tests.fakes.hasty_clock import HastyClock
from tests.fakes.ingestion_desk import GUIDE, Desk, Opener
from tests.fakes.memory_knowledge import MemoryEmbedder
from tests.fakes.object_server import object_server

pytestmark = pytest.mark.blocking_allowed  # a test looks at folders, and waits for processes


class OtherEmbedder(MemoryEmbedder):
    """Another model: its vectors are none of ours."""

    name = "other-8"


class Sets:
    """Chunk sets of a desk, run to their ends."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder

    async def open(self, desk: Desk, access: StoreAccess | None = None, **options: float) -> ChunkSets:
        made = ChunkSets(
            *(desk.database, desk.ingestion, desk.embedder, HastyClock(), self._folder / "work"),
            SetOptions(access=access or StoreAccess(), **options),  # type: ignore[arg-type]
        )
        return await self._stack.enter_async_context(made.running())


@pytest.fixture
async def sets(tmp_path: Path) -> AsyncIterator[Sets]:
    async with AsyncExitStack() as stack:
        yield Sets(stack, tmp_path)


async def exported(made: ChunkSets, to: object, kind: str = "parquet", business: str = "b1") -> ExportCount:
    run = made.export(business, business, str(to), kind)  # type: ignore[arg-type]
    await made.wait()
    assert run.error is None
    assert run.exported
    return run.exported


async def imported(made: ChunkSets, source: object, business: str = "b2") -> ImportCount:
    run = made.import_(business, str(source))
    await made.wait()
    assert run.error is None
    assert run.imported
    return run.imported


async def listed(desk: Desk, business: str = "b2") -> list[Document]:
    found, _ = await desk.ingestion.list(business, 100, None)
    return sorted(found, key=lambda document: document.filename)


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "jsonl.gz"])
async def test_a_round_trip_keeps_texts_tags_and_vectors(opened: Opener, sets: Sets, tmp_path, kind):
    """Nothing is embedded again, and the second import changes nothing; no other business's chunks are in it."""
    desk = await opened()
    guide = await desk.learned("guide.md", GUIDE)
    await desk.ingestion.set_tags("b1", guide.id, ["sale"])
    await desk.finished(await desk.upload("secret.md", b"# Secret\n\nOf b3 alone.", "b3"))
    made = await sets.open(desk, file_chunks=100)
    count = await exported(made, tmp_path / "set", kind)
    assert (count.documents, count.chunks, len(count.files)) == (1, 300, 3)
    before = len(desk.embedder.texts)
    taken = await imported(made, tmp_path / "set")
    assert (taken.files, taken.documents, taken.chunks, taken.failures) == (3, 1, 300, [])
    assert (taken.embedded_anew, len(desk.embedder.texts)) == (0, before)
    (document,) = await listed(desk)
    assert (document.source, document.tags, document.chunks_count) == ("import", ("sale",), 300)
    found = {chunk.id: chunk for chunk in desk.index.chunks.values()}
    vectors = {
        business: {
            (c.ordinal, c.text, c.heading, tuple(desk.index.vectors[key]))
            for key, c in found.items()
            if c.business_id == business
        }
        for business in ("b1", "b2")
    }
    assert {each[:3] for each in vectors["b1"]} == {each[:3] for each in vectors["b2"]}
    again = await imported(made, tmp_path / "set")
    assert (again.unchanged, again.failures) == (1, [])
    assert [each.version for each in await listed(desk)] == [1]


async def test_a_broken_file_among_good_ones(opened: Opener, sets: Sets, tmp_path):
    """It is listed with its reason, its document is left out whole, the rest is merged; mended, only it is new."""
    desk = await opened()
    for name in ("a.md", "b.md", "c.md"):
        await desk.learned(name, f"# {name}\n\nText of {name}.".encode())
    made = await sets.open(desk, file_chunks=1)
    count = await exported(made, tmp_path / "set", "jsonl")
    broken = tmp_path / "set" / count.files[1].path
    whole = broken.read_bytes()
    broken.write_bytes(whole[:50])
    taken = await imported(made, tmp_path / "set")
    assert [each.file for each in taken.failures] == [broken.name]
    assert "damaged" in taken.failures[0].reason
    assert [each.filename for each in await listed(desk)] == ["a.md", "c.md"]
    broken.write_bytes(whole)
    taken = await imported(made, tmp_path / "set")
    assert (taken.unchanged, taken.documents, taken.failures) == (2, 3, [])


async def test_half_a_document_is_never_shown(opened: Opener, sets: Sets, tmp_path):
    """A document whose other file is missing is left out, and the reason says how much there is."""
    desk = await opened()
    await desk.learned("guide.md", GUIDE)
    made = await sets.open(desk, file_chunks=100)
    count = await exported(made, tmp_path / "set")
    (tmp_path / "set" / count.files[1].path).unlink()
    taken = await imported(made, tmp_path / "set")
    reasons = [each.reason for each in taken.failures]
    assert len(reasons) == 2
    assert "not there" in reasons[0]
    assert "300 chunks, and 200" in reasons[1]
    assert await listed(desk) == []


async def test_another_embedders_vectors_are_not_taken(opened: Opener, sets: Sets, tmp_path):
    """Their texts are embedded anew by ours, and never mixed."""
    desk = await opened(OtherEmbedder())
    await desk.learned("guide.md", GUIDE)
    await exported(await sets.open(desk), tmp_path / "set")
    desk = await opened(MemoryEmbedder())
    taken = await imported(await sets.open(desk), tmp_path / "set")
    assert (taken.embedded_anew, taken.failures) == (300, [])
    assert len([text for text in desk.embedder.texts if "Text of part" in text]) == 300


async def test_a_changed_set_is_a_new_version(opened: Opener, sets: Sets, tmp_path):
    """The set that was there before is replaced, file by file, and what is imported switches."""
    desk = await opened()
    made = await sets.open(desk)
    for text in (b"# A\n\nOld.", b"# A\n\nNew."):
        await desk.learned("a.md", text)
        await exported(made, tmp_path / "set")
        await imported(made, tmp_path / "set")
    assert len(list((tmp_path / "set").iterdir())) == 2
    (document,) = await listed(desk)
    assert (document.version, document.live_version) == (2, 2)


async def test_an_interrupted_import_is_begun_again(opened: Opener, sets: Sets, tmp_path):
    """A stop in the middle loses nothing: what was taken goes on, and the next import does the rest once."""
    desk = await opened()
    for name in ("a.md", "b.md"):
        await desk.learned(name, f"# {name}\n\nText of {name}.".encode())
    async with AsyncExitStack() as first:
        made = await Sets(first, tmp_path / "first").open(desk)
        await exported(made, tmp_path / "set")
        desk.index.gate.clear()
        desk.index.called.clear()
        run = made.import_("b2", str(tmp_path / "set"))
        with pytest.raises(SetRunningError):
            made.import_("b2", str(tmp_path / "set"))
        await desk.index.called.wait()
    assert run.state is RunState.FAILED
    assert not (tmp_path / "first" / "work").exists()
    desk.index.gate.set()
    desk = await opened()
    taken = await imported(await sets.open(desk), tmp_path / "set")
    assert (taken.documents, taken.failures) == (2, [])
    assert [each.version for each in await listed(desk)] == [1, 1]


async def test_a_cut_off_export_leaves_nothing(opened: Opener, sets: Sets, tmp_path):
    """A stop in the middle takes its files away again; of half a set without its manifest nothing is taken in."""
    desk = await opened()
    for name in ("a.md", "b.md", "c.md"):
        await desk.learned(name, f"# {name}\n\nText of {name}.".encode())
    async with AsyncExitStack() as first:
        made = await Sets(first, tmp_path / "first").open(desk, file_chunks=1)
        run = made.export("b1", "b1", str(tmp_path / "set"), "jsonl")
        assert run.exported
        while not run.exported.files:
            await asyncio.sleep(0)
    assert run.state is RunState.FAILED
    assert list((tmp_path / "set").iterdir()) == []
    made = await sets.open(desk, file_chunks=1)
    await exported(made, tmp_path / "set", "jsonl")
    (tmp_path / "set" / MANIFEST).unlink()
    run = made.import_("b2", str(tmp_path / "set"))
    await made.wait()
    assert MANIFEST in str(run.error)
    assert await listed(desk) == []


class Silent:
    """A store that takes connections and says nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.access = StoreAccess(
            "key", "secret", endpoint_url=f"http://127.0.0.1:{self._socket.getsockname()[1]}",
            timeout_seconds=8, retries=0,
        )  # fmt: skip

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("kind", ["export", "import"])
async def test_a_silent_store_does_not_delay_the_end(opened: Opener, sets: Sets, tmp_path, kind):
    """Neither an export nor an import waits for a store that says nothing, when the server stops."""
    desk = await opened()
    await desk.learned("a.md", b"# A\n\nText.")
    with contextlib.closing(Silent()) as silent:
        async with AsyncExitStack() as first:
            made = await Sets(first, tmp_path / "first").open(desk, silent.access, stop_seconds=0.2)
            run = made.export("b1", "b1", "s3://b/p", "jsonl") if kind == "export" else made.import_("b2", "s3://b/p")
            asking = ("chunk-set_", "chunk-set export_")
            while not any(each.name.startswith(asking) for each in threading.enumerate()):
                await asyncio.sleep(0.01)
            began = time.perf_counter()
        assert time.perf_counter() - began < silent.access.timeout_seconds / 2
    assert run.state is RunState.FAILED


async def test_a_fetch_ends_with_the_server(opened: Opener, tmp_path):
    """The thread that fetches a file of a set does not go on behind an import that was stopped."""
    desk = await opened()
    place = EndlessPlace("set.jsonl")
    order = ImportOrder("b2", place, "set.jsonl", files_at_once=1, file_bytes=10**15)
    (tmp_path / "work").mkdir()
    importer = Importer(desk.ingestion, HastyClock(), order, OurEmbedder("e", 4), tmp_path / "work")
    running = asyncio.create_task(importer.run())
    await asyncio.to_thread(place.asked.wait)
    running.cancel()
    await asyncio.wait({running})
    assert await asyncio.to_thread(place.let_go.wait, 30)


class EndlessPlace(DirectoryPlace):
    """Holds one file without an end. `let_go` tells that nobody reads it any more."""

    def __init__(self, name: str) -> None:
        super().__init__(Path("/nowhere"))
        self._name = name
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def list(self, folder: str) -> list[Stored]:
        return [Stored(self._name, 1, 0)]

    def read(self, stored: Stored) -> Iterator[bytes]:
        try:
            while True:
                yield b" "
                self.asked.set()
        finally:
            self.let_go.set()


async def test_what_is_deleted_meanwhile_is_left_out(opened: Opener, sets: Sets, tmp_path):
    """A document that goes before its turn is no part of the set; the rest is exported."""
    desk = await opened()
    for name in ("a.md", "b.md", "c.md"):
        last = await desk.learned(name, f"# {name}\n\nText of {name}.".encode())
    made = await sets.open(desk, file_chunks=1)
    run = made.export("b1", "b1", str(tmp_path / "set"), "jsonl")
    assert run.exported
    while not run.exported.files:
        await asyncio.sleep(0)

    async def gone(transaction: Transaction) -> None:
        chunks = "SELECT id FROM chunks WHERE document_id = :id"
        await transaction.run(f"DELETE FROM embeddings WHERE chunk_id IN ({chunks})", {"id": last.id})
        await transaction.run("DELETE FROM chunks WHERE document_id = :id", {"id": last.id})

    await desk.database.write(gone)
    await made.wait()
    assert (run.error, run.exported.documents, len(run.exported.files)) == (None, 2, 2)


async def test_through_an_object_store_that_goes_down(opened: Opener, sets: Sets, tmp_path):
    """There and back; without the server a sentence, without keys in it."""
    desk = await opened()
    await desk.learned("guide.md", GUIDE)
    async with object_server(tmp_path / "s3") as server:
        made = await sets.open(desk, server.access(retries=0), file_chunks=100)
        await exported(made, server.address)
        taken = await imported(made, server.address)
        assert (taken.files, taken.chunks, taken.failures) == (3, 300, [])
        await server.kill()
        run = made.import_("b2", server.address)
        await made.wait()
        assert run.state is RunState.FAILED
        assert "cannot be reached" in str(run.error)


async def test_files_without_a_manifest(opened: Opener, sets: Sets, tmp_path):
    """Anybody's files are taken: by their names where they name no document; one file by itself, too."""
    desk = await opened()
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.jsonl").write_text(json.dumps({"text": f"Text of {name}."}), "utf-8")
    made = await sets.open(desk)
    taken = await imported(made, folder / "a.jsonl")
    assert (taken.files, taken.documents, taken.embedded_anew) == (1, 1, 1)
    taken = await imported(made, folder)
    assert (taken.documents, taken.unchanged) == (2, 1)
    assert [each.filename for each in await listed(desk)] == ["a.jsonl", "b.jsonl"]


async def test_an_odd_file_keeps_no_other_away(opened: Opener, sets: Sets, tmp_path):
    """Two columns of one name in one file: it is listed, and the others are taken in."""
    desk = await opened()
    folder = tmp_path / "set"
    folder.mkdir()
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, folder / "a.parquet")
    for name in ("b", "c"):
        (folder / f"{name}.jsonl").write_text(json.dumps({"text": f"Text of {name}."}), "utf-8")
    taken = await imported(await sets.open(desk), folder)
    assert [(each.file, each.reason) for each in taken.failures] == [("a.parquet", "it has two columns text")]
    assert [each.filename for each in await listed(desk)] == ["b.jsonl", "c.jsonl"]


async def test_what_is_no_set_is_a_sentence(opened: Opener, sets: Sets, tmp_path):
    """Nothing there, a manifest that is none, one of a newer Concierge, one with paths out of its folder."""
    made = await sets.open(await opened())
    (tmp_path / "set").mkdir()
    newer = {"schema_version": 9, "concierge": "9", "business": "b", "created_at": "", "embedder": None}
    newer |= {"dimension": None, "documents": 0, "chunks": 0, "files": []}
    outside = {**newer, "files": [{"path": "../a.jsonl", "bytes": 1, "sha256": "", "chunks": 1}]}
    for content, reason in (
        (None, "no chunk set"),
        ("{", MANIFEST),
        (json.dumps(newer), "newer"),
        (json.dumps(outside), "files.0.path"),
    ):
        if content is not None:
            (tmp_path / "set" / MANIFEST).write_text(content, "utf-8")
        run = made.import_("b2", str(tmp_path / "set"))
        await made.wait()
        assert reason in str(run.error)

"""`concierge ingest` as people run it, beside a real server."""

import asyncio
import json
import os
import pty
import re
import signal
import termios

import pytest

from services.ingestion import IngestionOptions
from tests.fakes.command_process import RUN, concierge, environment, served_directory

pytestmark = pytest.mark.blocking_allowed  # the tests wait for processes


@pytest.fixture
async def served(tmp_path, chat, knowledge, metrics):
    async with served_directory(tmp_path, chat, knowledge, metrics) as desk:
        yield desk


def made(folder, **files):
    """Files below a folder, by their paths with / for __ and . for _."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


async def on_a_terminal(folder, *arguments):
    """The command with a terminal for its stderr: exit code, and what the terminal was sent."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    process = await asyncio.create_subprocess_exec(
        *(*RUN, *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=theirs,
        cwd=folder,
        env=environment(),
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := await asyncio.to_thread(os.read, ours, 65536):
            seen += piece
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    return await process.wait(), seen.decode()


async def test_every_file_is_followed_to_its_end(tmp_path, served):
    """Folders are walked, a bad file makes the exit code 1 and does not stop the others; names tell the folders."""
    folder = made(tmp_path / "knowledge", a_txt="first", deep__a_txt="second", image_png="no")
    (folder / "b.pdf").write_bytes(b"")
    code, out, err = await concierge(tmp_path, "ingest", "knowledge")
    assert code == 1
    assert out.splitlines() == [
        *("ready   a.txt (1 pieces)", "failed  b.pdf: The file is empty.", "ready   deep - a.txt (1 pieces)"),
    ]
    assert err == "Left out 1 files that are links or of kinds that cannot be read.\n"
    code, out, err = await concierge(tmp_path, "ingest", "--json", "knowledge/a.txt")
    assert (code, err) == (0, "")
    (document,) = json.loads(out)["documents"]
    assert (document["status"], document["version"]) == ("ready", 1)


async def test_a_terminal_shows_a_bar_for_each_and_one_for_all(tmp_path, served):
    """Who waits sees what is going on; the last line is the whole."""
    made(tmp_path / "knowledge", a_txt="first", b_txt="second", c_txt="third")
    code, seen = await on_a_terminal(tmp_path, "ingest", "knowledge")
    assert code == 0
    for name in ("a.txt", "b.txt", "c.txt", "3 files"):
        assert re.search(rf"{re.escape(name)} +\d+%\|", seen), name
    assert re.search(r"3 files +100%\|.*3 ready", seen)
    code, seen = await on_a_terminal(tmp_path, "ingest", "--json", "knowledge")
    assert (code, seen) == (0, "")


async def test_versions_can_be_held_and_documents_tagged(tmp_path, served):
    """--hold keeps a new version back until it is published; --tags are on the document."""
    made(tmp_path, prices_md="Rental costs 10 euros.")
    await concierge(tmp_path, "ingest", "prices.md")
    made(tmp_path, prices_md="Rental costs 12 euros.")
    code, out, _ = await concierge(tmp_path, "ingest", "--hold", "--tags", "Prices, 2027", "prices.md")
    (document,) = (await served.call("GET", ""))["documents"]
    first, what_next = out.splitlines()
    assert (code, first) == (0, "held    prices.md (1 pieces)")
    assert f"{document['id']}/replay" in what_next
    assert (document["live_version"], document["held_version"]) == (1, 2)
    assert sorted(document["tags"]) == ["2027", "prices"]


@pytest.mark.parametrize("tags", ["x" * 70, ",".join(f"{number}" for number in range(25))], ids=["long", "many"])
async def test_tags_that_cannot_be_used_are_refused_before_anything_opens(tmp_path, tags):
    """With a server or without, in one sentence; the data directory is not touched."""
    made(tmp_path, prices_md="Rental costs 10 euros.")
    code, out, err = await concierge(tmp_path, "ingest", "--tags", tags, "prices.md")
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("concierge: The tags cannot be used: ")
    assert not (tmp_path / "data").exists()


async def test_what_failed_is_tried_again(tmp_path, chat, knowledge, metrics):
    """--retry takes all failed documents of the business, and says when there is none."""
    options = IngestionOptions(retries=0)
    async with served_directory(tmp_path, chat, knowledge, metrics, options=options) as desk:
        assert (await concierge(tmp_path, "ingest", "--retry"))[:2] == (0, "No document has failed.\n")
        desk.embedder.failures = 1
        away, _ = await desk.ended(*await desk.upload(("away.txt", b"some text"), ("empty.txt", b"")))
        assert away["status"] == "failed"
        code, out, _ = await concierge(tmp_path, "ingest", "--retry")
        assert code == 1
        again, still = sorted(out.splitlines(), reverse=True)
        assert again == "ready   away.txt (1 pieces)"
        assert still.startswith("failed  empty.txt: The server refused: ")
    assert (await concierge(tmp_path, "ingest", "--retry", "x.txt"))[0] == 1
    assert (await concierge(tmp_path, "ingest"))[0] == 1


async def test_two_files_of_one_name_are_not_guessed_at(tmp_path, served):
    """The second fails and says why; the first is taken."""
    made(tmp_path, docs__readme_md="first", faq__readme_md="second")
    code, out, _ = await concierge(tmp_path, "ingest", "docs", "faq")
    assert code == 1
    assert out.splitlines() == [
        "ready   readme.md (1 pieces)",
        (
            "failed  readme.md: faq/readme.md would be called as docs/readme.md is. "
            "Rename one, or name a folder above both instead."
        ),
    ]


async def test_ctrl_c_says_what_becomes_of_the_files(tmp_path, served):
    """130; what was sent goes on, without a traceback."""
    made(tmp_path, a_txt="first", b_txt="second")
    served.embedder.gate.clear()
    process = await asyncio.create_subprocess_exec(
        *(*RUN, "ingest", "a.txt", "b.txt"), stderr=asyncio.subprocess.PIPE, cwd=tmp_path, env=environment()
    )
    async with served.ingestion.news.listening(served.business.id) as listener:
        known: set[str] = set()
        while len(known) < 2:
            known |= await listener.changed()
        await served.embedder.called.wait()
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130
    assert err.decode().splitlines() == [
        "0 files are at their end, 2 under way: the server reads them to their end. 0 were not sent.",
        "concierge: Stopped.",
    ]
    served.embedder.gate.set()
    await served.ingestion.wait_until_done(known)
    assert {each["status"] for each in (await served.call("GET", ""))["documents"]} == {"ready"}


async def test_files_are_followed_also_without_events(tmp_path, chat, knowledge, metrics):
    """Where too many listen already, the command looks for itself."""
    made(tmp_path, a_txt="first")
    async with served_directory(tmp_path, chat, knowledge, metrics, max_event_listeners=0):
        assert (await concierge(tmp_path, "ingest", "a.txt"))[:2] == (0, "ready   a.txt (1 pieces)\n")


@pytest.mark.parametrize("listeners", [3, 0], ids=["with events", "without events"])
async def test_a_document_deleted_meanwhile_fails_alone(tmp_path, chat, knowledge, metrics, listeners):
    """Somebody deletes one of the documents in the console: that one fails with a sentence, the other gets ready."""
    made(tmp_path, a_txt="first", b_txt="second")
    async with served_directory(tmp_path, chat, knowledge, metrics, max_event_listeners=listeners) as desk:
        desk.embedder.gate.clear()
        running = asyncio.create_task(concierge(tmp_path, "ingest", "a.txt", "b.txt"))
        async with desk.ingestion.news.listening(desk.business.id) as listener:
            known: set[str] = set()
            while len(known) < 2:
                known |= await listener.changed()
            await desk.embedder.called.wait()
        documents = (await desk.call("GET", ""))["documents"]
        (gone,) = (each["id"] for each in documents if each["filename"] == "a.txt")
        await desk.call("DELETE", f"/{gone}", 204)
        desk.embedder.gate.set()
        code, out, err = await running
    assert (code, err) == (1, "")
    assert out.splitlines() == ["failed  a.txt: The document was deleted meanwhile.", "ready   b.txt (1 pieces)"]

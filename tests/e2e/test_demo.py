import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.shared import ROOT

MARIA = "12025550101"
COMMAND = (sys.executable, "-c", "from bot.command_line import main; main()", "demo")
PATIENCE_SECONDS = 90


class Demo:
    """The real command in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, session: aiohttp.ClientSession) -> None:
        self.process, self.url, self.session = process, url, session

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.url}{path}") as answer:
            assert answer.status == 200
            return await answer.json()

    async def ask(self, question: str) -> str:
        """The reply to a question."""
        said = {"customer": MARIA, "text": question}
        async with self.session.post(f"{self.url}/simulator/messages", json=said) as answer:
            wamid = (await answer.json())["wamid"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                messages = (await self.get("/simulator/state"))["messages"]
                asked = next(place for place, message in enumerate(messages) if message["wamid"] == wamid)
                replies = [message["text"] for message in messages[asked:] if not message["by_customer"]]
                if replies:
                    return str(replies[0])
                await asyncio.sleep(0.1)

    async def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)


@asynccontextmanager
async def demo(folder: Path, **variables: str) -> AsyncIterator[Demo]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    with (folder / "stderr.txt").open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            cwd=folder,
            env=kept | {"PYTHONPATH": str(ROOT)} | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode()
        assert line.startswith("Open http://127.0.0.1:"), (folder / "stderr.txt").read_text()
        async with aiohttp.ClientSession() as session:
            yield Demo(process, line.split()[1].rstrip("/"), session)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_demo_answers_from_its_sample_and_ends_cleanly(tmp_path):
    """From nothing: one address, a sourced answer, a clean end; the second start knows everything already."""
    async with demo(tmp_path) as first:
        reply = await first.ask("When are you open on Saturday?")
        assert "17:00" in reply
        assert "From *" in reply
        documents = (await first.get("/simulator/knowledge"))["documents"]
        assert {document["status"] for document in documents} == {"ready"}
        assert len(documents) == 6
        assert await first.stop() == 0
    async with demo(tmp_path) as second:
        assert len((await second.get("/simulator/knowledge"))["documents"]) == 6
        assert "89" in await second.ask("How much is a full service?")
        assert await second.stop() == 0
    assert (tmp_path / "demo-data").stat().st_mode & 0o777 == 0o700
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


async def test_an_interrupted_first_start_is_made_good(tmp_path):
    """When the first start ended before the sample was marked as read, the next one adds nothing twice."""
    async with demo(tmp_path) as first:
        assert await first.stop() == 0
    (tmp_path / "demo-data" / "demo.json").write_text('{"sample_added": false}')
    async with demo(tmp_path) as second:
        assert len((await second.get("/simulator/knowledge"))["documents"]) == 6
        assert await second.stop() == 0


async def test_a_taken_port_is_passed_over(tmp_path):
    """When the port is taken, the demo listens on the next free one and says so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with demo(tmp_path, PORT=str(port), CONCIERGE_DATA_DIR=str(tmp_path / "elsewhere")) as shown:
            assert int(shown.url.rpartition(":")[2]) > port
            assert (tmp_path / "elsewhere" / "demo.json").exists()
            async with shown.session.get(f"{shown.url}/api/v1/openapi.json") as answer:
                assert answer.status == 401
            assert await shown.stop() == 0


@pytest.mark.parametrize("variables", [{}, {"CONCIERGE_DATA_DIR": "data"}])
async def test_a_real_services_data_are_refused(tmp_path, variables):
    """A data directory that holds a real service's databases is left alone, with a sentence."""
    folder = tmp_path / variables.get("CONCIERGE_DATA_DIR", "demo-data")
    folder.mkdir()
    (folder / "concierge.db").write_bytes(b"")
    with pytest.raises(AssertionError, match="holds the data of a real service"):
        async with demo(tmp_path, **variables):
            pass

"""What the vector store does when its process, its files or its parent are taken away."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from database.metrics import Metrics
from tests.fakes.fake_clock import FakeClock
from vectorstore.chroma_manager import ChromaManager, Collection, ManagerOptions, VectorStoreUnavailableError
from vectorstore.chroma_process import ChildOptions

PLACE = Collection("business", "test-16")
VECTORS = np.random.default_rng(3).normal(size=(1_500, 16)).astype(np.float32)
IDS = [f"id-{n}" for n in range(len(VECTORS))]
ROOT = Path(__file__).resolve().parent.parent.parent


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


async def test_what_its_process_is_told(tmp_path: Path, metrics: Metrics) -> None:
    """Its directory and how much it may hold in memory."""
    options = ManagerOptions(child=ChildOptions(memory_mb=7))
    async with ChromaManager.open(tmp_path / "chroma", metrics, options=options) as store:
        await store.wait_ready()
        command = psutil.Process(store.pid).cmdline()
        assert (command[-4], command[-1]) == (str(tmp_path / "chroma"), "7")


async def test_killed_while_adding(tmp_path: Path, metrics: Metrics) -> None:
    """SIGKILL in the middle of an add: the process comes back, and nothing that was added is missing."""
    async with ChromaManager.open(tmp_path / "chroma", metrics) as store:
        await store.add(PLACE, IDS[:100], VECTORS[:100])
        before = store.incarnation
        adding = asyncio.create_task(store.add(PLACE, IDS, VECTORS))
        await store.count(PLACE)
        assert store.pid is not None
        os.kill(store.pid, signal.SIGKILL)
        await adding
        assert await store.ids(PLACE) == set(IDS)
        assert (await store.query(PLACE, VECTORS[1_400], 1))[0][0] == IDS[1_400]
        assert store.incarnation != before
        assert metrics.registry.get_sample_value("concierge_vector_restarts_total") == 1


async def test_directory_deleted_under_it(tmp_path: Path, metrics: Metrics) -> None:
    """`chroma/` deleted while it runs: noticed at the next call, opened anew, and told to who must refill it."""
    told = []
    async with ChromaManager.open(tmp_path / "chroma", metrics) as store:
        await store.add(PLACE, IDS[:50], VECTORS[:50])
        store.on_change(lambda: told.append(store.incarnation))
        before = store.incarnation
        shutil.rmtree(tmp_path / "chroma")
        assert await store.query(PLACE, VECTORS[0], 3) == []
        await store.add(PLACE, IDS[:10], VECTORS[:10])
        assert await store.count(PLACE) == 10
        assert told
        assert before not in told
        assert metrics.registry.get_sample_value("concierge_vector_retries_total", {"cause": "gone"}) == 1


async def test_ignores_polite_signals(tmp_path: Path, metrics: Metrics) -> None:
    """SIGTERM and SIGINT, which a terminal or a supervisor sends to everybody, leave the end to the parent."""
    async with ChromaManager.open(tmp_path / "chroma", metrics) as store:
        await store.add(PLACE, IDS[:5], VECTORS[:5])
        pid = store.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
        assert await store.count(PLACE) == 5
        assert store.pid == pid
    assert not psutil.pid_exists(pid)


async def test_away(tmp_path: Path, clock: FakeClock, metrics: Metrics) -> None:
    """A store that does not come up fails queries at once, and says that it is in a crash loop."""
    options = ManagerOptions(child=ChildOptions(command=(sys.executable, "-c", "pass")))
    opened = ChromaManager.open(tmp_path / "chroma", metrics, clock=clock, dice=random.Random(1), options=options)
    async with opened as store:
        with pytest.raises(VectorStoreUnavailableError):
            await store.query(PLACE, VECTORS[0], 1)
        waiting = asyncio.create_task(store.wait_ready())
        for _ in range(3):
            while clock.sleepers == 0:
                await asyncio.sleep(0.01)
            await clock.advance(60)
        with pytest.raises(VectorStoreUnavailableError):
            await waiting
        assert store.crash_looping


async def test_hung_child_is_killed(tmp_path: Path, metrics: Metrics) -> None:
    """A process that does not answer in time is killed and replaced; its caller is told, not kept waiting."""
    options = ManagerOptions(query_seconds=0.3)
    async with ChromaManager.open(tmp_path / "chroma", metrics, options=options) as store:
        await store.add(PLACE, IDS[:5], VECTORS[:5])
        pid = store.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(VectorStoreUnavailableError):
            await store.query(PLACE, VECTORS[0], 1)
        assert await store.count(PLACE) == 5
        assert store.pid != pid


async def test_first_query_has_time(tmp_path: Path, metrics: Metrics) -> None:
    """The first query of a collection after a start reads it from disk: its time is another than the next one's."""
    async with ChromaManager.open(tmp_path / "chroma", metrics) as store:
        await store.add(PLACE, IDS[:5], VECTORS[:5])
    options = ManagerOptions(query_seconds=0.0)
    async with ChromaManager.open(tmp_path / "chroma", metrics, options=options) as store:
        await store.wait_ready()
        pid = store.pid
        assert (await store.query(PLACE, VECTORS[3], 1))[0][0] == IDS[3]
        assert store.pid == pid
        with pytest.raises(VectorStoreUnavailableError, match="longer than 0 s"):
            await store.query(PLACE, VECTORS[3], 1)


CONFUSED = """
import os, socket, sys
from pathlib import Path
from vectorstore.frames import encode
first = Path(sys.argv[1]).with_name("first")
if first.exists():
    os.execv(sys.executable, [sys.executable, "-m", "vectorstore.chroma_child", *sys.argv[2:]])
first.touch()
pipe = socket.socket(fileno=int(sys.argv[3]))
pipe.sendall(encode({"value": None}))
pipe.recv(100_000)
pipe.sendall({garbage})
pipe.recv(100_000)
"""


@pytest.mark.parametrize("garbage", ["bytes([9, 0, 0, 0, 0, 0, 0, 0]) + b'{garbage}'", "encode({})", "encode([])"])
async def test_garbled_answer(tmp_path: Path, metrics: Metrics, garbage: str) -> None:
    """An answer that makes no sense fails one request; its process is replaced, and the next request is answered."""
    command = (sys.executable, "-c", CONFUSED.replace("{garbage}", garbage), str(tmp_path / "chroma"))
    options = ManagerOptions(child=ChildOptions(command=command))
    async with ChromaManager.open(tmp_path / "chroma", metrics, options=options) as store:
        with pytest.raises(VectorStoreUnavailableError):
            await store.collections()
        await store.add(PLACE, IDS[:5], VECTORS[:5])
        assert await store.count(PLACE) == 5


PARENT = """
import asyncio, sys, numpy as np
from pathlib import Path
from database.metrics import Metrics
from vectorstore.chroma_manager import ChromaManager, Collection

async def main():
    async with ChromaManager.open(Path(sys.argv[1]), Metrics()) as store:
        await store.add(Collection("b", "e"), ["a"], np.ones((1, 4), np.float32))
        print(store.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_ends_with_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    """However the parent ends, the child ends too, and a successor can have the directory at once."""
    command = [sys.executable, "-c", PARENT, str(tmp_path / "chroma")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(how)
        parent.wait()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as successor:
        assert successor.stdout is not None
        assert int(successor.stdout.readline()) > 0
        successor.kill()


async def test_two_stores_never_share_a_directory(tmp_path: Path, metrics: Metrics) -> None:
    """A second process waits until the first has let go of the directory: two writers would corrupt it."""
    async with ChromaManager.open(tmp_path / "chroma", metrics) as first:
        await first.add(PLACE, IDS[:5], VECTORS[:5])
        async with ChromaManager.open(tmp_path / "chroma", Metrics()) as second:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(second.wait_ready(), 3)
            await first.add(PLACE, IDS[5:9], VECTORS[5:9])

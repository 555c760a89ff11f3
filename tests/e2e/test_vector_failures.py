"""The vector store's process killed, its directory deleted, its files destroyed: answers go on, the index heals."""

import asyncio
import random
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from database.metrics import Metrics
from tests.e2e.stage import Stage, running_stage, until
from tests.fakes.scripted_openai import ScriptedOpenAI
from vectorstore.chroma_manager import ChromaManager, Collection

pytestmark = [
    pytest.mark.blocking_allowed,  # destroys files and looks at processes
    pytest.mark.asyncio(loop_scope="module"),
]

LAMPS = 150
BOTH_LEGS = 'concierge_searches_total{legs="vector+lexical"} '


@dataclass
class Lighthouses:
    """A server that knows how long each lamp burns, and the model that embedded that knowledge."""

    stage: Stage
    model: ScriptedOpenAI
    questions: int = 0

    @property
    def chroma(self) -> Path:
        return self.stage.server.directory / "chroma"

    @property
    def embedded(self) -> int:
        """Pieces of documents that were embedded so far, each time counted."""
        return sum("burns for" in text for texts in self.model.embeddings for text in texts)

    async def answers(self) -> None:
        """A customer of its own asks for a lamp and hears about that one."""
        self.questions += 1
        lamp = 100 + self.questions
        reply = await self.stage.ask(f"49151300{lamp:05d}", f"How long does the lamp in lighthouse number {lamp} burn?")
        assert f"burns for {hours(lamp)} hours" in reply

    async def answers_by_both(self) -> None:
        """Healthy again: words and vectors answer together."""
        await self.stage.healthy()
        before = await self._searches_by_both()
        await self.answers()
        assert await self._searches_by_both() == before + 1

    async def _searches_by_both(self) -> float:
        async with self.stage.session.get("/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next((float(line.removeprefix(BOTH_LEGS)) for line in lines if line.startswith(BOTH_LEGS)), 0.0)

    def refills(self) -> int:
        """How often the log says that every vector was put in again."""
        return (self.stage.server.directory.parent / "server.log").read_text().count(f"vectors_added={LAMPS},")

    def child(self) -> psutil.Process | None:
        """The vector store's process."""
        return self.stage.server.vector_process()


def hours(lamp: int) -> int:
    return lamp * 7 + 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lighthouses(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lighthouses]:
    text = "\n\n".join(
        f"# Lamp {lamp}\n\nThe lamp in lighthouse number {lamp} burns for {hours(lamp)} hours on one filling of oil."
        for lamp in range(LAMPS)
    )
    async with ScriptedOpenAI().running() as model:
        settings = {
            "OPENAI_API_KEY": "sk-scripted",
            "OPENAI_BASE_URL": model.base_url,
            "CONCIERGE_EMBEDDER": "openai",
            "CONCIERGE_MODEL_RETRIES": "0",
        }
        async with running_stage(tmp_path_factory.mktemp("vectors"), **settings) as stage:
            [document] = await stage.upload([("lighthouses.md", text.encode())])
            assert (document["status"], document["chunks_count"]) == ("ready", LAMPS)
            shown = Lighthouses(stage, model)
            await shown.answers_by_both()
            yield shown


async def test_the_killed_process_is_replaced(lighthouses: Lighthouses):
    """SIGKILL to the vector store's process: ready stays 200, answers go on, a new process takes over."""
    killed = lighthouses.child()
    assert killed
    killed.kill()
    await lighthouses.answers()
    await lighthouses.stage.ready()
    await lighthouses.answers_by_both()
    successor = lighthouses.child()
    assert successor
    assert successor.pid != killed.pid
    assert lighthouses.embedded == LAMPS


async def test_a_hung_process_is_replaced(lighthouses: Lighthouses):
    """A vector store that does not answer any more delays an answer by a second or so, and is then replaced."""
    hung = lighthouses.child()
    assert hung
    hung.send_signal(signal.SIGSTOP)
    await lighthouses.answers()
    await lighthouses.stage.ready()
    await until(lambda: gone(hung), "the hung process to be ended")
    await lighthouses.answers_by_both()


async def test_the_directory_deleted_under_it_is_filled_again(lighthouses: Lighthouses):
    """`chroma/` deleted while the server runs: the words answer, and the vectors come back out of knowledge.db."""
    before = lighthouses.refills()
    shutil.rmtree(lighthouses.chroma)
    await lighthouses.answers()
    await lighthouses.stage.ready()
    await lighthouses.answers_by_both()
    assert lighthouses.refills() == before + 1
    assert lighthouses.embedded == LAMPS


def delete(directory: Path) -> None:
    """Both indexes are gone."""
    shutil.rmtree(directory / "chroma")
    for file in directory.glob("lexical.db*"):
        file.unlink()


def overwrite(directory: Path) -> None:
    """Both indexes are random bytes."""
    dice = random.Random(1)
    for file in [*files_of(directory / "chroma"), *directory.glob("lexical.db*")]:
        file.write_bytes(dice.randbytes(file.stat().st_size))


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("destroy", [delete, overwrite])
async def test_what_was_destroyed_while_stopped_is_made_anew(lighthouses: Lighthouses, destroy: Callable[[Path], None]):
    """Whatever became of the index files, the server starts, answers at once, and heals without embedding again."""
    server = lighthouses.stage.server
    assert await server.stop() == 0
    assert files_of(lighthouses.chroma)
    destroy(server.directory)
    await server.start()
    await lighthouses.answers()
    await lighthouses.answers_by_both()
    assert lighthouses.embedded == LAMPS


async def test_no_process_outlives_a_killed_server_and_all_is_there(lighthouses: Lighthouses):
    """SIGKILL to the server ends the vector store's process too; after all that, every vector is in the index."""
    server, orphan = lighthouses.stage.server, lighthouses.child()
    assert orphan
    await server.kill()
    await until(lambda: gone(orphan), "the orphaned process to end")
    assert await stored_ids(lighthouses.chroma) == {
        row["chunk_id"] for row in server.rows("SELECT chunk_id FROM embeddings", "knowledge.db")
    }


async def gone(process: psutil.Process) -> bool:
    return not alive(process)


def alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


async def stored_ids(chroma: Path) -> set[str]:
    async with asyncio.timeout(60), ChromaManager.open(chroma, Metrics()) as store:
        [name] = await store.collections()
        business_id, _, embedder = name.partition(".")
        return await store.ids(Collection(business_id, embedder))

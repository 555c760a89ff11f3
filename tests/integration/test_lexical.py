"""The lexical index on real files: watermark, frequencies, and businesses apart."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from database.engine import Database
from database.lexical import LexicalIndex
from database.metrics import Metrics
from database.transaction import Unit
from tests.fakes.knowledge_base import KnowledgeBase, knowledge_base


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[KnowledgeBase]:
    async with knowledge_base(tmp_path) as opened:
        await opened.index.wait_healthy()
        yield opened


async def test_catches_up_once(base: KnowledgeBase) -> None:
    """What is behind the watermark is indexed, once, however often it is asked for."""
    await base.store("shop", [f"number {n}" for n in range(200)])
    assert await base.words.catch_up() == 200
    assert await base.words.catch_up() == 0
    assert len(await base.words.search("shop", "number", 500)) == 200


async def test_common_words_cost_nothing(base: KnowledgeBase) -> None:
    """Words that nearly every chunk has are left out of a long question, and the rare ones still find."""
    chunks = await base.store("shop", ["the shop is open", *(f"the thing of {n}" for n in range(900)), "the zebra"])
    await base.words.catch_up()
    for _ in range(2):
        found = await base.words.search("shop", "the zebra of the shop is open", 2_000)
        assert {chunk_id for chunk_id, _ in found} == {chunks[0].id, chunks[-1].id}
    assert len(await base.words.search("shop", "the", 2_000)) == 902


async def test_new_words_are_found_at_once(base: KnowledgeBase) -> None:
    """A word that nobody had used is found as soon as a document brings it, whatever was counted before."""
    await base.store("shop", [f"the thing of {n}" for n in range(900)])
    await base.words.catch_up()
    assert await base.words.search("shop", "zebra", 5) == []
    await base.store("shop", ["the zebra"])
    await base.words.catch_up()
    assert len(await base.words.search("shop", "the zebra of", 5)) == 1


async def test_a_single_character_proposes_also_what_the_vectors_found(base: KnowledgeBase) -> None:
    """Found by the beginning of a pair, a chunk has a score, whoever else found it."""
    first, second, other = await base.store("shop", ["水管坏了", "水费多少", "电费多少"])
    await base.words.catch_up()
    scores = (await base.words.hits("shop", "水", 10, [first.id, other.id])).scores
    assert scores[first.id] == scores[second.id] > scores[other.id] == 0


async def test_a_long_question_is_weighed_by_what_it_is_searched_with(base: KnowledgeBase) -> None:
    """What stands behind its sixty-fourth word counts nothing, instead of as a word that nobody has."""
    chunks = await base.store("shop", ["the zebra", *(f"the thing {n}" for n in range(50))])
    await base.words.catch_up()
    question = " ".join(f"{n}" for n in range(100, 163)) + " zebra the the"
    asked = await base.words.weigh("shop", question)
    assert len(asked.stems) == 64
    found = dict(await base.words.search("shop", question, 5))
    assert found[chunks[0].id] > 0


async def test_ranks_depend_on_nobody_else(base: KnowledgeBase) -> None:
    """What another business writes changes neither what is found nor its scores."""
    await base.store("hotel", ["The hotel has a pool.", "The hotel has a garden.", "Breakfast is at eight."])
    await base.words.catch_up()
    before = await base.words.search("hotel", "hotel pool", 5)
    await base.store("other", [f"pool {n}" for n in range(100)])
    await base.words.catch_up()
    assert await base.words.search("hotel", "hotel pool", 5) == before


async def test_deleted_documents_are_not_taken_in(base: KnowledgeBase) -> None:
    """Chunks of a document that was deleted before they were indexed stay out, and the watermark passes them."""
    chunks = await base.store("shop", ["gone before it came"])
    await base.delete(chunks[0].document_id)
    await base.words.catch_up()
    await base.store("shop", ["here to stay"])
    await base.words.catch_up()
    assert await base.words.search("shop", "gone came", 5) == []
    assert len(await base.words.search("shop", "stay", 5)) == 1


async def test_versions_that_failed_are_not_taken_in(base: KnowledgeBase) -> None:
    """Chunks that the sweep has asked for already, or will, do not come in behind it."""
    chunks = await base.store("shop", ["half of a broken file"], live=False)
    await base.fail(chunks[0].version_id)
    await base.words.remove([chunk.id for chunk in chunks])
    await base.words.catch_up()
    assert await base.words.search("shop", "half broken file", 5) == []


async def test_what_is_added_does_not_wait_for_all_that_came_before(base: KnowledgeBase) -> None:
    """Thousands of chunks of a document that is still read are caught up with little by little, each once."""
    await base.store("shop", [f"backlog {n}" for n in range(2_000)], live=False)
    chunks = await base.store("shop", ["a new price", "another price"])
    await base.words.add([chunk.id for chunk in chunks])
    assert len(await base.words.search("shop", "price", 5)) == 2
    assert 0 < await base.words.catch_up() < 2_000
    assert await base.words.catch_up() == 0
    assert len(await base.words.search("shop", "backlog", 5_000)) == 2_000
    assert len(await base.words.search("shop", "price", 5)) == 2
    assert await base.words.repair() == (0, 0)


async def test_what_is_added_while_others_are_caught_up_with(base: KnowledgeBase) -> None:
    """A repair that takes long keeps nobody waiting; what it finds there already is left alone."""
    await base.store("shop", [f"backlog {n}" for n in range(2_000)])
    chunks = await base.store("shop", ["a new price"])
    repairing = asyncio.create_task(base.words.repair())
    while not base.words._catching_up.locked():
        await asyncio.sleep(0)
    await base.words.add([chunks[0].id])
    assert not repairing.done()
    assert len(await base.words.search("shop", "price", 5)) == 1
    await repairing
    assert len(await base.words.search("shop", "price", 5)) == 1


class HeldReads:
    """A knowledge.db whose answers are held back: `read` tells that there is one, `gate` lets it through."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.answered = asyncio.Event()
        self.gate = asyncio.Event()

    async def read(self, unit: Unit[Any]) -> Any:
        found = await self._database.read(unit)
        self.answered.set()
        await self.gate.wait()
        return found


async def test_what_is_forgotten_while_it_is_taken_in_stays_away(base: KnowledgeBase, tmp_path: Path) -> None:
    """A removal waits for the slice that was read before it."""
    chunks = await base.store("shop", ["gone while it came"])
    held: Any = HeldReads(base.database)
    async with LexicalIndex.open(tmp_path / "other.db", held, Metrics()) as words:
        catching_up = asyncio.create_task(words.catch_up())
        await held.answered.wait()
        removing = asyncio.create_task(words.remove([chunks[0].id]))
        await asyncio.wait([removing], timeout=0.2)
        held.gate.set()
        await asyncio.gather(catching_up, removing)
        assert await words.search("shop", "gone came", 5) == []


async def test_a_repair_waits_for_a_rebuild(base: KnowledgeBase) -> None:
    """Whoever compares the sets while the file is exchanged does not open it a second time under the other's hands."""
    await base.store("shop", [f"number {n}" for n in range(300)])
    await base.words.rebuild()
    before = _open_lexical_files()
    for _ in range(3):
        rebuilding = asyncio.create_task(base.words.rebuild())
        while not base.words.damaged:
            await asyncio.sleep(0)
        assert await base.words.repair() == (0, 0)
        assert await rebuilding == 300
    assert _open_lexical_files() == before


def _open_lexical_files() -> list[str]:
    return sorted(Path(each.path).name for each in psutil.Process().open_files() if "lexical" in each.path)

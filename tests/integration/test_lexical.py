"""The lexical index on real files: watermark, frequencies, and businesses apart."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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

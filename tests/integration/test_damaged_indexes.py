"""Indexes whose files were damaged between two runs are made anew from knowledge.db, which has the last word."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.knowledge_base import WordHashEmbedder, knowledge_base
from tests.integration.test_knowledge_index import SHOP, TEXTS, place, texts


async def test_something_else_in_the_place_of_chroma(tmp_path: Path) -> None:
    """A file where the directory should be gives way, as whatever else cannot be opened."""
    async with knowledge_base(tmp_path) as base:
        await base.learn(SHOP, TEXTS)
    shutil.rmtree(tmp_path / "chroma")
    (tmp_path / "chroma").write_text("x")
    async with knowledge_base(tmp_path) as base:
        assert texts(await base.index.search(SHOP, "free returns", limit=1)) == [TEXTS[1]]
        await base.index.wait_healthy()
        assert await base.vectors.count(place(SHOP)) == len(TEXTS)


@pytest.mark.parametrize("damaged", ["chroma.sqlite3", "data_level0.bin", "header.bin", "index_metadata.pickle"])
async def test_garbage_in_the_vectors(tmp_path: Path, damaged: str) -> None:
    """Garbage in any of Chroma's files: answers go on, and the index is made anew without embedding again."""
    async with knowledge_base(tmp_path) as base:
        await base.learn(SHOP, [f"{TEXTS[n % 4]} Number {n}." for n in range(1_200)])
    (found,) = list((tmp_path / "chroma").rglob(damaged))
    size = found.stat().st_size
    found.write_bytes(np.random.default_rng(5).bytes(size))
    embedder = WordHashEmbedder()
    async with knowledge_base(tmp_path, embedder=embedder) as base:
        assert await base.index.search(SHOP, "free returns", limit=3) != []
        await base.index.wait_healthy()
        assert await base.vectors.count(place(SHOP)) == 1_200
        assert base.index.state().degraded is None
        assert embedder.embedded <= 1, "only the question, and that only once the vectors are to be trusted"


@pytest.mark.parametrize("rest", [b"", b"garbage" * 5_000])
async def test_garbage_in_the_words(tmp_path: Path, rest: bytes) -> None:
    """lexical.db full of garbage or empty at start is made anew."""
    async with knowledge_base(tmp_path) as base:
        await base.learn(SHOP, TEXTS)
    (tmp_path / "lexical.db").write_bytes(rest)
    async with knowledge_base(tmp_path) as base:
        await base.index.wait_healthy()
        assert len(await base.words.search(SHOP, "open returns gift bicycles", 10)) == len(TEXTS)


async def test_words_damaged_inside(tmp_path: Path) -> None:
    """Damage in the middle of lexical.db shows at a search: the vectors answer, the words are made anew."""
    async with knowledge_base(tmp_path) as base:
        await base.learn(SHOP, [f"{TEXTS[n % 4]} Number {n}." for n in range(400)])
    content = (tmp_path / "lexical.db").read_bytes()
    (tmp_path / "lexical.db").write_bytes(content[:32_768] + b"\xa5" * (len(content) - 32_768))
    async with knowledge_base(tmp_path) as base:
        await base.vectors.wait_ready()
        assert await base.index.search(SHOP, "free returns number 7", limit=3) != []
        await base.index.wait_healthy()
        assert len(await base.words.search(SHOP, "number", 500)) == 400


async def test_older_knowledge(tmp_path: Path) -> None:
    """A knowledge.db that was put back to an older state: the words follow it."""
    async with knowledge_base(tmp_path) as base:
        await base.learn(SHOP, TEXTS[:1])
        await base.index.wait_healthy()
    older = (tmp_path / "knowledge.db").read_bytes()
    async with knowledge_base(tmp_path) as base:
        await base.learn(SHOP, TEXTS[1:])
        await base.index.wait_healthy()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"knowledge.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "knowledge.db").write_bytes(older)
    async with knowledge_base(tmp_path) as base:
        await base.index.wait_healthy()
        await base.learn(SHOP, ["Entirely new."])
        assert len(await base.words.search(SHOP, "open returns gift bicycles entirely", 10)) == 2
        assert len(await base.vectors.ids(place(SHOP))) == 2

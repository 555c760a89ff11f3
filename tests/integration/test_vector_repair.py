"""The repair of the vectors beside what changes meanwhile, on a real Chroma that takes its time."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from database.document_chunks import remove_chunks
from tests.fakes.knowledge_base import WordHashEmbedder, knowledge_base
from vectorstore.chroma_manager import ChromaManager, Collection
from vectorstore.frames import Vectors
from vectorstore.vector_repair import VectorRepair

SHOP = "shop"
PLACE = Collection(SHOP, WordHashEmbedder.name)
TEXTS = [f"Number {n} of many." for n in range(200)]


class SlowVectors:
    """A real store in which nothing arrives before its gate opens."""

    def __init__(self, real: ChromaManager) -> None:
        self._real = real
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def add(self, collection: Collection, ids: Sequence[str], vectors: Vectors, **how: bool) -> None:
        self.asked.set()
        await self.gate.wait()
        await self._real.add(collection, ids, vectors, **how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("ending", ["deleted", "failed"])
async def test_what_is_swept_while_its_vectors_are_on_their_way_stays_gone(tmp_path: Path, ending: str) -> None:
    """A document that goes in the middle of a repair leaves no vector behind, whoever of both is the first."""
    async with knowledge_base(tmp_path) as base:
        await base.index.wait_healthy()
        kept = await base.store(SHOP, ["We open at nine."])
        going = await base.store(SHOP, TEXTS, filename="many.txt", live=ending == "deleted")
        slow = SlowVectors(base.vectors)
        repair = VectorRepair(base.database, slow, random.Random(1))  # type: ignore[arg-type]
        repairing = asyncio.create_task(repair.compare(PLACE.embedder))
        await slow.asked.wait()
        if ending == "deleted":
            await base.delete(going[0].document_id)
        else:
            await base.fail(going[0].version_id)
        ids = [chunk.id for chunk in going]
        await base.index.remove(SHOP, ids)
        if ending == "deleted":
            await base.database.write(remove_chunks(ids))
        slow.gate.set()
        done = await repairing
        assert await base.vectors.ids(PLACE) == {chunk.id for chunk in kept}
        assert done.added == len(kept)
        assert (await repair.compare(PLACE.embedder)).added == 0

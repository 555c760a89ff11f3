"""Compares what the vector store holds with knowledge.db, collection by collection, and repairs the difference."""

import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from collections.abc import Collection as Names
from dataclasses import dataclass

import numpy as np

from database.chunks import EmbeddedChunk, embedded_after, staying_among, vectors_of
from database.engine import Database
from vectorstore.chroma_manager import (
    ChromaManager,
    Collection,
    VectorStoreRequestError,
    VectorStoreUnavailableError,
)
from vectorstore.frames import Vectors

logger = logging.getLogger(__name__)

PAGE = 2_000
SLICE = 128
PROBES = 5
PROBE_NEIGHBOURS = 10
SAME = 0.99


@dataclass(frozen=True, slots=True)
class VectorsRepaired:
    """Vectors that were added and removed, collections and stores made anew; whose vectors there are."""

    added: int
    removed: int
    rebuilt: int
    businesses: set[str]


class VectorRepair:
    """Raises VectorStoreError for what does not answer; what was repaired by then stays.

    `building` are names of collections that somebody is filling: they are left alone.
    """

    def __init__(self, knowledge: Database, vectors: ChromaManager, dice: random.Random) -> None:
        self._knowledge = knowledge
        self._vectors = vectors
        self._dice = dice
        self.building: set[str] = set()

    async def compare(
        self, embedder: str, *, emptied: Callable[[], None] | None = None, background: bool = False
    ) -> VectorsRepaired:
        """Make the collections of an embedder what knowledge.db says.

        `emptied` is told before a collection is filled of which nothing was there. `background` as in
        ChromaManager.add.
        """
        expected = await self.expected(embedder)
        names, rebuilt = await self._names()
        added = removed = 0
        for business_id, ids in expected.items():
            collection = Collection(business_id, embedder)
            have, dropped = await self._sound(collection) if collection.name in names else (set(), 0)
            rebuilt += dropped
            if emptied is not None and not have:
                emptied()
            added += await self.add(collection, ids - have, background=background)
            removed += await self._remove(collection, have - ids)
        return VectorsRepaired(added, removed, rebuilt, set(expected))

    async def sweep(self, serving: str, wanted: Names[str], coming: Names[str]) -> int:
        """Drop the collections that nobody wants: how many, of the serving embedder's own.

        Wanted are those of the businesses `wanted`, and all of embedders that are `coming`.
        """
        kept = {Collection(business_id, serving).name for business_id in wanted}
        own = 0
        for name in await self._vectors.collections():
            # looked at for each anew: somebody may have begun to fill it while another one was dropped
            if name in kept or name in self.building or any(Collection.named(name, embedder) for embedder in coming):
                continue
            await self._vectors.drop(Collection("", "", stored_as=name))
            logger.info("collection %s is dropped: nobody wants it any more", name)
            own += Collection.named(name, serving) is not None
        return own

    async def add(self, collection: Collection, ids: Iterable[str], *, background: bool = False) -> int:
        """Put stored embeddings into a collection; how many there were.

        What the sweep has taken out while they were on their way is taken out again.
        """
        added = 0
        for part in _slices(sorted(ids)):
            stored = await self._knowledge.read(vectors_of(collection.embedder, part))
            if not stored:
                continue
            matrix: Vectors = np.frombuffer(b"".join(vector for _, vector in stored), "<f4").reshape(len(stored), -1)
            keys = [key for key, _ in stored]
            await self._vectors.add(collection, keys, matrix, background=background)
            added += len(stored) - await self._remove(collection, keys)
        return added

    async def expected(self, embedder: str) -> dict[str, set[str]]:
        """Ids by business: every chunk with an embedding of this embedder that is live or on its way."""
        found: dict[str, set[str]] = defaultdict(set)
        async for chunk in self._embedded(embedder):
            found[chunk.business_id].add(chunk.id)
        return found

    async def _embedded(self, embedder: str) -> AsyncIterator[EmbeddedChunk]:
        after = 0
        while page := await self._knowledge.read(embedded_after(embedder, after, PAGE)):
            for chunk in page:
                yield chunk
            after = page[-1].n

    async def _names(self) -> tuple[list[str], int]:
        """The collections that there are; none, and 1, when the store was damaged and is made anew."""
        try:
            return await self._vectors.collections(), 0
        except VectorStoreUnavailableError as error:
            if not error.damaged:
                raise
            logger.warning("the vector store is damaged and is made anew: %s", error)
            await self._vectors.erase()
            await self._vectors.wait_ready()
            return [], 1

    async def _sound(self, collection: Collection) -> tuple[set[str], int]:
        """The ids in a collection; none, and 1, when it was damaged and has been dropped."""
        try:
            ids = await self._vectors.ids(collection)
            if await self._finds_itself(collection, ids):
                return ids, 0
            reason = "it does not find what it holds"
        except VectorStoreRequestError as error:
            reason = str(error)
        except VectorStoreUnavailableError as error:
            if not error.damaged:
                raise
            reason = str(error)
        logger.warning("collection %s is made anew: %s", collection.name, reason)
        await self._vectors.drop(collection)
        return set(), 1

    async def _finds_itself(self, collection: Collection, ids: set[str]) -> bool:
        """Whether some stored vectors are their own nearest neighbours: Chroma has no checksums."""
        sample = self._dice.sample(sorted(ids), min(PROBES, len(ids)))
        for key, stored in await self._knowledge.read(vectors_of(collection.embedder, sample)):
            vector = np.frombuffer(stored, "<f4")
            found = await self._vectors.query(collection, vector, PROBE_NEIGHBOURS, stored=True)
            if not any(near == key or similarity > SAME for near, similarity in found):
                return False
        return True

    async def _remove(self, collection: Collection, ids: Iterable[str]) -> int:
        removed = 0
        for part in _slices(sorted(ids)):
            # Asked again: what an upload has added since the sets were read is not to go.
            gone = sorted(set(part) - await self._knowledge.read(staying_among(part)))
            if gone:
                await self._vectors.delete(collection, gone)
            removed += len(gone)
        return removed


def _slices(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + SLICE] for start in range(0, len(ids), SLICE))

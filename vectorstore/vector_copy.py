"""Copies every collection from one vector store to another: between our own directory and a server, either way."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vectorstore.chroma_manager import ChromaManager, Collection, VectorStoreUnavailableError

SLICE = 128
PROBES = 5
PROBE_NEIGHBOURS = 10
NEAR = 1e-5

Told = Callable[[int, int], None]


class VectorCopyError(Exception):
    """The copy is not whole, or would mix what must not be mixed; a sentence for who asked for it."""


@dataclass(frozen=True, slots=True)
class Copied:
    """Collections, vectors that went over, those that were there already, and strays that were taken away there."""

    collections: int = 0
    copied: int = 0
    skipped: int = 0
    removed: int = 0


class VectorCopy:
    """From `source` to `target`. What was cut off goes on where it was: what is there already is not sent again."""

    def __init__(self, source: ChromaManager, target: ChromaManager, dice: random.Random, told: Told) -> None:
        self._source = source
        self._target = target
        self._dice = dice
        self._told = told
        self._done = 0
        self._total = 0

    async def run(self) -> Copied:
        """Copy all, then look whether all is there. Raises VectorCopyError and VectorStoreError."""
        collections = [await self._fitting(name) for name in await self._source.collections()]
        self._total = sum([await self._source.count(each) for each in collections])
        found = Copied(len(collections))
        for each in collections:
            copied, skipped, removed = await self._copy(each)
            found = Copied(found.collections, found.copied + copied, found.skipped + skipped, found.removed + removed)
        for each in collections:
            await self._verify(each)
        return found

    async def _fitting(self, name: str) -> Collection:
        """A collection of the source for which there is room in the target."""
        here = await self._source.describe(Collection("", "", name)) or {}
        there = await self._target.describe(Collection("", "", name))
        if there is not None and _made_of(there) != _made_of(here):
            raise VectorCopyError(
                f"The target's collection {name} holds vectors of another kind ({_words(there)}, here {_words(here)}): "
                "nothing was copied. Remove it there, or choose another CONCIERGE_CHROMA_PREFIX."
            )
        return Collection(name, str(here.get("embedder", "")), name)

    async def _copy(self, collection: Collection) -> tuple[int, int, int]:
        wanted, there = await self._source.ids(collection), await self._target.ids(collection)
        strays = sorted(there - wanted)
        await self._target.delete(collection, strays)
        missing = sorted(wanted - there)
        self._tell(len(wanted) - len(missing))
        for start in range(0, len(missing), SLICE):
            ids, vectors = await self._source.vectors(collection, missing[start : start + SLICE])
            if ids:
                await self._target.add(collection, ids, vectors)
            self._tell(len(ids))
        return len(missing), len(wanted) - len(missing), len(strays)

    async def _verify(self, collection: Collection) -> None:
        here, there = await self._source.count(collection), await self._target.count(collection)
        if here != there:
            raise VectorCopyError(f"Collection {collection.name} has {there} vectors in the target instead of {here}.")
        ids = sorted(await self._source.ids(collection))
        for key in self._dice.sample(ids, min(PROBES, len(ids))):
            if not await self._found(collection, key):
                raise VectorCopyError(f"Collection {collection.name} does not find in the target what it holds.")

    async def _found(self, collection: Collection, key: str) -> bool:
        _, vector = await self._source.vectors(collection, [key])
        _, copied = await self._target.vectors(collection, [key])
        if vector.shape != copied.shape or not np.allclose(vector, copied, atol=NEAR):
            return False
        near = await self._target.query(collection, vector[0], PROBE_NEIGHBOURS, stored=True)
        return any(found == key or similarity > 1 - NEAR for found, similarity in near)

    def _tell(self, vectors: int) -> None:
        self._done += vectors
        self._told(self._done, self._total)


async def reached(store: ChromaManager) -> None:
    """Return once the store can be used. Raises VectorStoreError with the reason when it cannot."""
    while not store.ready:
        if store.trouble:
            raise VectorStoreUnavailableError(store.trouble)
        if store.crash_looping:
            raise VectorStoreUnavailableError("the vector store does not come up", damaged=True)
        await store.changed()


def _made_of(about: dict[str, object]) -> tuple[object, object]:
    return about.get("embedder"), about.get("dimension")


def _words(about: dict[str, object]) -> str:
    embedder, dimension = _made_of(about)
    return f"{embedder}, {dimension} dimensions"

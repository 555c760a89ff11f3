"""Vectors in memory: what exact search finds, whatever was added, replaced and removed before."""

import numpy as np
import pytest

from vectorstore.flat_index import LEAST, FlatIndex
from vectorstore.frames import Vectors


def crowd(count: int, dimension: int = 64, seed: int = 1) -> Vectors:
    """Vectors around some centres, all on one side of the origin, as embeddings of texts are."""
    dice = np.random.default_rng(seed)
    centres = dice.normal(size=(50, dimension)) + 0.7
    return (centres[dice.integers(0, 50, count)] + dice.normal(size=(count, dimension))).astype(np.float32)


def names(count: int) -> list[str]:
    return [f"v{n}" for n in range(count)]


def nearest(vectors: Vectors, asked: Vectors, limit: int) -> list[str]:
    cosines = (vectors @ asked) / np.linalg.norm(vectors, axis=1)
    return [f"v{n}" for n in np.argsort(-cosines, kind="stable")[:limit]]


@pytest.mark.parametrize("dimension", [1, 16, 63, 64, 65, 256])
def test_few_are_compared_exactly(dimension: int) -> None:
    """Up to a thousand, the order is that of the cosines, in any dimension; lengths do not matter."""
    vectors = crowd(LEAST, dimension) * np.random.default_rng(2).uniform(0.1, 9, (LEAST, 1)).astype(np.float32)
    index = FlatIndex(dimension)
    index.put(names(LEAST), vectors)
    asked = crowd(1, dimension, seed=3)[0]
    found = index.query(asked, 20)
    assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True)
    best = (vectors @ asked) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(asked)
    assert [cosine for _, cosine in found] == pytest.approx(np.sort(best)[::-1][:20].tolist(), abs=1e-5)


def test_many_are_found_by_their_signs() -> None:
    """Of twenty thousand, those that are nearest are among the few that are compared, also when all came in slices."""
    vectors = crowd(20_000, 256)
    index = FlatIndex(256)
    for start in range(0, 20_000, 512):
        index.put(names(20_000)[start : start + 512], vectors[start : start + 512])
    questions = vectors[::400] + crowd(50, 256, seed=4)
    found = [{key for key, _ in index.query(asked, 50)} for asked in questions]
    assert all(f"v{400 * n}" in keys for n, keys in enumerate(found))
    hits = [len(keys & set(nearest(vectors, asked, 10))) for keys, asked in zip(found, questions, strict=True)]
    assert sum(hits) >= 0.85 * 500


def test_what_was_replaced_and_removed() -> None:
    """As if only what is left had ever been added."""
    vectors, others = crowd(3_000), crowd(3_000, seed=5)
    index = FlatIndex(64)
    index.put(names(3_000), others)
    index.put(names(3_000)[::2], vectors[::2])
    index.remove([*names(3_000)[1::2], "never there"])
    index.remove(names(3_000)[:1_000])
    left = names(3_000)[1_000::2]
    assert len(index) == len(left)
    fresh = FlatIndex(64)
    fresh.put(left, vectors[1_000::2])
    for asked in crowd(20, seed=6):
        assert dict(index.query(asked, 2_000)) == pytest.approx(dict(fresh.query(asked, 2_000)), abs=1e-6)


def test_nothing_and_all_the_same() -> None:
    """An empty index finds nothing; equal vectors are found in the order in which they came; zero is near nothing."""
    index = FlatIndex(8)
    assert index.query(np.ones(8, np.float32), 5) == []
    index.put(names(2_500), np.ones((2_500, 8), np.float32))
    assert [key for key, _ in index.query(np.ones(8, np.float32), 3)] == ["v0", "v1", "v2"]
    index.put(["v0"], np.zeros((1, 8), np.float32))
    assert index.query(np.ones(8, np.float32), 2_500)[-1] == ("v0", 0.0)
    index.remove(names(2_500))
    assert index.query(np.ones(8, np.float32), 5) == []

"""Two legs, one ranking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorstore.score_fusion import USUAL_VECTOR_WEIGHT, VECTOR_WEIGHTS, VectorWeight, fused, vector_weight

LEG = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.01, 2), max_size=8)
WEIGHT = VectorWeight(0.4)


def test_best_of_both() -> None:
    """What both legs put first has score 1; where they disagree, the best has less."""
    assert fused({"a": 0.9, "b": 0.1}, {"a": 1.2, "c": 0.1}, WEIGHT)[0] == ("a", 1.0)
    best, score = fused({"a": 0.9, "b": 0.1}, {"c": 1.2, "d": 0.1}, WEIGHT)[0]
    assert best == "a"
    assert score == pytest.approx(0.6)


def test_a_leg_that_is_away() -> None:
    """A leg that did not answer takes nothing away from the other; one that found nothing does."""
    assert fused(None, {"a": 3.0, "b": 1.0}, WEIGHT)[0] == ("a", 1.0)
    assert fused({"a": 0.4}, None, WEIGHT) == [("a", 1.0)]
    assert fused({"a": 0.4}, {}, WEIGHT) == [("a", 0.4)]
    assert fused({}, {"a": 0.4}, WEIGHT) == [("a", 0.6)]
    assert fused(None, None, WEIGHT) == []


def test_narrow_cosines_decide_little() -> None:
    """Cosines that hardly differ do not outweigh words that do, however they are ordered."""
    nearest_first = {"a": 0.52, "b": 0.51, "c": 0.50}
    assert fused(nearest_first, {"c": 0.8, "b": 0.1, "a": 0.0}, WEIGHT)[0][0] == "c"


def test_without_a_cosine() -> None:
    """What the vectors did not propose is as near as the last that they did, at the most."""
    ranking = [key for key, _ in fused({"a": 0.9, "b": 0.6}, {"c": 0.2, "b": 0.2}, WEIGHT)]
    assert ranking == ["a", "b", "c"]


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_the_weight_is_the_vectors_share(weight: float) -> None:
    """With all the weight on one leg, its order is the order."""
    ranking = [key for key, _ in fused({"a": 0.9, "b": 0.1}, {"a": 0.1, "b": 0.9}, VectorWeight(weight))]
    assert ranking == (["a", "b"] if weight else ["b", "a"])


def test_weights_by_embedder() -> None:
    """An embedder has its own weight, whatever its model; one that nobody has measured has the usual one."""
    assert vector_weight("wordllama-256").share == VECTOR_WEIGHTS["wordllama"]
    assert vector_weight("openai:some-model") == VectorWeight(VECTOR_WEIGHTS["openai"])
    assert vector_weight("word-hash") == VectorWeight(USUAL_VECTOR_WEIGHT)


def test_vectors_that_tell_nothing_decide_less() -> None:
    """Where the nearest is hardly ahead of fifty, the words order; where it is, or there are few, both do."""
    words = {"a": 0.0, "b": 0.2}
    crowd = {f"n{n}": 0.5 for n in range(60)}
    lead = VectorWeight(0.4, leads=(0.02, 0.09))
    assert fused({"a": 0.9, "b": 0.5, **crowd}, words, lead)[0][0] == "a"
    close = {"a": 0.53, "b": 0.4, **dict.fromkeys(crowd, 0.52)}
    assert fused(close, words, lead)[0][0] == "b"
    assert fused({"a": 0.53, "b": 0.38}, words, lead)[0][0] == "a"
    assert fused(close, words, VectorWeight(0.4))[0][0] == "a"
    alike = {f"n{n:02}": 0.5 + n / 10_000 for n in range(60)}
    for said in (dict.fromkeys(alike, 0.0), dict.fromkeys(alike, 0.7)):
        assert fused(alike, said, lead)[0][0] == "n59"


def test_wording_decides_between_equals() -> None:
    """What has the question's wording comes before what is as near and says as much; it does not outweigh words."""
    cosines, words = {"a": 0.5, "b": 0.5, "c": 0.3}, {"a": 0.6, "b": 0.6, "c": 0.1}
    assert [key for key, _ in fused(cosines, words, WEIGHT)] == ["a", "b", "c"]
    assert [key for key, _ in fused(cosines, words, WEIGHT, {"a": 0.2, "b": 0.4})] == ["b", "a", "c"]
    assert [key for key, _ in fused(cosines, words, WEIGHT, {"c": 1.0})] == ["a", "b", "c"]
    for near, said in ((cosines, None), (None, words)):
        assert [key for key, _ in fused(near, said, WEIGHT, {"a": 0.2, "b": 0.4})] == ["b", "a", "c"]


@given(LEG, LEG, st.floats(0, 1))
def test_scores(vector: dict[str, float], lexical: dict[str, float], weight: float) -> None:
    """Scores are between 0 and 1, best first, one a candidate of either leg."""
    ranking = fused(vector, lexical, VectorWeight(weight))
    assert {key for key, _ in ranking} == set(vector) | set(lexical)
    scores = [score for _, score in ranking]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)

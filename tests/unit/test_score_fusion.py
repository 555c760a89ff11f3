"""Two legs, one ranking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorstore.score_fusion import USUAL_VECTOR_WEIGHT, VECTOR_WEIGHTS, fused, vector_weight

LEG = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.01, 2), max_size=8)
WEIGHT = 0.4


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
    assert fused({"a": 0.4}, {}, WEIGHT) == [("a", WEIGHT)]
    assert fused({}, {"a": 0.4}, WEIGHT) == [("a", 1 - WEIGHT)]
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
    ranking = [key for key, _ in fused({"a": 0.9, "b": 0.1}, {"a": 0.1, "b": 0.9}, weight)]
    assert ranking == (["a", "b"] if weight else ["b", "a"])


def test_weights_by_embedder() -> None:
    """An embedder has its own weight, whatever its model; one that nobody has measured has the usual one."""
    assert vector_weight("wordllama-256", "When?") == VECTOR_WEIGHTS["wordllama"]
    assert vector_weight("word-hash", "When?") == USUAL_VECTOR_WEIGHT


def test_less_weight_in_other_scripts() -> None:
    """WordLlama's cosines count a quarter in a script that it hardly reads; those of other embedders count in full."""
    full = VECTOR_WEIGHTS["wordllama"]
    assert vector_weight("wordllama-256", "कब खुलता है 24?") == pytest.approx(full / 4)
    assert full / 4 < vector_weight("wordllama-256", "Mấy giờ mở cửa?") < full
    assert vector_weight("openai:some-model", "कब?") == VECTOR_WEIGHTS["openai"]


def test_a_question_without_letters() -> None:
    """Figures alone and nothing at all have a weight too."""
    assert 0 < vector_weight("wordllama-256", "24/7?") <= VECTOR_WEIGHTS["wordllama"]
    assert 0 < vector_weight("wordllama-256", "") <= VECTOR_WEIGHTS["wordllama"]


@given(LEG, LEG, st.floats(0, 1))
def test_scores(vector: dict[str, float], lexical: dict[str, float], weight: float) -> None:
    """Scores are between 0 and 1, best first, one a candidate of either leg."""
    ranking = fused(vector, lexical, weight)
    assert {key for key, _ in ranking} == set(vector) | set(lexical)
    scores = [score for _, score in ranking]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)

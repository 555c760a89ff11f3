"""Two legs, one ranking."""

from hypothesis import given
from hypothesis import strategies as st

from vectorstore.score_fusion import LEXICAL_WEIGHT, VECTOR_WEIGHT, fused

LEG = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.01, 50), max_size=8)


def test_best_of_both() -> None:
    """What both legs put first has score 1; what only one put first has that leg's weight."""
    assert fused({"a": 0.9, "b": 0.1}, {"a": 12.0, "c": 1.0})[0] == ("a", 1.0)
    ranking = dict(fused({"a": 0.9, "b": 0.1}, {"c": 12.0, "d": 1.0}))
    assert ranking["a"] == VECTOR_WEIGHT
    assert ranking["c"] == LEXICAL_WEIGHT


def test_a_leg_that_is_away() -> None:
    """A leg that did not answer takes nothing away from the other; one that found nothing does."""
    assert fused(None, {"a": 3.0, "b": 1.0})[0] == ("a", 1.0)
    assert fused({"a": 0.4}, None) == [("a", 1.0)]
    assert fused({"a": 0.4}, {}) == [("a", VECTOR_WEIGHT)]
    assert fused(None, None) == []


@given(LEG, LEG)
def test_scores(vector: dict[str, float], lexical: dict[str, float]) -> None:
    """Scores are between 0 and 1, best first, one a candidate of either leg."""
    ranking = fused(vector, lexical)
    assert {key for key, _ in ranking} == set(vector) | set(lexical)
    scores = [score for _, score in ranking]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)

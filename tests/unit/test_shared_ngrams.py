"""How much of a question's wording a text has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.word_stems import folded
from vectorstore.shared_ngrams import shared_ngrams


def share(question: str, text: str) -> float:
    """By the definition, slowly; for letters that fold to one each."""
    asked, said = (f" {' '.join(folded(each).split())} " for each in (question, text))
    found = [{asked[at : at + size] for at in range(len(asked) - size + 1)} for size in (4, 6)]
    return sum(sum(gram in said for gram in grams) / len(grams) for grams in found if grams) / 2


def test_all_some_and_nothing() -> None:
    """A text that says the question has all of it, whatever stands between the words; a foreign one has nothing."""
    asked = "When does the museum open?"
    told, partly, foreign = shared_ngrams(
        asked, ["Tell me - WHEN DOES, the museum: open!", "The museums opened.", "Fish and chips"]
    )
    assert told == 1.0
    assert 0.2 < partly < 0.7
    assert foreign == 0.0


def test_forms_of_a_word_share_more_than_other_words() -> None:
    """Where stems differ, the letters still tell: cases in Russian, compounds in German, accents anywhere."""
    assert shared_ngrams("Возврат денег", ["При возврате денежных средств"])[0] > 0.3
    assert shared_ngrams("Garantie", ["Herstellergarantie"])[0] > 0.3
    assert shared_ngrams("Große Cafés", ["grose cafes", "GROẞE CAFE\u0301S"]) == pytest.approx([1.0, 1.0])


def test_texts_do_not_run_into_each_other() -> None:
    """The end of one and the beginning of the next are no n-gram."""
    assert shared_ngrams("open door", ["open", "door"]) == shared_ngrams("open door", ["open"]) + shared_ngrams(
        "open door", ["door"]
    )
    assert shared_ngrams("open\0door", ["", "open door"]) == [0.0, 1.0]


def test_what_has_no_ngrams() -> None:
    """A question of signs or of one letter is in no text; no texts, no shares."""
    assert shared_ngrams("??? !", ["??? !"]) == [0.0]
    assert shared_ngrams("a", ["a"]) == [0.0]
    assert shared_ngrams("\ud800", ["\ud800 and \U0010ffff"]) == [0.0]
    assert shared_ngrams("anything", []) == []


@given(st.text("abcdé ", min_size=4, max_size=40), st.lists(st.text("abcdéABC \n", max_size=60), max_size=5))
def test_as_defined(question: str, texts: list[str]) -> None:
    """However quick, it is the share of n-grams."""
    if len(" ".join(question.split())) >= 4:
        assert shared_ngrams(question, texts) == pytest.approx([share(question, text) for text in texts])

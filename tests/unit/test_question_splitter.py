import pytest

from agents.language_packs import load_language_packs
from agents.question_splitter import split_questions

STOP_WORDS = load_language_packs()["en"].stop_words


@pytest.mark.parametrize(
    ("texts", "questions"),
    [
        (["Do you deliver? What does the lamp cost?"], ["Do you deliver?", "What does the lamp cost?"]),
        (["do you have", "red shoes"], ["do you have\nred shoes"]),
        (["Do you have lamps? How much are they?"], ["Do you have lamps? How much are they?"]),
        (["really?", "is the lamp blue?"], ["really?", "is the lamp blue?"]),
        (["a lamp? a shoe? a hat? a bag? a coat?"], ["a lamp?", "a shoe?", "a hat? a bag? a coat?"]),
        (["lamp"], ["lamp"]),
    ],
)
def test_takes_a_burst_apart_at_its_questions(texts: list[str], questions: list[str]) -> None:
    """Each question is searched for alone; what leans on the question before it stays with it."""
    assert split_questions(texts, STOP_WORDS) == questions

"""Words of a question, found in a text."""

import pytest

from agents.language_packs import load_language_packs
from agents.word_marks import WordMarks


@pytest.fixture(scope="module")
def marks() -> WordMarks:
    return WordMarks(load_language_packs())


def marked(marks: WordMarks, question: str, text: str, language: str | None) -> list[str]:
    return [text[start:end] for start, end in marks.of(question, text, language)]


@pytest.mark.parametrize(
    ("question", "text", "language", "found"),
    [
        ("What is the price of a helmet?", "Helmets: prices from 30.", "en", ["Helmets", "prices"]),
        ("Wie groß ist die Größe?", "GRÖSSE und Gewicht", "de", ["GRÖSSE"]),
        ("営業時間は?", "当店の営業時間は九時です。", "ja", ["営業時間は"]),
        ("is it the?", "It is the one", "en", ["It", "is", "the"]),
        ("", "Something", "en", []),
        ("price", "", None, []),
    ],
)
def test_forms_of_a_word_are_marked(marks, question, text, language, found):
    """Other forms, case and accents match; unspaced scripts match by pairs; small words only when there is no other."""
    assert marked(marks, question, text, language) == found


def test_an_accent_of_its_own_does_not_move_the_marks(marks):
    """Places are those of the text as it is, not of a folded copy."""
    text = "Cafe\u0301 crème, straße, café"
    assert marked(marks, "strasse", text, "de") == ["straße"]
    assert marked(marks, "cafe", text, "de") == ["Cafe\u0301", "café"]
    assert marked(marks, "Müller geschlossen", "Mu\u0308ller ist gescho\u0308ssen", "de")[0] == "Mu\u0308ller"

import json

import pytest

from agents.language_detector import LanguageDetector
from agents.language_packs import load_language_packs
from tests.shared import shared

DETECTOR = LanguageDetector(load_language_packs())


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What time do you open tomorrow?", "en"),
        ("¿A qué hora abren mañana?", "es"),
        ("que horas vocês abrem?", "pt"),
        ("Combien coûte la livraison ?", "fr"),
        ("Wann habt ihr morgen offen?", "de"),
        ("a che ora aprite domani?", "it"),
        ("متى تفتحون غدا؟", "ar"),
        ("आप कल कब खुलते हैं?", "hi"),
        ("jam berapa buka besok?", "id"),
        ("你们明天几点开门？", "zh"),  # noqa: RUF001 - Chinese punctuation
        ("hola", "es"),
        ("Obrigada!", "pt"),
        ("preço?", "pt"),
        ("quanto costa", "it"),
        ("berapa harganya kak", "id"),
    ],
)
def test_recognises_each_of_our_languages(text: str, language: str) -> None:
    """A customer who writes one of the ten languages is recognised, also in very short messages."""
    assert DETECTOR.language_of([text], stored=None) == language


@pytest.mark.parametrize("text", ["Iphone 15 256 GB", "hi", "👍", "12:30", "stop", "こんにちは", "قیمت چند است؟ گران"])
def test_says_nothing_in_doubt(text: str) -> None:
    """What could be any language, or is none of ours, is not guessed at."""
    assert DETECTOR.detect(text) is None


def test_doubt_falls_back_to_the_stored_language_then_to_english() -> None:
    """A customer known to write Spanish is answered in Spanish when a message does not tell."""
    assert DETECTOR.language_of(["ok 12"], stored="es") == "es"
    assert DETECTOR.language_of(["12"], stored=None) == "en"


def test_a_clear_text_wins_over_the_stored_language() -> None:
    """A customer may change the language in the middle of a conversation."""
    assert DETECTOR.language_of(["Können Sie mir bitte helfen?"], stored="en") == "de"


def test_letters_of_other_alphabets_are_counted_not_met() -> None:
    """A foreign name inside a sentence does not change its language."""
    assert DETECTOR.detect("What does 东京 mean in your catalogue?") == "en"
    assert DETECTOR.detect("iPhone 的价格是多少") == "zh"


@pytest.mark.parametrize("language", ["en", "es", "de", "ar", "hi", "zh"])
def test_recognises_real_questions(language: str) -> None:
    """At least 97 of 100 real questions are recognised."""
    lines = shared(f"evaldata/xquad/visible/questions.{language}.jsonl").read_text(encoding="utf-8").splitlines()
    found = [DETECTOR.detect(json.loads(line)["question"]) for line in lines]
    assert found.count(language) / len(found) >= 0.97


@pytest.mark.parametrize("language", ["ru", "el", "th", "vi"])
def test_never_takes_a_foreign_language_for_one_of_ours(language: str) -> None:
    """Customers of other languages hear English, not a language picked by chance."""
    lines = shared(f"evaldata/xquad/visible/questions.{language}.jsonl").read_text(encoding="utf-8").splitlines()
    found = [DETECTOR.detect(json.loads(line)["question"]) for line in lines]
    assert sum(each not in {None, "en"} for each in found) / len(found) <= 0.03

import pytest

from agents.follow_ups import FollowUpRules
from agents.language_packs import load_language_packs
from agents.ports import Utterance

RULES = FollowUpRules(load_language_packs())
BEFORE = (Utterance(by_customer=True, text="when do you open?"), Utterance(by_customer=False, text="At nine."))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("and on Sundays?", "en"),
        ("what about the blue one", "en"),
        ("how much is it?", "en"),
        ("why?", "en"),
        ("und am Sonntag?", "de"),
        ("was kostet das?", "de"),
        ("¿y los domingos?", "es"),
        ("¿cuánto?", "es"),
        ("et le dimanche ?", "fr"),
        ("combien ?", "fr"),
        ("e la domenica?", "it"),
        ("e aos domingos?", "pt"),
        ("quanto custa isso?", "pt"),
        ("kalau hari Minggu?", "id"),
        ("berapa?", "id"),
        ("وماذا عن الجمعة؟", "ar"),
        ("بكم؟", "ar"),
        ("और रविवार को?", "hi"),
        ("कितने का?", "hi"),
        ("那周日呢？", "zh"),  # noqa: RUF001 - Chinese punctuation
        ("多少钱？", "zh"),  # noqa: RUF001 - Chinese punctuation
    ],
)
def test_hears_that_a_question_leans_on_what_was_said(text: str, language: str) -> None:
    """What nobody could answer without the past is known as such; without a past it is a question like any other."""
    assert RULES.leans([text], BEFORE, language)
    assert not RULES.leans([text], (), language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("when do you open on Sundays?", "en"),
        ("do you ship to Spain and how long does delivery take?", "en"),
        ("Can I return shoes that I bought in the shop in Madrid last week?", "en"),
        ("Wann öffnet die Filiale in Köln am Sonntag?", "de"),
        ("¿Cuánto cuesta la lámpara azul con bombilla?", "es"),
        ("营业时间是几点到几点", "zh"),
        ("", "en"),
        ("and on Sundays?", "nl"),
    ],
)
def test_a_question_that_stands_alone_is_left_alone(text: str, language: str) -> None:
    """Whatever names what it asks for is no follow-up; of a language without rules nothing is claimed."""
    assert not RULES.leans([text], BEFORE, language)


def test_a_long_text_costs_little() -> None:
    """Only short texts can lean: a long one is not looked through."""
    assert not RULES.leans(["and it " * 100_000], BEFORE, "en")

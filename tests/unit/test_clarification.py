from dataclasses import replace

import pytest

from agents.clarification import buttons_for, chosen_of, of_option, options_of, with_whole_question
from agents.language_packs import load_language_packs
from agents.ports import Burst
from tests.fakes.small_knowledge import passage

STOP_WORDS = load_language_packs()["en"].stop_words
INLAND = passage("Delivery takes two days and costs 4 €.", "germany.md", heading="Germany")
ABROAD = passage("Delivery takes nine days and costs 12 €.", "abroad.md", heading="Other countries")


def options(question: str, *passages: object) -> list[str]:
    return options_of(question, passages or (INLAND, ABROAD), STOP_WORDS)  # type: ignore[arg-type]


@pytest.mark.parametrize("question", ["delivery", "delivery cost?", "the delivery"])
def test_a_few_words_that_mean_several_things_are_asked_back(question: str) -> None:
    """Two places speak of it equally well: the customer says which one is meant."""
    assert options(question) == ["Germany", "Other countries"]


@pytest.mark.parametrize("question", ["how long does the delivery take?", "", "?", "and it?", "shoes"])
def test_a_question_that_tells_enough_is_answered(question: str) -> None:
    """Nobody is asked back who said what they want, or asked for something that is not there."""
    assert options(question) == []


def test_what_is_clearly_meant_is_not_asked_back() -> None:
    """One place that is called so, or that fits much better, is meant; of four places nobody wants to choose."""
    named = replace(ABROAD, heading="Delivery")
    assert options("delivery", INLAND, named) == []
    assert options("delivery", INLAND, replace(ABROAD, score=0.8)) == []
    four = [replace(INLAND, heading=f"Place {number}") for number in range(4)]
    assert options("delivery", *four) == []


def test_documents_are_named_where_sections_have_no_names() -> None:
    """Two documents without headings are told apart by what they are called."""
    assert options("delivery", replace(INLAND, heading=None), replace(ABROAD, heading=None)) == ["Germany", "Abroad"]


def test_buttons_keep_to_metas_limits() -> None:
    """At most three, titles of at most 20 characters that differ, ids of at most 256 (WHATSAPP.md 4)."""
    buttons = buttons_for("why? " * 100, ["a" * 30, "a" * 40, "B|c", "d", "e", ""])
    assert [button.title for button in buttons] == ["a" * 19 + "…", "B c", "d"]
    assert all(len(button.id) <= 256 for button in buttons)


def test_a_pressed_button_asks_the_whole_question() -> None:
    """The press is answered as if the customer had written all of it."""
    pressed = buttons_for("delivery?", ["Germany", "Other countries"])[1]
    burst = Burst("b", ("thanks", pressed.title), pressed=("other", pressed.id))
    chosen = chosen_of(burst)
    assert chosen is not None
    assert (chosen.question, chosen.option) == ("delivery?", "Other countries")
    assert with_whole_question(burst, chosen).texts == ("thanks", "delivery? Other countries")
    assert of_option([INLAND, ABROAD], chosen.option) == [ABROAD]
    assert of_option([INLAND], chosen.option) == [INLAND]


@pytest.mark.parametrize("button_id", ["", "yes", "ask:", "ask:Germany", "ask:Germany| ", "confirm:1|x"])
def test_other_buttons_ask_nothing(button_id: str) -> None:
    """Buttons of others are left to them."""
    assert chosen_of(Burst("b", ("x",), pressed=(button_id,))) is None

from dataclasses import replace

import pytest

from agents.document_names import document_name
from agents.language_packs import load_language_packs
from agents.sentences import Sentences
from tests.fakes.small_knowledge import passage

LANGUAGES = {"en", "es", "pt", "fr", "de", "it", "ar", "hi", "id", "zh"}
SENTENCES = Sentences(load_language_packs())


def test_every_language_has_every_sentence() -> None:
    """Nobody hears English only because a sentence was forgotten."""
    packs = load_language_packs()
    assert set(packs) == LANGUAGES
    wanted = set(packs["en"].sentences)
    assert all(set(pack.sentences) == wanted for pack in packs.values())
    for name in wanted:
        assert len({pack.sentences[name] for pack in packs.values()}) >= 7, name  # "p. 3" is the same in several


def test_other_languages_hear_english() -> None:
    """A language that we do not speak is answered in English."""
    assert SENTENCES.say("greeting", "sw") == SENTENCES.say("greeting", None) == SENTENCES.say("greeting", "en")


def test_sources_name_each_document_once_with_its_pages() -> None:
    """The customer sees which documents an answer comes from, as people call them, and where in them."""
    named = [passage("a", "menu.pdf", page=3), passage("b", "menu.pdf", page=2), passage("c", "hours.txt")]
    assert SENTENCES.sources(named, "en") == "From **Menu**, p. 2, 3; **Hours**"
    assert SENTENCES.sources(named[2:], "de") == "Aus **Hours**"


def test_a_document_has_one_name() -> None:
    """A document that has a title is called by it, also where a passage stands outside of what it heads."""
    titled = replace(passage("a", "rp-2024.pdf", page=2), title="Returns policy")
    assert SENTENCES.sources([passage("b", "rp-2024.pdf", page=7), titled], "en") == "From **Returns policy**, p. 2, 7"


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("returns-policy_2024.pdf", "Returns policy 2024"),
        ("COVID-19.pdf", "COVID-19"),
        ("v2.1.md", "V2.1"),
        ("FAQ", "FAQ"),
        ("客服_手册.docx", "客服 手册"),
        (".env", ".env"),
        ("x" * 300 + ".docx", "X" + "x" * 58 + "…"),
    ],
)
def test_a_file_is_called_as_people_call_it(filename: str, name: str) -> None:
    """Endings and separators are for machines."""
    assert document_name(passage("a", filename)) == name


@pytest.mark.parametrize("title", ["", "***", "12", "x" * 61])
def test_a_title_that_says_nothing_is_no_name(title: str) -> None:
    """Then the file's name is better."""
    assert document_name(replace(passage("a", "menu.pdf"), title=title)) == "Menu"


def test_a_name_is_shown_as_it_is() -> None:
    """No name is taken for formatting."""
    assert SENTENCES.sources([passage("a", "*new*_[1].md")], "en") == r"From **\*new\* \[1\]**"


def test_asks_which_of_several_is_meant() -> None:
    """Two or three things are listed as people list them."""
    assert SENTENCES.options(["Lamps", "Shoes"], "en") == "Do you mean **Lamps** or **Shoes**?"
    assert SENTENCES.options(["A", "B", "C"], "de") == "Meinen Sie **A**, **B** oder **C**?"

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


def test_sources_name_each_file_once_with_its_pages() -> None:
    """The customer sees which files an answer comes from, and where in them."""
    named = [passage("a", "menu.pdf", page=3), passage("b", "menu.pdf", page=2), passage("c", "hours.txt")]
    assert SENTENCES.sources(named, "en") == "From menu.pdf, p. 2, 3; hours.txt"
    assert SENTENCES.sources(named[2:], "de") == "Aus hours.txt"


def test_a_files_name_is_shown_as_it_is() -> None:
    """No name of a file is taken for formatting, and a very long one keeps its ending."""
    assert SENTENCES.sources([passage("a", "*new*_[1].md")], "en") == r"From \*new\*_\[1\].md"
    long = SENTENCES.sources([passage("a", "x" * 300 + ".docx")], "en")
    assert long.endswith(".docx")
    assert len(long) <= 66

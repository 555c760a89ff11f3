# ruff: noqa: RUF001 - marks of other scripts are meant
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agents.extractive import extract
from agents.language_packs import load_language_packs
from database.records import Passage
from tests.fakes.small_knowledge import passage

STOP_WORDS = load_language_packs()["en"].stop_words
HEADING = passage("# Only a heading")
SHOP = passage(
    "# Returns\n\nCan I return a mattress?\nYes. You have 100 nights from delivery. We collect it for free.\n\n"
    "# Opening hours\n\nMon-Fri 9-18\nSat 10-14\n\n# Prices\n| Size | Price |\n|---|---|\n| Small | 12 € |\n| Large |"
    " 19 € |\n\n# Delivery\nWe deliver in 2 to 3 working days. Delivery is free above 50 €."
)


def unnamed(sources: Sequence[Passage]) -> int:
    return 0


def copied(question: str, budget: int = 400) -> str:
    found = extract(question, [SHOP], budget=budget, naming=unnamed, stop_words=STOP_WORDS)
    assert found is not None
    return found.text


def test_copies_the_sentences_that_answer() -> None:
    """The reply holds the answer and not the whole page."""
    assert copied("How many nights do I have to return my mattress?") == (
        "Yes. You have 100 nights from delivery. We collect it for free."
    )
    assert copied("when do you open?") == "Mon-Fri 9-18\nSat 10-14"
    assert copied("how much is the large one?") == "Large · Price: 19 €"


def test_never_says_more_than_its_budget() -> None:
    """A sentence that is too long is shortened around what was asked, between words."""
    long = passage(
        "We say many things before. " + "word " * 60 + "the blue lamp costs forty dollars " + "more " * 60 + "."
    )
    found = extract("how much is the blue lamp?", [long], budget=120, naming=unnamed, stop_words=STOP_WORDS)
    assert found is not None
    assert len(found.text) <= 120
    assert "blue lamp costs forty dollars" in found.text


def test_knows_when_the_passages_speak_of_something_else() -> None:
    """A question that the knowledge does not touch is not answered with whatever was found."""
    other = extract(
        "Who painted the ceiling of the Sistine chapel?", [SHOP], budget=400, naming=unnamed, stop_words=STOP_WORDS
    )
    assert other is None or other.surplus < 0
    same = extract("Is delivery free?", [SHOP], budget=400, naming=unnamed, stop_words=STOP_WORDS)
    assert same is not None
    assert same.surplus >= 0


def test_a_best_passage_that_stands_out_is_surer_than_one_among_equals() -> None:
    """Where nothing speaks of the question, all passages are about as good; one alone is judged in between."""
    best = replace(passage("The lamp Lumina is made of green glass in Oslo."), score=0.97, cosine=0.5)

    def above(*scores: float) -> float:
        behind = [replace(passage(f"Vase {place} is old."), score=score) for place, score in enumerate(scores)]
        found = extract(
            "Which glass is the lamp made of, in Oslo?",
            [best, *behind],
            budget=400,
            naming=unnamed,
            stop_words=STOP_WORDS,
            trust_cosine=True,
        )
        assert found is not None
        return found.surplus

    assert above(0.9, 0.9, 0.9) < above() < above(0.3, 0.3, 0.3)


def test_names_only_the_passages_that_it_copied_from() -> None:
    """Sources are where the sentences stand, not everything that was found."""
    other = passage("The company was founded in 1904 by two sisters.", "history.txt")
    found = extract("When was the company founded?", [other, SHOP], budget=400, naming=unnamed, stop_words=STOP_WORDS)
    assert found is not None
    assert found.sources == (other,)


def test_reads_languages_without_spaces() -> None:
    """A Chinese question finds the Chinese sentence that answers it."""
    shop = passage("我们的商店在北京。我们每天早上九点开门，晚上六点关门。送货需要三天。")
    found = extract("商店几点开门？", [shop], budget=60, naming=unnamed, stop_words=frozenset())
    assert found is not None
    assert "九点开门" in found.text


def test_a_sentence_that_two_chunks_share_is_said_once() -> None:
    """Overlapping chunks do not make the bot repeat itself."""
    first = passage("Shipping to Norway takes nine days. Bags are blue.", "a.txt")
    second = passage("Shipping to Norway takes nine days. Hats are red.", "b.txt")
    found = extract(
        "How long does shipping to Norway take?", [first, second], budget=400, naming=unnamed, stop_words=STOP_WORDS
    )
    assert found is not None
    assert found.text.count("nine days") == 1


def test_a_sentence_that_a_passage_shows_of_its_neighbour_is_worth_what_the_neighbour_is() -> None:
    """It does not push the best passage's own sentence out, which did more to be found."""
    own = "Among all the lamps of our shop we present the Lumina, one that answers."
    shown, others = "The Lumina is of glass.", "Lumina is a lamp. Lumina is of Oslo."
    found = [
        replace(passage(text), score=score)
        for text, score in ((f"{own}\n\n{shown}", 0.96), (others, 0.93), (shown, 0.6))
    ]
    best = extract("What is Lumina?", found, budget=98, naming=unnamed, stop_words=STOP_WORDS)
    assert best is not None
    assert best.text.split("\n\n")[0] == own


def test_nothing_to_copy_is_none() -> None:
    """No passages, or none with a sentence, or a question without a word: no extract."""
    assert extract("anything?", [], budget=400, naming=unnamed, stop_words=frozenset()) is None
    assert extract("???", [SHOP], budget=400, naming=unnamed, stop_words=frozenset()) is None
    assert extract("anything?", [HEADING], budget=400, naming=unnamed, stop_words=frozenset()) is None


@given(
    st.lists(st.text(max_size=300), min_size=1, max_size=4),
    st.text(min_size=1, max_size=80),
    st.integers(min_value=20, max_value=400),
)
def test_any_text_fits_its_budget(bodies: list[str], question: str, budget: int) -> None:
    """Whatever a document and a customer write, the extract keeps to its length."""
    found = extract(question, [passage(body) for body in bodies], budget=budget, naming=unnamed, stop_words=frozenset())
    assert found is None or 0 < len(found.text) <= budget

# ruff: noqa: RUF001 - marks of other scripts are meant
from hypothesis import given
from hypothesis import strategies as st

from agents.sentence_cutter import sentences


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(text)]


def test_full_stops_of_abbreviations_and_numbers_end_nothing() -> None:
    """A price or a title inside a sentence does not cut it in two."""
    prose = "Dr. Smith of the U.S. office sells it for 3.50 dollars, e.g. in May. Call J. R. Miller."
    assert texts(prose) == [
        "Dr. Smith of the U.S. office sells it for 3.50 dollars, e.g. in May.",
        "Call J. R. Miller.",
    ]


def test_every_script_ends_its_sentences_in_its_own_way() -> None:
    """Chinese, Hindi and Arabic texts are cut where their readers see an end."""
    assert texts("我们九点开门。周日休息！") == ["我们九点开门。", "周日休息！"]
    assert texts("हम नौ बजे खुलते हैं। रविवार को बंद।") == ["हम नौ बजे खुलते हैं।", "रविवार को बंद।"]
    assert texts("هل تفتحون اليوم؟ نعم نفتح اليوم.") == ["هل تفتحون اليوم؟", "نعم نفتح اليوم."]


def test_wrapped_lines_are_joined_and_lists_are_not() -> None:
    """A line that was only wrapped goes on; an item of a list stands alone."""
    wrapped = "The mattress can be returned within one hundred\nnights of delivery.\n- free pickup\n- full refund"
    assert texts(wrapped) == [
        "The mattress can be returned within one hundred nights of delivery.",
        "- free pickup",
        "- full refund",
    ]


def test_headings_and_questions_lead() -> None:
    """A heading and the question of an FAQ announce an answer, they are none."""
    cut = sentences("# Returns\n\nCan I return it?\nYes. You have 100 nights.")
    assert [(each.text, each.leads) for each in cut] == [
        ("# Returns", True),
        ("Can I return it?", True),
        ("Yes. You have 100 nights.", False),
    ]


def test_a_table_reads_as_lines_that_carry_their_head() -> None:
    """A row of a table can be sent alone: each of its cells says what it is."""
    cut = sentences("Size | Price a day\nLarge, for two people and a dog | 19 €\nSmall | 9 €")
    assert [(each.text, each.leads) for each in cut] == [
        ("Size · Price a day", True),
        ("Large, for two people and a dog · Price a day: 19 €", False),
        ("Small · Price a day: 9 €", False),
    ]
    assert texts("| Size | Price |\n|---|---|\n| Large | 19 € |") == ["Size · Price", "Large · Price: 19 €"]


@given(st.text(alphabet="ab1.。?!-# \n:ก\u0915", max_size=200))
def test_nothing_is_lost(text: str) -> None:
    """Every letter and digit of a passage is in one of its sentences, in order."""
    assert "".join(filter(str.isalnum, "".join(texts(text)))) == "".join(filter(str.isalnum, text))

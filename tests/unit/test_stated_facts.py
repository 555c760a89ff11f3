# ruff: noqa: RUF001 - marks of other scripts are meant
import pytest

from agents.stated_facts import LONGEST_FACT, new_facts, quoted_facts, stated_facts


@pytest.mark.parametrize(
    ("said", "fact"),
    [
        ("Hi, my name is Ana Silva. Do you deliver?", "my name is Ana Silva"),
        ("I'm vegetarian, what can I eat?", "I'm vegetarian"),
        ("my order number is 12345", "my order number is 12345"),
        ("ok\ni am allergic to nuts", "i am allergic to nuts"),
        ("I live in Springfield!", "I live in Springfield"),
        ("Hola, me llamo Luz", "me llamo Luz"),
        ("J'habite à Lyon", "J'habite à Lyon"),
        ("Ich heiße Jörg", "Ich heiße Jörg"),
        ("Mi chiamo Gianni", "Mi chiamo Gianni"),
        ("Moro em Lisboa", "Moro em Lisboa"),
        ("Nama saya Budi", "Nama saya Budi"),
        ("我叫李雷，请问几点开门？", "我叫李雷"),
        ("اسمي ليلى", "اسمي ليلى"),
        ("मेरा नाम राज है", "मेरा नाम राज है"),
    ],
)
def test_hears_what_customers_say_of_themselves(said: str, fact: str) -> None:
    """In their own words, without what they ask beside it."""
    assert stated_facts([said]) == (fact,)


@pytest.mark.parametrize("said", ["what is my name?", "is it vegetarian?", "where is my order #12?", "who am I", ""])
def test_a_question_states_nothing(said: str) -> None:
    """Nothing is remembered of somebody who only asked."""
    assert stated_facts([said]) == ()


def test_only_what_the_customer_wrote_is_believed() -> None:
    """A model's quote that the customer did not write word for word is dropped."""
    said = "Hello! I'm vegetarian; order number is 12."
    assert quoted_facts(["I'm vegetarian", "order number is 1", "likes cheese", "", "?"], said) == ("I'm vegetarian",)
    assert quoted_facts(["x" * (LONGEST_FACT + 1)], "x" * (LONGEST_FACT + 1)) == ()


def test_nothing_is_remembered_twice() -> None:
    """What is known, or part of what is heard beside it, is not new."""
    assert new_facts(["my name is Ana", "name is Ana", "I'm vegan"], ["im vegan", "I'm vegan!"]) == ("my name is Ana",)


def test_facts_are_few_and_short() -> None:
    """However much is said, five sentences of two hundred characters at most."""
    facts = stated_facts([f"I live in {'x' * 500}{number}." for number in range(9)])
    assert len(facts) <= 5
    assert all(len(fact) <= LONGEST_FACT for fact in facts)

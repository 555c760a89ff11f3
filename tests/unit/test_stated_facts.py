# ruff: noqa: RUF001 - marks of other scripts are meant
import pytest

from agents.stated_facts import LONGEST_FACT, new_facts, quoted_facts, stated_facts


@pytest.mark.parametrize(
    ("language", "said", "fact"),
    [
        ("en", "Hi, my name is Ana Silva. Do you deliver?", "my name is Ana Silva"),
        ("en", "I'm vegetarian, what can I eat?", "I'm vegetarian"),
        ("en", "my order number is 12345", "my order number is 12345"),
        ("en", "My ticket number is A-7, please help", "My ticket number is A-7, please help"),
        ("en", "my order is #30211 and it is late", "my order is #30211 and it is late"),
        ("en", "ok\ni am allergic to nuts", "i am allergic to nuts"),
        ("en", "I have a severe nut allergy", "I have a severe nut allergy"),
        ("en", "If possible, my phone is +49 30 1234", "my phone is +49 30 1234"),
        ("en", "my email is ana@shop.example", "my email is ana@shop.example"),
        ("en", "My shoe size is 42, and my size is XL", "My shoe size is 42, and my size is XL"),
        ("en", "I live in Springfield!", "I live in Springfield"),
        ("es", "Hola, me llamo Luz", "me llamo Luz"),
        ("es", "Soy vegetariana, ¿qué puedo comer?", "Soy vegetariana"),
        ("fr", "J'habite à Lyon", "J'habite à Lyon"),
        ("de", "Ich heiße Jörg", "Ich heiße Jörg"),
        ("it", "Mi chiamo Gianni", "Mi chiamo Gianni"),
        ("pt", "Moro em Lisboa", "Moro em Lisboa"),
        ("id", "Nama saya Budi", "Nama saya Budi"),
        ("zh", "我叫李雷，请问几点开门？", "我叫李雷"),
        ("ar", "اسمي ليلى", "اسمي ليلى"),
        ("hi", "मेरा नाम राज है", "मेरा नाम राज है"),
    ],
)
def test_hears_what_customers_say_of_themselves(language: str, said: str, fact: str) -> None:
    """In their own words, without what they ask beside it."""
    assert stated_facts([said], language) == (fact,)


@pytest.mark.parametrize("said", ["what is my name?", "is it vegetarian?", "where is my order #12?", "who am I", ""])
def test_a_question_states_nothing(said: str) -> None:
    """Nothing is remembered of somebody who only asked."""
    assert stated_facts([said], "en") == ()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "If I live in Germany, do you ship?"),
        ("en", "Can I order if I live in Spain?"),
        ("en", "What if I am allergic to nuts"),
        ("en", "my wife says I only eat junk"),
        ("en", "Is it true that I have an allergy form to fill in?"),
        ("es", "¿Y si vivo en Madrid?"),
        ("pt", "E se moro em Lisboa?"),
        ("fr", "Et si j'habite à Lyon ?"),
        ("it", "E se abito a Roma?"),
        ("id", "Kalau saya tinggal di Bali?"),
        ("zh", "如果我住在北京呢"),
        ("ar", "ماذا لو كنت أعيش في مصر"),
        ("hi", "अगर मेरा नाम गलत है"),
    ],
)
def test_what_is_only_supposed_is_not_believed(language: str, said: str) -> None:
    """Neither a condition nor what others say is remembered as the customer's own."""
    assert stated_facts([said], language) == ()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Do you have soy vegetarian sausages?"),
        ("en", "my phone is broken"),
        ("en", "my email is not working"),
        ("en", "my size is sold out"),
        ("en", "my order is 3 days late"),
        ("en", "my order was 100 euros"),
        ("en", "I'm from time to time unable to log in"),
        ("es", "¿Transmiten en vivo en YouTube?"),
        ("it", "Sono vegetariani i panini?"),
        ("zh", "我叫了一份披萨"),
        ("tr", "Ich heiße Jörg"),
    ],
)
def test_what_only_looks_like_a_fact_is_none(language: str, said: str) -> None:
    """A broken phone is no phone number, and a pizza no name; words count in the customer's language alone."""
    assert stated_facts([said], language) == ()


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
    facts = stated_facts([f"I live in {'x' * 500}{number}." for number in range(9)], "en")
    assert len(facts) <= 5
    assert all(len(fact) <= LONGEST_FACT for fact in facts)

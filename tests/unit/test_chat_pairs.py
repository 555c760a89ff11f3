"""Questions and answers out of a chat: bursts joined, polite words and private things left out."""

from datetime import datetime, timedelta

import pytest

from agents.intent_rules import IntentRules
from agents.language_packs import load_language_packs
from services.chat_export import ChatMessage
from services.chat_pairs import UnclearBusinessError, chat_pairs

RULES = IntentRules(load_language_packs())


def chat(*said, minutes=1):
    """Messages a minute apart: "Sender: text"."""
    start = datetime.fromisoformat("2024-03-12T09:00")
    parts = [each.split(": ", 1) for each in said]
    return [ChatMessage(start + timedelta(minutes=n * minutes), who, text) for n, (who, text) in enumerate(parts)]


def pairs(*said, business="Shop", **more):
    return [(each.question, each.answer) for each in chat_pairs(chat(*said, **more), business, RULES)]


def test_bursts_are_joined_and_greetings_left_out():
    """What was asked and answered in several messages is one question and one answer."""
    assert pairs(
        "Anna: Hi!",
        "Anna: ok",
        "Anna: do you deliver",
        "Anna: on Sundays?",
        "Shop: Hello",
        "Shop: Yes, we deliver on Sundays from ten to four.",
        "Shop: It costs 5 euros.",
        "Anna: thanks!",
    ) == [("Do you deliver on Sundays?", "Yes, we deliver on Sundays from ten to four.\nIt costs 5 euros.")]


@pytest.mark.parametrize(
    "said",
    [
        ("Anna: Good morning!", "Shop: Good morning, how can we help you today?"),
        ("Anna: I will come at five.", "Shop: All right, see you at five then."),
        ("Anna: Do you deliver?", "Shop: Where do you live?"),
        ("Anna: Do you deliver?", "Shop: Yes"),
        ("Anna: Do you deliver?", "Shop: 👍"),
        ("Anna: Ok?", "Shop: We are open from nine to five."),
        ("Shop: Would you like to book?", "Anna: Yes, tomorrow at nine would be great."),
    ],
)
def test_what_answers_nothing_is_not_proposed(said):
    """Greetings, statements, questions back, words that say nothing by themselves."""
    assert pairs(*said) == []


def test_a_late_reply_is_no_answer():
    """After days it is about something else."""
    assert pairs("Anna: Do you deliver on Sundays?", "Shop: We deliver on Sundays.", minutes=6 * 1440) == []


def test_private_things_of_customers_are_left_out():
    """Names, numbers and addresses of customers; the business's own number is what others ask for."""
    ((question, answer),) = pairs(
        "Anna Smith: This is Anna Smith, anna@mail.example, +49 170 1234567. Can you call me when it is ready?",
        "Shop: Of course, Anna, we call you at 0170 1234567. Our own number is 030 98765432.",
    )
    for private in ("Anna", "Smith", "anna@mail.example", "1234567"):
        assert private not in question + answer
    assert "030 98765432" in answer


def test_a_number_as_a_sender_is_private_too():
    """Who is not in the address book is shown by their number."""
    ((_, answer),) = pairs(
        "+49 170 1234567: Do you deliver on Sundays?", "Shop: Yes, we write to 0170 1234567 before we come."
    )
    assert "1234567" not in answer


def test_nearly_the_same_question_is_proposed_once_with_the_newest_answer():
    """And what was asked most often comes first."""
    found = chat_pairs(
        chat(
            "Anna: When do you open on Mondays?",
            "Shop: We open at nine on Mondays.",
            "Ben: Where can I park my car?",
            "Shop: There is a car park behind the house.",
            "Cleo: when do you open on mondays??",
            "Shop: We open at ten on Mondays now.",
            minutes=30,
        ),
        "Shop",
        RULES,
    )
    assert [(each.times, each.answer) for each in found] == [
        (2, "We open at ten on Mondays now."),
        (1, "There is a car park behind the house."),
    ]


def test_who_answers_is_guessed_when_it_is_clear():
    """The one who replies to the questions of the others."""
    said = (
        *("Anna: When do you open?", "Cafe: We open at nine every day."),
        *("Anna: Do you have cake?", "Cafe: We have cheese cake and apple pie."),
        *("Ben: Can I pay by card?", "Cafe: You can pay by card from ten euros."),
    )
    assert len(pairs(*said, business=None)) == 3
    assert len(pairs(*said, business="  cafe ")) == 3


@pytest.mark.parametrize("business", [None, "Somebody else"])
def test_who_answers_is_asked_for_when_it_is_unclear(business):
    """With the names to choose from."""
    with pytest.raises(UnclearBusinessError) as unclear:
        pairs("Anna: How are you?", "Ben: I am fine, and you?", "Anna: Fine, too!", business=business)
    assert unclear.value.names == ("Anna", "Ben")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("Guten Tag! Habt ihr sonntags geöffnet?", "Sonntags haben wir von zehn bis vier geöffnet."),
        ("Hola, ¿tienen tarta de queso?", "Tenemos tarta de queso todos los viernes."),
        ("你好，请问你们星期天营业吗？", "星期天我们从上午十点营业到下午四点。"),  # noqa: RUF001 - Chinese marks
        ("هل تفتحون يوم الأحد؟", "نفتح يوم الأحد من العاشرة حتى الرابعة."),
    ],
)
def test_other_languages_are_read(asked, answered):
    """Question marks of other scripts count."""
    assert len(pairs(f"Anna: {asked}", f"Shop: {answered}")) == 1


def test_runs_of_blanks_are_read_in_their_length():
    """A question of blanks keeps no thread busy, and names go from between them."""
    blanks = " " * 3900
    assert pairs(
        f"Anna: Do you have{blanks}cake{blanks[:50]}, Shop?", f"Shop: We{blanks}have cake,{blanks[:9]}Anna."
    ) == [("Do you have cake , Shop?", "We have cake.")]

import pytest

from agents.intent_rules import IntentRules
from agents.language_packs import load_language_packs
from database.records import Intent

RULES = IntentRules(load_language_packs())
GREETING, THANKS, PERSON, QUESTION, OTHER = (
    Intent.GREETING,
    Intent.THANKS,
    Intent.PERSON,
    Intent.QUESTION,
    Intent.OTHER,
)


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("Hi!", [GREETING]),
        ("Good morning, how are you?", [GREETING]),
        ("¡Buenos días!", [GREETING]),
        ("Oi, tudo bem?", [GREETING]),
        ("Bonjour", [GREETING]),
        ("Guten Tag zusammen", [GREETING]),
        ("Buongiorno", [GREETING]),
        ("السلام عليكم", [GREETING]),
        ("नमस्ते", [GREETING]),
        ("Selamat pagi kak", [GREETING]),
        ("你好！", [GREETING]),  # noqa: RUF001 - Chinese punctuation
        ("👋", [GREETING]),
        ("Thank you so much for your help!", [THANKS]),
        ("muchas gracias", [THANKS]),
        ("Muito obrigada!", [THANKS]),
        ("merci beaucoup", [THANKS]),
        ("Vielen Dank", [THANKS]),
        ("grazie mille", [THANKS]),
        ("شكرا جزيلا", [THANKS]),
        ("बहुत धन्यवाद", [THANKS]),
        ("terima kasih banyak", [THANKS]),
        ("谢谢", [THANKS]),
        ("Hi, do you ship to Spain?", [QUESTION, GREETING]),
        ("thanks, and when do you close?", [QUESTION, THANKS]),
        ("do you sell thank you cards", [QUESTION]),
        ("what is a greeting in Japanese", [QUESTION]),
        ("history of the hello kitty brand", [QUESTION]),
        ("早餐几点", [QUESTION]),
        ("ok", [OTHER]),
        ("👍", [OTHER]),
    ],
)
def test_tells_greetings_and_thanks_from_questions(text: str, intents: list[Intent]) -> None:
    """A greeting is a greeting, and a greeting with a question is a question."""
    assert list(RULES.intents([text])) == intents


@pytest.mark.parametrize(
    "text",
    [
        "I want to talk to a real person",
        "can I speak with someone please",
        "agent",
        "quiero hablar con una persona",
        "quero falar com um atendente",
        "je voudrais parler à un conseiller",
        "Ich möchte mit einem Mitarbeiter sprechen",
        "vorrei parlare con un operatore",
        "اريد التحدث مع موظف",
        "किसी इंसान से बात करनी है",
        "saya mau bicara dengan petugas",
        "转人工",
    ],
)
def test_hears_the_wish_for_a_person(text: str) -> None:
    """Whoever asks for a person in one of our languages is understood."""
    assert RULES.intents([text])[0] is PERSON


@pytest.mark.parametrize(
    "text",
    [
        "What does a travel agent need to know?",
        "Who is the contact person?",
        "Do you have a two person tent?",
        "how many people fit in",
        "Is the agent fee included?",
        "are you a real person?",
        "¿eres una persona real?",
        "你是真人吗",
        "Wie viele Personen passen in das Zelt?",
    ],
)
def test_people_in_questions_are_no_wish_for_one(text: str) -> None:
    """A question about people or agents is answered, not handed over."""
    assert PERSON not in RULES.intents([text])


@pytest.mark.parametrize(
    "text",
    ["stop", "STOP!", " Stop. ", "unsubscribe", "parar", "baja", "arrêter", "stopp", "abmelden", "basta", "توقف", "रोकें",
     "berhenti", "停止", "退订"],
)  # fmt: skip
def test_stop_as_a_whole_message_opts_out(text: str) -> None:
    """Whoever writes nothing but "stop" hears no more from us."""
    assert RULES.keyword([text]) is Intent.OPT_OUT
    assert RULES.intents([text])[0] is Intent.OPT_OUT


@pytest.mark.parametrize(
    "text", ["start", "Start!", "empezar", "começar", "commencer", "starten", "inizia", "ابدأ", "शुरू", "mulai", "开始"]
)
def test_start_as_a_whole_message_opts_in(text: str) -> None:
    """Whoever writes nothing but "start" hears from us again."""
    assert RULES.keyword([text]) is Intent.OPT_IN


@pytest.mark.parametrize(
    "text", ["How do I stop the alarm?", "please stop my order", "when does the sale start", "bus stop"]
)
def test_stop_and_start_inside_a_sentence_mean_nothing(text: str) -> None:
    """A sentence that contains "stop" unsubscribes nobody."""
    assert RULES.keyword([text]) is None
    assert RULES.intents([text]) == (QUESTION,)


@pytest.mark.parametrize(
    "text",
    [
        "the stop button does not work",
        "wie stoppe ich den Alarm?",
        "bitte die Bestellung stoppen",
        "¿cómo puedo parar la lavadora?",
        "quiero parar mi pedido",
        "comment arrêter la machine ?",
        "je veux arrêter ma commande",
        "come si ferma la sveglia?",
        "basta una chiamata per ordinare?",
        "como faço para parar o alarme?",
        "bagaimana cara berhenti langganan koran?",
        "كيف اوقف المنبه؟",
        "هل يمكن ايقاف الطلب؟",
        "अलार्म कैसे बंद करें?",
        "दुकान कब बंद होती है",
        "怎么停止闹钟",
        "停车场在哪里",
    ],
)
def test_stop_inside_a_sentence_unsubscribes_nobody_in_ten_languages(text: str) -> None:
    """Whoever asks how to stop something keeps hearing from us."""
    assert RULES.keyword([text]) is None
    assert not {Intent.OPT_OUT, Intent.OPT_IN} & set(RULES.intents([text]))


def test_the_last_keyword_of_a_burst_counts() -> None:
    """Who changes their mind within a burst is taken at their last word."""
    assert RULES.keyword(["stop", "start"]) is Intent.OPT_IN
    assert RULES.keyword(["hello", "stop", "I mean it"]) is Intent.OPT_OUT


def test_the_stop_words_of_our_own_sentences_are_understood() -> None:
    """The word that each language's sentences tell customers to write does what they say."""
    for pack in load_language_packs().values():
        assert RULES.intents([_bold(pack.sentences["do_not_know"])]) == (PERSON,), pack.code
        assert RULES.intents([_bold(pack.sentences["apology"])]) == (PERSON,), pack.code
        assert RULES.keyword([_bold(pack.sentences["stop"])]) is Intent.OPT_IN, pack.code


def test_asking_leaves_out_what_only_greets() -> None:
    """What is searched for is the question, not the greeting in front of it."""
    assert RULES.asking(["hi", "do you have", "red shoes?"]) == ("do you have", "red shoes?")
    assert RULES.asking(["hi"]) == ("hi",)


@pytest.mark.parametrize(
    ("text", "nothing"), [("ok", True), ("👍👍", True), ("?", False), ("👋", False), ("ok but why", False)]
)
def test_a_nod_asks_nothing(text: str, nothing: bool) -> None:  # noqa: FBT001 - a column of the table
    """Only what nobody would answer goes without a reply."""
    assert RULES.asks_nothing([text]) is nothing


def _bold(sentence: str) -> str:
    return sentence.split("**")[1]

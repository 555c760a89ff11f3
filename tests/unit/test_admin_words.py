"""What admins hear and say, in each of the bot's languages."""

import string
import tomllib
from importlib.resources import files
from typing import Any, get_args

import pytest

from agents.admin_statements import StatementReader, Understood
from agents.admin_words import AdminButton, AdminSentence, load_admin_words
from agents.intent_rules import IntentRules
from agents.language_packs import load_language_packs
from agents.ports import Burst

PACKS = load_language_packs()
WORDS = load_admin_words()
READER = StatementReader(None, IntentRules(PACKS), WORDS, PACKS)
NOVEMBER_22 = 1_795_320_000_000


def content(language: str) -> dict[str, Any]:
    return tomllib.loads(files("agents").joinpath("languages", "admin", f"{language}.toml").read_text("utf-8"))


def fields(sentence: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence)} - {None}


@pytest.mark.parametrize("language", sorted(PACKS))
def test_every_language_says_everything(language: str) -> None:
    """No sentence, button or kind of phrase is missing, and each has the fields that English has."""
    own, english = content(language), content("en")
    assert set(own["sentences"]) == set(get_args(AdminSentence))
    assert set(own["buttons"]) == set(get_args(AdminButton))
    assert set(own["phrases"]) == set(english["phrases"])
    assert all(0 < len(title) <= 20 for title in own["buttons"].values())
    for name, sentence in own["sentences"].items():
        assert fields(sentence) == fields(english["sentences"][name]), name
    assert all(phrase.count("{}") == 1 for kind in ("forget", "know", "note") for phrase in own["phrases"][kind])


async def read(*texts: str, language: str | None = None) -> Understood:
    return await READER.read(Burst("b", texts, language), texts, NOVEMBER_22)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Hi, we are closed tomorrow", "We are closed tomorrow (2026-11-23)."),
        ("Please remember: the lamp is green", "The lamp is green."),
        ("No dogs allowed in the workshop", "No dogs allowed in the workshop."),
        ("Wir haben am 24. Dezember geschlossen", "Wir haben am 24. Dezember geschlossen."),
        ("El 24 de diciembre cerramos", "El 24 de diciembre cerramos."),
        ("Nous sommes fermés le 24 décembre", "Nous sommes fermés le 24 décembre."),
        ("Siamo chiusi il 24 dicembre", "Siamo chiusi il 24 dicembre."),
        ("Estamos fechados no dia 24", "Estamos fechados no dia 24."),
        ("Kami tutup tanggal 24 Desember", "Kami tutup tanggal 24 Desember."),
        ("हम 24 दिसंबर को बंद हैं", "हम 24 दिसंबर को बंद हैं।"),
        ("نحن مغلقون يوم 24 ديسمبر", "نحن مغلقون يوم 24 ديسمبر."),
        ("12月24日我们休息", "12月24日我们休息。"),
    ],
)
async def test_a_statement_is_told_and_cleaned(text: str, stored: str) -> None:
    """Greetings and openings go, an end and the date of "tomorrow" come."""
    found = await read(text)
    assert (found.statement, found.ordinary) == (stored, ())


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("when do you open", "en"),
        ("return policy for shoes", "en"),
        ("What is new?", "en"),
        ("forget it", "en"),
        ("forget about it", "en"),
        ("thanks a lot", "en"),
        ("Wann habt ihr offen", "de"),
        ("Öffnungszeiten Weihnachten", "de"),
        ("A qué hora abren mañana", "es"),
        ("jam berapa buka", "id"),
        ("दुकान कब खुलती है", "hi"),
        ("متى تفتحون", "ar"),
        ("你们几点开门", "zh"),
        ("营业时间", "zh"),
    ],
)
async def test_what_asks_or_chats_is_ordinary(text: str, language: str) -> None:
    """Nothing of it would be stored."""
    assert await read(text, language=language) == Understood(
        (await read(text, language=language)).language, ordinary=(text,)
    )


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("Forget what you know about parking!", "parking"),
        ("Vergiss, was du über Parken weißt", "parken"),
        ("Olvida lo que sabes sobre el parking", "el parking"),
        ("Oubliez ce que vous savez sur le parking", "le parking"),
        ("Dimentica tutto su parcheggio", "parcheggio"),
        ("Esqueça tudo sobre estacionamento", "estacionamento"),
        ("Lupakan semua tentang parkir", "parkir"),
        ("पार्किंग के बारे में सब भूल जाओ", "पार्किंग"),
        ("انس كل شيء عن الموقف", "الموقف"),
        ("忘记关于停车的内容", "停车"),
    ],
)
async def test_forgetting_is_heard_in_every_language(text: str, subject: str) -> None:
    """The subject is what stands in the gap."""
    assert (await read(text)).forget == subject


@pytest.mark.parametrize("language", sorted(PACKS))
async def test_every_phrase_is_understood(language: str) -> None:
    """Each of the listed phrases, with a subject in its gap, is a wish to be told or to forget."""
    phrases = content(language)["phrases"]
    for phrase in phrases["know"]:
        assert "2024" in (await read(phrase.format("2024"))).know
    for phrase in phrases["forget"]:
        assert "2024" in (await read(phrase.format("2024"))).forget
    assert all(WORDS.says_no([phrase]) for phrase in phrases["no"])

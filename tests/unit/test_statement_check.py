"""Whether a statement is known already or contradicts what is: hand-written pairs, on which the rules were tuned."""

import pytest

from agents.admin_words import load_admin_words
from agents.language_packs import load_language_packs
from agents.statement_check import StatementCheck
from tests.fakes.small_knowledge import passage

PACKS = load_language_packs()
CHECK = StatementCheck(None, load_admin_words(), PACKS)
SAME, CONTRARY, NEITHER = "same", "contrary", "neither"


async def relation(statement: str, known: str, language: str) -> str:
    found = await CHECK.compare("b", statement, [passage(known)], language)
    assert all(each.quote in known for each in (*found.same, *found.contradicted))
    return SAME if found.same else CONTRARY if found.contradicted else NEITHER


@pytest.mark.parametrize(
    ("statement", "known", "language", "expected"),
    [
        ("We are closed on 24 December.", "We are closed on 24 December.", "en", SAME),
        ("We are closed on 24 December.", "On 24 December we are closed, and merry days to all.", "en", SAME),
        ("We are closed on 24 December.", "On 24 December we are open until 14:00.", "en", CONTRARY),
        ("We are closed on 24 December.", "We are open Monday to Friday from 9 to 18.", "en", NEITHER),
        ("Delivery costs 5 euros.", "Delivery costs 4.90 euros and takes two days.", "en", CONTRARY),
        ("Delivery costs 5 euros.", "Standard delivery is 3 euros.", "en", CONTRARY),
        ("Delivery costs 5 euros.", "A new chain costs 25 euros.", "en", NEITHER),
        ("On Saturdays we open at 9.", "On Saturdays the shop is open from 10 to 16.", "en", CONTRARY),
        ("On Saturdays we open at 9.", "On Sundays the shop is open from 10 to 16.", "en", NEITHER),
        ("Dogs are allowed in the workshop.", "Dogs are not allowed in the workshop.", "en", CONTRARY),
        ("Parking is free.", "Parking costs 2 euros an hour.", "en", CONTRARY),
        ("Returns are possible within 14 days.", "Returns are possible within 30 days.", "en", CONTRARY),
        ("Returns are possible within 14 days.", "Refunds are paid within 14 days of the return.", "en", NEITHER),
        ("The workshop is closed in August.", "The workshop opens at 8 on weekdays.", "en", NEITHER),
        ("We no longer repair e-bikes.", "We repair e-bikes and city bikes.", "en", CONTRARY),
        ("Wir haben am 24. Dezember geschlossen.", "Am 24. Dezember ist bis 14 Uhr geöffnet.", "de", CONTRARY),
        ("Der Versand kostet 5 Euro.", "Der Versand kostet 4,90 Euro.", "de", CONTRARY),
        ("El 24 de diciembre cerramos.", "El 24 de diciembre abrimos hasta las 14.", "es", CONTRARY),
        ("Nous fermons le lundi.", "Le lundi nous sommes ouverts de 9 h à 18 h.", "fr", CONTRARY),
        ("12月24日我们休息。", "12月24日营业到下午2点。", "zh", CONTRARY),
        ("हम 24 दिसंबर को बंद हैं।", "24 दिसंबर को दुकान खुली रहेगी।", "hi", CONTRARY),
    ],
)
async def test_duplicates_and_contradictions(statement: str, known: str, language: str, expected: str) -> None:
    """The same subject with another number, time or the contrary contradicts; the same words are known already."""
    assert await relation(statement, known, language) == expected


@pytest.mark.parametrize(
    ("statement", "known", "language", "expected"),
    [
        ("The pool opens at 7.", "The pool opens at 8 in the morning.", "en", CONTRARY),
        ("A day ticket costs 12 euros.", "The price of a day ticket is 15 euros.", "en", CONTRARY),
        ("A day ticket costs 12 euros.", "The sauna has 12 seats.", "en", NEITHER),
        ("Breakfast is included.", "Breakfast is not included in the price.", "en", CONTRARY),
        ("Check-out is at 11.", "Check-out is at 11.", "en", SAME),
        ("We ship to Norway.", "We ship to Sweden and Denmark.", "en", NEITHER),
        ("Die Sauna ist montags geschlossen.", "Die Sauna ist montags bis 22 Uhr geöffnet.", "de", CONTRARY),
        ("La colazione costa 9 euro.", "La colazione costa 7 euro.", "it", CONTRARY),
        ("O café da manhã custa 9 euros.", "O estacionamento custa 7 euros.", "pt", NEITHER),
    ],
)
async def test_pairs_that_nothing_was_tuned_on(statement: str, known: str, language: str, expected: str) -> None:
    """The rules hold for other subjects, too."""
    assert await relation(statement, known, language) == expected


async def test_a_quote_keeps_the_passages_line_breaks() -> None:
    """What is to be replaced must stand in the passage letter by letter."""
    known = "Standard delivery to all of our many places in the country\ncosts 4 euros. We like bikes."
    found = await CHECK.compare("b", "Standard delivery to our places costs 6 euros.", [passage(known)], "en")
    assert [each.quote for each in found.contradicted] == [known.removesuffix(" We like bikes.")]

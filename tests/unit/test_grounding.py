# ruff: noqa: RUF001 - marks and digits of other scripts are meant
import pytest

from agents.grounding import grounded
from agents.mentions import Kind

SHOP = (
    "We open at nine and close at six. Call +49 30 1234567 or see https://shop.example/hours. "
    "Write to info@shop.example."
)
PRICES = (
    "The blue lamp costs 40.50 dollars. We have up to 1,000 lamps. On 24.12. we close at 14:00. "
    "20 % off until 3 January 2025; closed on Dec 26."
)
TABLE = "Prices in €\nsmall | 12\nlarge | 19"
PASSAGES = [SHOP, PRICES, TABLE]


@pytest.mark.parametrize(
    "said",
    [
        "We open at 9 and close at 6 pm.",
        "See https://shop.example/hours/ or www.shop.example/hours.",
        "[Hours](https://shop.example/hours)",
        "Write to Info@Shop.example, or call 030 1234567.",
        "It is $40.50.",
        "The small one is 12 €, the large one EUR 19.",
        "There are 1.000 of them: 1000!",
        "We close at 2 pm on 24 December, December 24th, 24/12 and am 24. Dezember.",
        "٢٤ ديسمبر, 12月24日, 24 de diciembre",
        "20% off until January 3, 2025",
        "24–26 December",
        "1. Open the door\n2. Close it",
    ],
)
def test_what_stands_in_a_passage_may_be_said(said: str) -> None:
    """However a figure, a date or a link is written, it is the same."""
    assert grounded(said, PASSAGES).text == said


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("See https://shop.example/hour", Kind.LINK),
        ("See shop.example.evil.com", Kind.LINK),
        ("See evil.com/shop.example", Kind.LINK),
        ("Write to info@shop.example.com", Kind.EMAIL),
        ("Call +49 30 1234568", Kind.PHONE),
        ("Call +1 30 1234567", Kind.PHONE),
        ("It is 40.50 €", Kind.PRICE),
        ("It is $12", Kind.PRICE),
        ("It is 41 dollars", Kind.PRICE),
        ("30 % off", Kind.PRICE),
        ("24 December 2024", Kind.DATE),
        ("on 25.12.", Kind.DATE),
        ("3 January 2026", Kind.DATE),
        ("from 9 pm", Kind.TIME),
        ("until 15:30", Kind.TIME),
        ("7 of them", Kind.NUMBER),
        ("open 24/7", Kind.NUMBER),
        ("٧ منها", Kind.NUMBER),
    ],
)
def test_what_stands_nowhere_is_not_said(said: str, kind: Kind) -> None:
    """A link, a price, a date or a number that no passage holds never reaches a customer."""
    checked = grounded(said, PASSAGES)
    assert checked.text is None
    assert kind in checked.invented


def test_a_currency_belongs_to_its_number() -> None:
    """A number without currency takes the one that its passage names, if that is the only one."""
    assert grounded("It is 12 €.", ["small | 12 | large | 19", "Prices in €"]).text is None
    assert grounded("It is 12 €.", ["Prices in €; abroad in $: small | 12"]).text is None


def test_only_the_sentence_that_made_something_up_is_left_out() -> None:
    """What is true of an answer is still said; what was left out is named by its kind."""
    checked = grounded("We open at nine every day. On 25 December we are closed.", PASSAGES)
    assert checked.text == "We open at nine every day."
    assert checked.invented == (Kind.DATE,)
    assert checked.complaint == "it held what its passages do not: date"


def test_the_customers_numbers_may_be_repeated() -> None:
    """Numbers and dates of the question are the customer's; prices, links and phone numbers must stand in a passage."""
    assert grounded("Yes, 7 are possible.", PASSAGES, "can I get 7?").text
    assert grounded("Yes, on 25 December.", PASSAGES, "are you open on December 25?").text
    assert grounded("Yes, for 7 €.", PASSAGES, "can I get it for 7 €?").text is None
    assert grounded("See evil.com", PASSAGES, "is it evil.com?").text is None
    assert grounded("Call 0999 1234567", PASSAGES, "is it 0999 1234567?").text is None


def test_other_passages_do_not_count() -> None:
    """What an answer says must stand in the passages that it names."""
    assert grounded("It is $40.50.", [SHOP]).text is None


@pytest.mark.parametrize(
    ("said", "passage"),
    [
        ("Call us at +44 20 7946 0000.", "Phone: +44 (0)20 7946 0000"),
        ("Call us on 555 123 456.", "Phone 555-123-456"),
        ("Only 1 may be used per order.", "Only one voucher may be used per order."),
        ("Rated well by 4 out of 5 customers.", "Rated well by 4 of 5 customers."),
        ("We set 4 tables.", "There are four tables."),
        ("Closed 24, 25 and 26 December.", "Closed 24-26 December."),
        ("Closed on 25 December.", "Closed from December 24 to 26."),
        ("We are on the 1st floor.", "We are on the first floor."),
        ("Ouvert de 9h à 18h30.", "Open 9:00-18:30"),
        ("Open 9 to 6.", "Open 9 am - 6 pm"),
        ("Open 9:00 to 6:00.", "Open 9 am - 6 pm"),
        ("营业时间：上午9点到下午6点。", "Open 9 am to 6 pm"),
        ("下午5点半关门。", "Closes at 17:30"),
        ("الدوام من ٩ صباحا إلى ٦ مساء", "Open 9 am to 6 pm"),
        ("सुबह 9 बजे से शाम 6 बजे तक।", "Open 9 am to 6 pm"),
        ("We open daily.At weekends we close.", "We open daily. At weekends we close."),
        ("A small room costs 12 €.", "Prices in €\nsmall | 12 per night"),
        ("हमारे पास 2 कमरे हैं।", "हमारे पास दो कमरे हैं।"),
        ("5 दिन में।", "पाँच दिन में।"),
        ("3天内送达。", "三天内送达。"),
        ("营业24小时。", "营业二十四小时。"),
        ("需要2到3天。", "需要两三天。"),
        ("成立于2016年。", "成立于二〇一六年。"),
        ("Wir liefern in 30 Tagen.", "Wir liefern in dreißig Tagen."),
    ],
)
def test_the_same_in_other_words_may_be_said(said: str, passage: str) -> None:
    """Phone numbers, months, ranges and hours are known however people and languages write them."""
    assert grounded(said, [passage]).text == said


@pytest.mark.parametrize(
    ("said", "passage", "kind"),
    [
        ("Delivery costs 5 €.", "Delivery takes 5 days. A gift box costs 20 €.", Kind.PRICE),
        ("It costs 5 €.", "Prices in €\nbox of 5 kg | 20", Kind.PRICE),
        ("Closed on 27 December.", "Closed 24-26 December.", Kind.DATE),
        ("Closed on 25 December.", "Closed on 24 and 26 December.", Kind.DATE),
        ("We close on 4 May.", "We may close 4 tables.", Kind.DATE),
        ("Open until 下午5点", "Open until 5 am", Kind.TIME),
        ("Pay at EVIL.ME or evil.me.", "Pay in the shop.", Kind.LINK),
        ("Call 555 123 457.", "Phone 555-123-456", Kind.NUMBER),
        ("需要2天。", "需要十二天。", Kind.NUMBER),
        ("需要10天。", "需要二十天。", Kind.NUMBER),
        ("有2间。", "有二百间。", Kind.NUMBER),
    ],
)
def test_what_only_looks_alike_is_not_said(said: str, passage: str, kind: Kind) -> None:
    """Days are no euros, a day beside a range is not within it, and the morning is not the afternoon."""
    checked = grounded(said, [passage])
    assert (checked.text, kind in checked.invented) == (None, True)


@pytest.mark.parametrize(
    ("said", "passage"),
    [
        ("Closed on 5 APRİL.", "Closed on 5 April."),
        ("Closed on aprıl 5.", "Closed on 5 April."),
        ("It costs 10 rıyal.", "It costs 10 riyal."),
        ("It costs 10 rİyals.", "10 RİYALS for each"),
    ],
)
def test_a_turkish_i_is_an_i(said: str, passage: str) -> None:
    """Whoever writes months and currencies on a Turkish keyboard is read like anybody else."""
    assert grounded(said, [passage]).text == said


def test_a_turkish_i_makes_another_address() -> None:
    """A link that only looks like the shop's is made up."""
    assert grounded("See https://exampıe.com/faq.", ["See https://exampie.com/faq."]).text is None

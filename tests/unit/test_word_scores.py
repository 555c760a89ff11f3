"""Scores of texts by the words of a question."""

from database.lexical_units import packed
from database.word_scores import asked_words, word_scores
from database.word_stems import stem, stems

CHUNKS = 1_000


def scores(question: str, texts: list[str], frequencies: dict[str, int]) -> list[float]:
    bodies = [packed(stems(text)) for text in texts]
    asked = asked_words(stems(question), {stem(word): count for word, count in frequencies.items()}, CHUNKS)
    found: list[float] = word_scores(asked, [len(each) // 4 for each in bodies], b"".join(bodies)).tolist()
    return found


def test_rare_words_say_more() -> None:
    """Of two words the rarer one decides; without any word a text has nothing."""
    rare, common, nothing = scores("open zebra", ["a zebra", "we open", "a cat"], {"open": 400, "zebra": 2})
    assert rare > common > nothing == 0


def test_forms_of_a_word_are_one() -> None:
    """Other endings, case and accents count as the word."""
    same, other = scores("opening cafés", ["OPENED: a cafe", "opera caffeine"], {"opening": 9, "cafés": 9})
    assert same > 1 > other


def test_words_in_a_row_say_more() -> None:
    """The same words in the question's order and beside each other beat the words apart."""
    frequencies = {"gift": 50, "card": 50}
    together, turned, apart = scores(
        "gift card", ["buy gift card now", "buy card gift now", "gift for a card"], frequencies
    )
    assert together > turned
    assert abs(turned - apart) < 0.05


def test_a_pair_does_not_span_texts() -> None:
    """The last word of one text and the first of the next are no pair."""
    alone, _ = scores("gift card", ["a gift", "card game"], {"gift": 50, "card": 50})
    assert alone == scores("gift card", ["a gift"], {"gift": 50, "card": 50})[0]


def test_nothing_asked_nothing_found() -> None:
    """A question without words, and no texts at all, are no error."""
    assert scores("?!", ["a gift"], {}) == [0.0]
    assert scores("gift", [], {"gift": 1}) == []
    assert scores("gift", ["", "gift"], {"gift": 1})[0] == 0.0


def test_repetition_saturates() -> None:
    """A word said ten times counts less than twice as much as one said once."""
    once, often = scores("soup", ["soup", "soup " * 10], {"soup": 10})
    assert once < often < 2 * once

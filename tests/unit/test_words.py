"""Cutting text into words for the lexical index."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.lexical_search import MOST_ASKED, asked_stems, match_term, within
from database.word_stems import stems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("When do you open?", ["when", "do", "you", "open"]),
        ("Öffnungszeiten, opening times", ["offnu", "open", "tim"]),
        ("Model XR2000b or XR2001b", ["model", "xr2000b", "or", "xr2001b"]),
        ("营业时间", ["营业", "业时", "时间"]),
        ("水", ["水"]),
        ("WiFi密码是什么", ["wifi", "密码", "码是", "是什", "什么"]),
        ("เปิด", ["เป", "ปิ", "ิด"]),
        ("\uff46\uff55\uff4c\uff4c width", ["full", "width"]),
        ("दुकान कब खुलती है?", ["दुकान", "कब", "खुलती"[:5], "है"]),
        ("again and again", ["again", "and"]),
        ("\ud83d\x00", []),
    ],
)
def test_asked_stems(text: str, words: list[str]) -> None:
    """A question becomes its words, each once: pairs of characters where nobody writes spaces."""
    assert asked_stems(stems(text)) == words


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text can be asked; what comes out can be stored, and has nothing that FTS5 would read as syntax."""
    words = asked_stems(stems(text))
    " ".join(words).encode()
    assert len(words) <= MOST_ASKED
    assert all(word and not set(word) & set('"*()^:+-\x00') for word in words)


@given(st.text(alphabet="营业时间水 abc", min_size=1))
def test_words_of_a_text_find_it(text: str) -> None:
    """Every word of a question that was copied from a text is in the text as it is indexed."""
    assert set(asked_stems(stems(text))) <= set(stems(text))


def test_single_character_stands_for_its_pairs() -> None:
    """A single character of a script without spaces is searched as the beginning of a pair; a letter is not."""
    assert match_term("水") == '"水" *'
    assert match_term("a") == '"a"'


def test_rarest_words_within_the_budget() -> None:
    """The rarest words are taken until their frequencies fill the budget, and none that never occurs."""
    frequencies = {"the": 900, "opening": 20, "hours": 70, "xyzzy": 0}
    assert within(100, frequencies) == ["opening", "hours"]
    assert within(50, frequencies) == ["opening"]
    assert within(5, frequencies) == []
    assert within(1_000, frequencies) == ["opening", "hours", "the"]
    assert within(100, {"xyzzy": 0}) == []

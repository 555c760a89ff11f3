"""Texts that are too long for one message."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.whatsapp.text_splitting import split_text


def units(text: str) -> int:
    """What WhatsApp may count: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize("text", ["hello", "x" * 4096, "a\n\nb", "\U0001f600" * 2048])
def test_what_fits_stays_whole(text):
    """A text within the limit is one part, unchanged."""
    assert split_text(text) == [text]


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_nothing_has_no_parts(text):
    """Nothing to say is no message."""
    assert split_text(text) == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two three.\n\nfour five six", ["one two three.", "four five six"]),
        ("One. Two.\nThree four. Five", ["One. Two.", "Three four. Five"]),
        ("One two. Three four! Five?", ["One two. Three four!", "Five?"]),
        ("one two three four five six", ["one two three four", "five six"]),
        ("一二三四五六七。八九十一二三四五六七八九十", ["一二三四五六七。", "八九十一二三四五六七八九十"]),
        ("a" * 45, ["a" * 20, "a" * 20, "a" * 5]),
        ("hi there *this is one mark*", ["hi there", "*this is one mark*"]),
        ("*a mark that is longer than a part* x", ["*a mark that is*", "*longer than a part*", "x"]),
        ("intro\n\n```\nx = 1\ny = 2\n```", ["intro", "```\nx = 1\ny = 2\n```"]),
        ("```\nx = 111\n\ny = 222\nz = 333\n```", ["```\nx = 111\n```", "```\ny = 222\n```", "```\nz = 333\n```"]),
        ("2 * 3 * 4 * 5 * 6 * 7 * 8", ["2 * 3 * 4 * 5 * 6 *", "7 * 8"]),
        ("\U0001f600" * 15, ["\U0001f600" * 10, "\U0001f600" * 5]),
        ("a" * 19 + "e\u0301" + "b", ["a" * 19, "e\u0301b"]),
    ],
)
def test_where_it_is_cut(text, parts):
    """Cut at paragraph ends, then lines, sentences, words; marks and code blocks stay whole or are opened again."""
    assert split_text(text, 20) == parts


def test_a_limit_too_small_for_sense():
    """A part must hold more than the marks around it."""
    with pytest.raises(ValueError, match="16"):
        split_text("hello", 4)


def letters(text: str) -> str:
    """What must not be lost: all but white space and marks."""
    return re.sub(r"[\s*_~`]", "", text)


texts = st.one_of(
    st.text(max_size=300),
    st.lists(
        st.sampled_from(
            ["word ", "Sentence. ", "\n", "\n\n", "*bold* ", "_it ", "`c`", "```\n", "~x y~", "\U0001f600", "é"]
        ),
        max_size=150,
    ).map("".join),
)


@given(texts, st.integers(16, 60))
def test_nothing_is_lost_and_every_part_fits(text, limit):
    """Joined again, the parts are the text; each fits, and none is empty or begins or ends in white space."""
    parts = split_text(text, limit)
    assert letters("".join(parts)) == letters(text)
    for part in parts:
        assert units(part) <= limit
        assert part == part.strip() != ""


@given(st.lists(st.sampled_from(["word ", "Sentence. ", "*bold text* ", "_it_ ", "\n\n"]), max_size=200).map("".join))
def test_short_marks_are_never_cut(text):
    """A mark that fits into a part opens and closes in the same part."""
    for part in split_text(text, 40):
        assert part.count("*") % 2 == 0
        assert part.count("_") % 2 == 0


@given(st.lists(st.sampled_from(["x = 1", "", "  y", "long line of code"]), min_size=1, max_size=60))
def test_code_stays_code(lines):
    """Every part of a long code block is a code block of its own."""
    text = "```\n" + "\n".join(["first", *lines, "last"]) + "\n```"
    for part in split_text(text, 40):
        assert part.startswith("```\n")
        assert part.endswith("\n```")
        assert part.count("```") == 2

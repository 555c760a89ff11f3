"""Markdown as WhatsApp shows it."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.whatsapp.formatting import to_whatsapp


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**bold** and __bold__", "*bold* and *bold*"),
        ("*italic* and _italic_", "_italic_ and _italic_"),
        ("~~gone~~", "~gone~"),
        ("***both***", "_*both*_"),
        ("**bold with *italic* inside**", "*bold with _italic_ inside*"),
        ("**bold __twice__ over**", "*bold twice over*"),
        ("`code *x*`", "`code *x*`"),
        ("``a`b``", "a`b"),
        ("# Title", "*Title*"),
        ("## Title with **bold** and *italic*", "*Title with bold and _italic_*"),
        ("Title\n=====\ntext", "*Title*\n\ntext"),
        ("- a\n- b", "- a\n- b"),
        ("* a\n* b", "- a\n- b"),
        ("- a\n\n- b", "- a\n- b"),
        ("1. a\n2. b", "1. a\n2. b"),
        ("1. a\n1. b\n1. c", "1. a\n2. b\n3. c"),
        ("3) a\n5) b", "3) a\n5) b"),
        ("- a\n  - b\n    1. c\n- d", "- a\n- b\n1. c\n- d"),
        ("- - a", "- a"),
        ("1. step\n   ```\n   run\n   ```", "1. step\n```\nrun\n```"),
        ("1. ```\n   run\n   ```", "1.\n```\nrun\n```"),
        ("> one\n> two", "> one\n> two"),
        ("> one\n>\n> > two", "> one\n> two"),
        ("> - a\n> - b", "> - a\n> - b"),
        ("```python\nx = '*'\n\ny = 1\n```", "```\nx = '*'\n\ny = 1\n```"),
        ("~~~\na ``` b\n~~~", "a ``` b"),
        ("[site](https://x.org/a_b)", "site: https://x.org/a_b"),
        ("**[site](https://x.org)**", "*site*: https://x.org"),
        ("[https://x.org](https://x.org)", "https://x.org"),
        ("<https://x.org>", "https://x.org"),
        ("[a@x.org](mailto:a@x.org)", "a@x.org"),
        ("[](https://x.org)", "https://x.org"),
        ("[none]()", "none"),
        ("![a cat](cat.png)", "a cat"),
        ("![](https://x.org/cat.png)", "https://x.org/cat.png"),
        ("a\n\n---\n\nb", "a\n\nb"),
        ("a<br>b <b>bold</b><!-- c --> <p>x</p>y", "a\nb bold\nx\ny"),
        ("Enter <your name> here", "Enter <your name> here"),
        ("| Plan | Price |\n|---|---|\n| S | 5 |\n| **M** | 9 |", "*Plan: Price*\n- S: 5\n- *M*: 9"),
        (
            "| Plan | Price | Days |\n|---|---|---|\n| S | 5 | 3 |\n| M | | 4 |",
            "*Plan*\n- S: Price 5; Days 3\n- M: Days 4",
        ),
        ("| a | b | c |\n|---|---|---|", "*a: b: c*"),
        ("**two\nlines**", "*two*\n*lines*"),
        ("a  \nb\\\nc", "a\nb\nc"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("AT&amp;T", "AT&T"),
        ("**Note:** text", "*Note:* text"),
        ("(**bold**), *it*!", "(*bold*), _it_!"),
    ],
)
def test_markdown(markdown, shown):
    """Each construct of WHATSAPP.md 7 becomes what WhatsApp shows for it."""
    assert to_whatsapp(markdown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "5*3*2 = 30",
        "2 * 3 * 4",
        "2**3**4",
        "snake_case_name and __",
        "a*b and c*d",
        "price* and more*",
        "~5 to ~6 kg",
        "use <name> & <other>",
        "https://x.org/*a*/_b_?c=*d* and https://y.org/__init__",
        "#1 choice, #hashtag",
        "+49 123 - call",
        "1.5 litres",
        "2024. A year",
        "[x]: https://x.org",
        "[draft] text (see [1])",
        "a | b",
        "50 % < 60 %",
        "C:\\files\\new",
        "line one\nline two",
        "这是重点内容",
    ],
)
def test_plain_text_stays_as_it_is(text):
    """Text that merely contains marks is not mangled."""
    assert to_whatsapp(text) == text


@pytest.mark.parametrize(("markdown", "shown"), [("这是**重点**内容", "这是重点内容"), ("**Note**s", "Notes")])
def test_marks_within_a_word_are_left_out(markdown, shown):
    """WhatsApp shows no style within a word: the marks would stand there as they are."""
    assert to_whatsapp(markdown) == shown


@pytest.mark.parametrize(
    "text", ["---", "***", "<b></b>", "-", "\\", "![](x.png)", ">" * 300 + " deep", "*" * 3_000 + "a"]
)
def test_never_empty(text):
    """What would vanish altogether is shown as it was written."""
    assert to_whatsapp(text) == text


def test_nothing_is_nothing():
    """Only an empty text gives an empty one."""
    assert to_whatsapp("") == to_whatsapp(" \n ") == ""


words = st.from_regex(r"[a-zäß]{1,6}", fullmatch=True)
styled = st.tuples(
    st.sampled_from(["{}", "**{}**", "*{}*", "_{}_", "~~{}~~", "`{}`", "[{}](https://x.org)"]), words
).map(lambda pair: pair[0].format(pair[1]))
sentences = st.lists(styled, min_size=1, max_size=6).map(" ".join)
blocks = st.one_of(
    sentences,
    st.tuples(st.sampled_from(["# {}", "### {}", "> {}", "- {}", "1. {}", "**{}**"]), sentences).map(
        lambda pair: pair[0].format(pair[1])
    ),
    st.lists(words, min_size=1, max_size=4).map(lambda lines: "```text\n" + "\n".join(lines) + "\n```"),
    st.lists(sentences, min_size=1, max_size=4).map(lambda items: "\n".join(f"- {item}" for item in items)),
    st.lists(st.tuples(words, words, words), min_size=1, max_size=3).map(
        lambda rows: "| h | k | l |\n|---|---|---|\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)
    ),
)


@settings(deadline=None)
@given(st.lists(blocks, min_size=1, max_size=6).map("\n\n".join))
def test_no_word_is_lost(markdown):
    """Every word of a document is shown, in its order, less the names of code languages and repeats of table heads."""
    said = re.findall(r"[a-zäß]+", re.sub(r"```text\n|\bh \| k \| l\b", " ", markdown))
    shown = re.findall(r"[a-zäß]+", to_whatsapp(markdown))
    left = iter(shown)
    assert all(word in left for word in said)


@settings(deadline=None)
@given(sentences)
def test_marks_hug_their_words(sentence):
    """No mark stands beside white space on its inner side, and every mark has its partner."""
    shown = to_whatsapp(sentence)
    for mark in "*_~`":
        assert shown.count(mark) % 2 == 0
    for found in re.findall(r"([*_~`]+)([a-zäß]+)([*_~`]+)", shown):
        assert found[0] == found[2][::-1]


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=80) | st.text("*_~`#>|-1. \n[](<a&\\", max_size=60))
def test_any_text_is_shown(text):
    """No text breaks the formatter, and none but white space comes out empty."""
    assert bool(to_whatsapp(text)) == bool(text.strip())


def test_a_long_reply_is_formatted_quickly():
    """Marks without end cost time in proportion, not squared."""
    dice = random.Random(1)
    text = "".join(
        dice.choice(["*a* ", "**b** ", "_c_", "~~d~~", "`e`", "\n", "[f](g) ", "* ", "_ "]) for _ in range(5_000)
    )
    assert len(to_whatsapp(text)) > 5_000

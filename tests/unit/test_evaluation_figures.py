"""What `concierge eval` reads and counts."""

import json

import pytest

from bot.commands.evaluation_figures import figures_of, outcome, worst
from bot.commands.evaluation_file import Expected, read_questions
from bot.commands.failures import CommandError

pytestmark = pytest.mark.blocking_allowed  # a command reads its file


def passage(text, filename="shop.md"):
    return {"text": text, "filename": filename}


def reply(answer="I do not know.", *, answered=False):
    return {"answer": answer, "answered": answered}


def lines(folder, *written):
    file = folder / "questions.jsonl"
    file.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in written), "utf-8")
    return file


def test_a_file_is_read_line_by_line(tmp_path):
    """Every form of what is expected, alone and together; empty lines mean nothing."""
    file = lines(
        tmp_path,
        {"question": " When? ", "answer": "at nine"},
        "",
        {"question": "Who?", "answer": ["Ann", "Anna"], "passage": "Ann owns it."},
        {"question": "Where?", "document": "map.pdf"},
        {"question": "Why?", "unanswerable": True},
    )
    assert read_questions(file) == (
        [
            Expected(1, "When?", answers=("at nine",)),
            Expected(3, "Who?", passage="Ann owns it.", answers=("Ann", "Anna")),
            Expected(4, "Where?", document="map.pdf"),
            Expected(5, "Why?", unanswerable=True),
        ],
        [],
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "is not JSON"),
        ("[1]", "is no object"),
        ({"answer": "x"}, "has no question"),
        ({"question": " ", "answer": "x"}, "has no question"),
        ({"question": "x" * 4097, "answer": "x"}, "more than 4,096"),
        ({"question": "x"}, "says nothing of what is expected"),
        ({"question": "x", "unanswerable": False}, "says nothing of what is expected"),
        ({"question": "x", "answer": []}, "neither a text nor a list"),
        ({"question": "x", "answer": ["a", 1]}, "neither a text nor a list"),
        ({"question": "x", "passage": ""}, "has a passage that is no text"),
        ({"question": "x", "unanswerable": "yes"}, "neither true nor false"),
        ({"question": "x", "unanswerable": True, "answer": "a"}, "is unanswerable, but"),
        ({"question": "x", "anwser": "a"}, "mean nothing here: anwser"),
        ('{"question": "x", "answer": "\\ud83d"}', "neither a text"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, problem):
    """With its number and what is wrong, and the others are used."""
    good, bad = read_questions(lines(tmp_path, {"question": "x", "answer": "y"}, line))
    assert [each.line for each in good] == [1]
    assert [each.line for each in bad] == [2]
    assert problem in bad[0].problem


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    """No traceback."""
    with pytest.raises(CommandError, match="cannot be read"):
        read_questions(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("expected", "text", "right"),
    [
        ({"passage": "We open at nine."}, "# Hours\n\nWe **open** at nine. On Sunday we rest.", True),
        ({"passage": "Hours. We open at nine. On Sunday we rest."}, "We open at nine.", True),
        ({"passage": "We open at ten."}, "We open at nine.", False),
        ({"answers": ("at 9",)}, "Open at 9, not at 90.", True),
        ({"answers": ("at 9",)}, "Open at 90.", False),
        ({"answers": ("九点",)}, "我们早上九点开门。", True),
        ({"answers": ("नौ बजे",)}, "हम नौ बजे खुलते हैं।", True),
        ({"document": "shop.md"}, "Anything.", True),
        ({"document": "other.md"}, "Anything.", False),
    ],
)
def test_which_passage_is_right(expected, text, right):
    """By whole words, whatever stands around them; in scripts without spaces by characters."""
    found = outcome(Expected(1, "?", **expected), [passage(text)], reply())
    assert (found.rank == 1) is right


def test_the_figures_of_a_run():
    """By hand: ranks 1, 2 and none; one reply holds its answer; two of three refusals are right, two of three found."""
    asked = [
        outcome(Expected(1, "a", answers=("x",)), [passage("x")], reply("It is x.", answered=True)),
        outcome(Expected(2, "b", answers=("x",)), [passage("y"), passage("x")], reply("It is y.", answered=True)),
        outcome(Expected(3, "c", document="map.pdf"), [passage("y")], reply()),
        outcome(Expected(4, "d", unanswerable=True), [passage("y")], reply()),
        outcome(Expected(5, "e", unanswerable=True), [], reply()),
        outcome(Expected(6, "f", unanswerable=True), [passage("y")], reply("It is y.", answered=True)),
    ]
    assert figures_of(asked) == {
        "hit@1": pytest.approx(1 / 3),
        "hit@5": pytest.approx(2 / 3),
        "mrr": pytest.approx(0.5),
        "containment": 0.5,
        "refusal precision": pytest.approx(2 / 3),
        "refusal recall": pytest.approx(2 / 3),
        "answered": pytest.approx(2 / 3),
    }
    assert [each.expected.line for each in worst(asked, 2)] == [3, 2]
    assert [each.expected.line for each in worst(asked, 9)] == [3, 2, 6]


def test_a_figure_that_no_question_tells_is_none():
    """A file of unanswerable questions alone has no hits."""
    figures = figures_of([outcome(Expected(1, "d", unanswerable=True), [], reply())])
    assert (figures["hit@1"], figures["containment"], figures["refusal recall"]) == (None, None, 1.0)
    assert figures_of([outcome(Expected(1, "a", answers=("x",)), [], reply())])["refusal precision"] is None

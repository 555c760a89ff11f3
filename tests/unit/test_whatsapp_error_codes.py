"""What Meta's refusals mean."""

import re

import pytest

from services.whatsapp.error_codes import RetryClass, classify, explain, known
from services.whatsapp.errors import NotSentError, RefusedError, SendError, UnsureError
from tests.shared import shared

LETTERS = {
    "N": RetryClass.NEVER,
    "B": RetryClass.BACK_OFF,
    "U": RetryClass.UNSURE,
    "U/B": RetryClass.UNSURE,
    "T": RetryClass.TEMPLATE,
    "L": RetryClass.LATER,
    "O": RetryClass.STOP,
    "L/O": RetryClass.STOP,
    "N/B": RetryClass.NEVER,
    "N (B once if sent by link)": RetryClass.NEVER,
}
ONE_BY_ONE = {"132068, 132069": "N / B", "134100, 134101, 134102": "N/B/N"}


@pytest.mark.parametrize(
    ("codes", "retry_class"),
    [
        ([131026, 131009, 100, 33, 130472, 138000, 138013, 147003, 2388050, 2388153, 139102], RetryClass.NEVER),
        ([4, 80007, 130429, 131056, 131057, 133004, 2494100, 132069, 134101], RetryClass.BACK_OFF),
        ([1, 2, 131000, 131016], RetryClass.UNSURE),
        ([131047], RetryClass.TEMPLATE),
        ([131049, 131064, 132015], RetryClass.LATER),
        ([0, 3, 10, 190, 200, 299, 368, 131031, 131042, 131048, 133010], RetryClass.STOP),
    ],
)
def test_known_codes_decide_whatever_the_status(codes, retry_class):
    """Meta's code decides where it is known; the HTTP status is not asked."""
    for code in codes:
        assert {classify(code, status) for status in (200, 400, 403, 429, 500, 503)} == {retry_class}


@pytest.mark.parametrize(
    ("http_status", "retry_class"),
    [
        (400, RetryClass.NEVER),
        (401, RetryClass.STOP),
        (403, RetryClass.STOP),
        (404, RetryClass.NEVER),
        (408, RetryClass.UNSURE),
        (429, RetryClass.BACK_OFF),
        (500, RetryClass.UNSURE),
        (502, RetryClass.UNSURE),
        (503, RetryClass.UNSURE),
        (302, RetryClass.UNSURE),
        (200, RetryClass.UNSURE),
    ],
)
def test_the_status_decides_for_unknown_codes(http_status, retry_class):
    """Without a known code the HTTP status decides, and what may hide a success is unsure."""
    assert classify(None, http_status) is classify(999_999_999, http_status) is retry_class
    assert classify(-1, http_status) is retry_class


def test_the_collected_table_and_ours_agree():
    """Every code of WHATSAPP.md 5.4 has the class that stands there."""
    section = shared("WHATSAPP.md").read_text().split("### 5.4")[1].split("\n## ")[0]
    compared = 0
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if len(cells) < 4 or not cells[0][:1].isdigit():
            continue
        letters = cells[3].strip()
        codes = [int(code) for code in re.findall(r"\d+", re.sub(r"2388xxx.*", "2388050", cells[0]))]
        classes = re.findall("[A-Z]", letters) if cells[0] in ONE_BY_ONE else [letters] * len(codes)
        for code, letter in zip(codes, classes, strict=True):
            assert known(code), code
            assert letter not in LETTERS or classify(code, 400) is LETTERS[letter], code
            compared += letter in LETTERS
    assert compared > 70


def test_the_operator_is_told_what_to_do():
    """Explanations are sentences with the code, also for codes that nobody knows."""
    assert explain(190) == (
        "The access token has expired or was revoked (code 190)."
        " Put a new access token into WHATSAPP_ACCESS_TOKEN and restart."
    )
    assert explain(131026).endswith("has blocked us (code 131026).")
    assert explain(250).startswith("A permission is missing (code 250).")
    assert "987654" in explain(987_654)
    assert explain(None).endswith(".")


def test_errors_tell_what_they_know():
    """Each error of the tree carries its code and words."""
    errors: list[SendError] = [
        RefusedError("no", 100, 400, RetryClass.NEVER),
        NotSentError("no line"),
        UnsureError("?"),
    ]
    assert [str(error) for error in errors] == ["no (code 100)", "no line", "?"]
    assert [error.code for error in errors] == [100, None, None]

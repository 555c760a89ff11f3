"""Chunks that say nothing are told from those that merely look odd."""

import base64
import random

import pytest

from services.chunk_quality import says_nothing

NOISE = random.Random(4).randbytes(300)


@pytest.mark.parametrize(
    "text",
    [
        "........ .... ...",
        "______ | ______",
        "(cid:12)(cid:3) (cid:44)(cid:12)",
        "\ufffd\ufffdab\ufffd \ufffdc",
        "\ue001\ue014\ue022 \ue003\ue004",
        NOISE.hex(),
        "0" * 1_200,
        "0 1 " * 300,
        NOISE.hex(" "),
        base64.b64encode(NOISE).decode(),
    ],
)
def test_debris_says_nothing(text):
    """Dots, glyph numbers, broken letters and dumps answer no question."""
    assert says_nothing(text)


@pytest.mark.parametrize(
    "text",
    [
        "We open at 9.",
        "价格是五元",
        "9",
        "Aaaaah!",
        "Small | 12 | 14 | 16 | 18 | 20 | 22 | 24 | 26 | 28 | 30 | 32 | 34 | 36 | 38 | 40 | 42 | 44 | 46 | 48",
        "12 34 56 78 90 11 22 33 44 55 66 77 88 99 10 20 30 40 12 34 56 78 90 12 34 56",
        "Our key is MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuZ1abcdefghijk. Keep it where nobody else finds it.",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
        "See https://example.com/shop/tea/green/sencha/first-flush/2026/how-to-steep-it-for-two-minutes",
        "The word (cid:12) stands here once, among many others that can be read very well.",
    ],
)
def test_what_can_be_read_stays(text):
    """Short answers, figures, addresses, long words and a broken glyph in a sentence are kept."""
    assert not says_nothing(text)

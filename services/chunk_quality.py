"""Tells chunks that say nothing: debris of broken fonts, dumps of codes, lines of dots."""

import re

# What readers of PDFs write for a glyph that no table names.
_GLYPH_IDS = re.compile(r"\(cid:\d+\)|/g\d{1,5}\b|/C\d{2,3}\b")
# Replacement characters and private use: letters of a font that nobody else has.
_BROKEN = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010fffd\x00-\x08\x0e-\x1f\x7f-\x9f]")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
# Base64 and hexadecimal: long runs of letters and digits that are no words.
_RUN = re.compile(r"[A-Za-z0-9+/=_-]{60,}")
_HEX_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}|[0-9a-fA-F]{4}|[0-9a-fA-F]{8})[:,]?")
_BROKEN_SHARE = 0.2
_CODE_SHARE = 0.7
_HEX_TOKENS = 24


def says_nothing(text: str) -> bool:
    """Whether nobody could read an answer out of the text."""
    readable = _BROKEN.sub("", _GLYPH_IDS.sub("", text))
    if not _LETTER_OR_DIGIT.search(readable):
        return True
    visible = sum(not character.isspace() for character in text)
    if visible - sum(not character.isspace() for character in readable) > visible * _BROKEN_SHARE:
        return True
    return _is_dump(readable, visible)


def _is_dump(text: str, visible: int) -> bool:
    runs = sum(len(run) for run in _RUN.findall(text) if _mixes(run))
    if runs > visible * _CODE_SHARE:
        return True
    tokens = text.split()
    codes = sum(bool(_HEX_TOKEN.fullmatch(token)) and not token.isdecimal() for token in tokens)
    digits = sum(bool(_HEX_TOKEN.fullmatch(token)) for token in tokens)
    return len(tokens) >= _HEX_TOKENS and codes > len(tokens) * 0.3 and digits > len(tokens) * _CODE_SHARE


def _mixes(run: str) -> bool:
    """Digits among letters, or capitals amid small ones: no word and no line of dashes."""
    letters = sum(character.isalpha() for character in run)
    digits = sum(character.isdecimal() for character in run)
    capitals = sum(character.isupper() for character in run)
    return bool(letters and digits) or 0.15 < capitals / max(letters, 1) < 0.85  # noqa: PLR2004 - neither all nor few

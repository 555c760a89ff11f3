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
_HEX_LINE = re.compile(r"(?:\b[0-9a-fA-F]{2,8}\b[\s:,]+){12,}")
_PIECE = re.compile(r"[A-Za-z0-9]+")
_PIECE_CHARACTERS = 12
_DIGIT, _CAPITAL, _SMALL = re.compile(r"[0-9]"), re.compile(r"[A-Z]"), re.compile(r"[a-z]")
_BROKEN_SHARE = 0.2
# A line of zeros, of "-0-0-0": so few different characters make no words.
_FEW_CHARACTERS, _LONG = 3, 60
_CODE_SHARE = 0.7
# A table of figures has tokens like these too, but hardly any with letters.
_MIXED_SHARE = 0.3


def says_nothing(text: str) -> bool:
    """Whether nobody could read an answer out of the text."""
    readable = _BROKEN.sub("", _GLYPH_IDS.sub("", text))
    if not _LETTER_OR_DIGIT.search(readable):
        return True
    if len(readable) > _LONG and len(set("".join(readable.split()))) <= _FEW_CHARACTERS:
        return True
    if len(readable) < len(text):
        visible = _visible(text)
        if visible - _visible(readable) > visible * _BROKEN_SHARE:
            return True
    return _is_code(readable) or _is_hex_dump(readable)


def _visible(text: str) -> int:
    return len("".join(text.split()))


def _is_code(text: str) -> bool:
    runs = sum(len(run) for run in _RUN.findall(text) if _mixes(run))
    return bool(runs) and runs > _visible(text) * _CODE_SHARE


def _is_hex_dump(text: str) -> bool:
    if not _HEX_LINE.search(text):
        return False
    tokens = text.split()
    codes = [token for token in tokens if _HEX_TOKEN.fullmatch(token)]
    mixed = sum(not token.rstrip(":,").isdecimal() for token in codes)
    return len(codes) > len(tokens) * _CODE_SHARE and mixed > len(tokens) * _MIXED_SHARE


def _mixes(run: str) -> bool:
    """Digits among letters, or capitals amid small ones: no word, no line of dashes, no address of short words."""
    if len(run) / len(_PIECE.findall(run) or run) < _PIECE_CHARACTERS:
        return False
    digits, capitals = len(_DIGIT.findall(run)), len(_CAPITAL.findall(run))
    letters = len(_SMALL.findall(run)) + capitals
    return bool(letters and digits) or 0.15 < capitals / max(letters, 1) < 0.85  # noqa: PLR2004 - neither all nor few

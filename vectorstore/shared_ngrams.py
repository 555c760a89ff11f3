"""How much of a question's wording a text has: n-grams of characters, which see what whole words and stems do not."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from database.word_stems import folded

Codes = npt.NDArray[np.uint32]
Ngrams = npt.NDArray[np.uint64]

# Four letters see parts and forms of words, six see words in a row. Chosen on half of the questions of all retrieval
# sets (docs/benchmarks.md): one length alone, or others beside, orders worse or as well.
_LENGTHS = (4, 6)
_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)
_HIGH_BITS = np.uint64(52)

_SPACE, _MARK = ord(" "), 1
_END = np.array([0x11_0000], np.uint32)
"""What no text has, behind each of them: no n-gram reaches from one into the next."""
# By code point: its first folded letter or digit, _SPACE between words, _MARK for accents; 0 is not looked at yet.
_FOLDED = np.zeros(0x11_0001, np.uint32)
_FOLDED[_END] = _END


def shared_ngrams(question: str, texts: Sequence[str]) -> list[float]:
    """For each text the share, 0..1, of the question's n-grams that are in it, the mean of both lengths."""
    asked = _letters(_codes(question))
    said = _letters(np.concatenate([part for text in texts for part in (_codes(text), _END)] or [_END]))
    owners = np.cumsum(said == _END) - (said == _END)
    shares = [_shares(_ngrams(said, n), owners, np.unique(_ngrams(asked, n)), len(texts)) for n in _LENGTHS]
    result: list[float] = np.mean(shares, axis=0).tolist()
    return result


def _codes(text: str) -> Codes:
    """With a space before the first word and after the last."""
    return np.frombuffer(f" {text} ".encode("utf-32-le", "replace"), "<u4")


def _letters(codes: Codes) -> Codes:
    """Folded, with one space between words."""
    letters = _FOLDED[codes]
    if not letters.all():
        for code in np.unique(codes[letters == 0]).tolist():
            _FOLDED[code] = _folded_letter(chr(code))
        letters = _FOLDED[codes]
    letters = letters[letters != _MARK]
    again = (letters[1:] == _SPACE) & (letters[:-1] == _SPACE)
    kept: Codes = letters[np.append(True, ~again)]
    return kept


def _folded_letter(character: str) -> int:
    plain = folded(character)[:1]
    return ord(plain) if plain.isalnum() else _SPACE if plain else _MARK


def _ngrams(letters: Codes, length: int) -> Ngrams:
    """Each run of so many characters as one number; two that differ share one as good as never."""
    count = max(len(letters) - length + 1, 0)
    mixed = np.zeros(count, np.uint64)
    for at in range(length):
        mixed = mixed * _MIX + letters[at : at + count]
    return mixed


def _shares(said: Ngrams, owners: npt.NDArray[np.intp], asked: Ngrams, texts: int) -> npt.NDArray[np.float64]:
    if not len(asked):
        return np.zeros(texts)
    # Most are none of the question's: a table of their high bits tells that more quickly than looking for them.
    some = np.zeros(1 << 12, np.bool_)
    some[asked >> _HIGH_BITS] = True
    maybe = np.flatnonzero(some[said >> _HIGH_BITS])
    places = np.minimum(np.searchsorted(asked, said[maybe]), len(asked) - 1)
    meant = asked[places] == said[maybe]
    found = np.zeros((texts, len(asked)), np.bool_)
    found[owners[maybe[meant]], places[meant]] = True
    shares: npt.NDArray[np.float64] = found.mean(axis=1)
    return shares

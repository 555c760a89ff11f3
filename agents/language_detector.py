"""Which of the bot's languages a customer writes: by script, and for Latin letters by the commonest words."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from agents.language_packs import DEFAULT_LANGUAGE, LanguagePack
from agents.words import words

_ARABIC = re.compile(r"[\u0600-\u06ff\u0750-\u077f]")
_PERSIAN_OR_URDU = re.compile(r"[\u067e\u0686\u0698\u06af\u06a9\u06cc\u0679\u0688\u0691\u06ba\u06d2]")
_DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA_OR_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
# Letters that point to a language, and how strongly, beside the words.
_LETTERS: dict[str, tuple[tuple[str, float], ...]] = {
    "ñ¿¡": (("es", 2.0),),
    "ãõ": (("pt", 2.0),),
    "äöüß": (("de", 1.5),),
    "áíóú": (("es", 0.4), ("pt", 0.4)),
    "âê": (("pt", 0.4), ("fr", 0.4)),
    "ç": (("fr", 0.5), ("pt", 0.5)),
    "œëîûï": (("fr", 1.0),),
    "àù": (("fr", 0.5), ("it", 0.5)),
    "è": (("it", 0.5), ("fr", 0.5)),
    "ìò": (("it", 1.0),),
    "é": (("fr", 0.3), ("es", 0.2), ("pt", 0.2)),
}
# Letters that none of our languages has, as in Turkish, Romanian, Polish or Vietnamese.
_FOREIGN = re.compile(r"[\u0100-\u0151\u0154-\u024f\u1ea0-\u1eff]")
_SPOKEN_KINDS = ("greeting", "thanks", "acknowledgement", "yes", "person", "opt_out", "opt_in")
_ENOUGH = 0.3
_LEAD = 1.2
# Of sentences in English a third or more are small words; of other languages' sentences, taken for English, a tenth.
_SURE = 0.25
_MOST_CHARACTERS = 2048
"""What is read of a long text: its end, which was written last."""


class LanguageDetector:
    """Stateless; one instance serves all."""

    def __init__(self, packs: Mapping[str, LanguagePack]) -> None:
        latin = {code: pack for code, pack in packs.items() if code not in {"ar", "hi", "zh"}}
        self._words = _word_weights(latin)
        self._common = {code: pack.stop_words | pack.marks for code, pack in latin.items()}
        self._codes = frozenset(packs)

    def language_of(self, texts: Sequence[str], *, stored: str | None) -> str:
        """The texts' language (ISO 639-1); in doubt the stored one, and English when nothing is known."""
        return self.detect("\n".join(texts), stored=stored) or stored or DEFAULT_LANGUAGE

    def detect(self, text: str, *, stored: str | None = None) -> str | None:
        """One of our languages, or None in doubt; a tie goes to the stored one."""
        text = text[-_MOST_CHARACTERS:]
        by_script = _by_script(text)
        if by_script is not None:
            return by_script if by_script in self._codes else None
        scores = self._scores(text)
        if stored is not None and stored in scores:
            scores[stored] += _ENOUGH
        ranked = sorted(scores.items(), key=lambda item: item[1], reverse=True)[:2]
        if not ranked or ranked[0][1] < _ENOUGH:
            return None
        if len(ranked) > 1 and ranked[0][1] < _LEAD * ranked[1][1]:
            return None
        return ranked[0][0]

    def knows(self, language: str) -> bool:
        """Whether it is one of ours."""
        return language in self._codes

    def surely(self, text: str) -> str | None:
        """The language that a text is certainly in: by its script, or because enough of it are that one's small words.

        Dutch shares words with English, Malay with Indonesian: `detect` names the nearest of our languages for them.
        """
        found = self.detect(text)
        if found is None or found not in self._common:
            return found
        spelled = [word for word in words(text[-_MOST_CHARACTERS:]) if not word[0].isdigit()]
        common = sum(word in self._common[found] for word in spelled)
        return found if common >= _SURE * len(spelled) else None

    def _scores(self, text: str) -> dict[str, float]:
        scores: defaultdict[str, float] = defaultdict(float)
        for word in words(text):
            for code, weight in self._words.get(word, ()):
                scores[code] += weight
        for letters, hints in _LETTERS.items():
            count = min(2, sum(text.lower().count(letter) for letter in letters))
            for code, weight in hints:
                if count:
                    scores[code] += weight * count
        foreign = len(_FOREIGN.findall(text))
        return {code: score - foreign for code, score in scores.items()}


def _by_script(text: str) -> str | None:
    """The language of a script that only one of ours is written in; "" for a script of none of ours; None for Latin."""
    counts = {
        "ar": len(_ARABIC.findall(text)),
        "hi": len(_DEVANAGARI.findall(text)),
        "zh": 2 * len(_HAN.findall(text)),
        "": 2 * len(_KANA_OR_HANGUL.findall(text)),
    }
    code, count = max(counts.items(), key=lambda item: item[1])
    if count == 0 or count < len(_LATIN.findall(text)) / 2:
        return None
    if counts[""] or (code == "ar" and _PERSIAN_OR_URDU.search(text)):
        return ""
    return code


def _word_weights(packs: Mapping[str, LanguagePack]) -> dict[str, tuple[tuple[str, float], ...]]:
    """A word of one language counts 1 for it; a word of several languages counts less for each."""
    known = {
        code: pack.stop_words
        | pack.marks
        | {word for kind in _SPOKEN_KINDS for phrase in pack.phrases[kind] for word in words(phrase)}
        for code, pack in packs.items()
    }
    having = Counter(word for found in known.values() for word in found)
    return {
        word: tuple((code, 1 / having[word] ** 2) for code, found in known.items() if word in found) for word in having
    }
